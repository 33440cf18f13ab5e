"""Models of the bundled architecture, which is small, and what a pickle would do if anyone opened it."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from igbatch.birds.facts import BUNDLED_ARCHITECTURE
from igbatch.variants.models import load_trained
from igbatch.variants.randomized import random_model
from igbatch.variants.weights import WeightsSource, locate_weights

KEY = "models.m.weights"


@pytest.fixture(scope="session", autouse=True)
def small_models(on_one_thread: None) -> None:
    """Run on one thread: the models are too small to share."""


@pytest.fixture(scope="session")
def trained() -> torch.nn.Module:
    """The bundled model."""
    return load_trained(locate_weights("bundled", None, KEY), KEY)


@pytest.fixture(scope="session")
def some_model() -> torch.nn.Module:
    """A model of the bundled architecture with weights that are nobody's."""
    return random_model(WeightsSource(BUNDLED_ARCHITECTURE, None), 12345, KEY)


@pytest.fixture
def write_pickle(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Write a pickle whose opening makes a folder, and check at the end that nobody opened it."""
    trace = tmp_path / "unpickled"

    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(trace),)

    def write(path: Path) -> None:
        path.write_bytes(pickle.dumps(Trap()))

    yield write
    assert not trace.exists()
