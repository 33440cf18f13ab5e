"""The bundled model, and one of its architecture that is nobody's."""

import pytest
import timm
import torch

from igbatch.birds.bundled import BUNDLED_ARCHITECTURE


@pytest.fixture(scope="session", autouse=True)
def small_models(on_one_thread: None) -> None:
    """Run on one thread: the models are too small to share."""


@pytest.fixture(scope="session")
def trained() -> torch.nn.Module:
    """The bundled model."""
    return timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True).eval()


@pytest.fixture(scope="session")
def some_model() -> torch.nn.Module:
    """A model of the bundled architecture with weights that are nobody's."""
    return timm.create_model(BUNDLED_ARCHITECTURE).eval()
