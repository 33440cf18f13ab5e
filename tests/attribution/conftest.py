"""Models and settings that several files of this package's tests share."""

import os
from collections.abc import Iterator

# Where cores are shared, two threads that wait for each other in a loop take hundreds of times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn


class RowByRow(nn.Module):
    """A model that is given one row at a time: whatever the processor, a row knows nothing of its place."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.model(images[row : row + 1]) for row in range(len(images))])


class ByPlace(RowByRow):
    """A model whose rows depend on their place, as they do on every GPU and on some processors."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (1 + 1e-6 * torch.arange(len(images))[:, None])


class Sharpened(nn.Module):
    """A model with its logits scaled, and one of them raised."""

    def __init__(self, model: nn.Module, scale: float, favourite: int = 0, raised: float = 0.0) -> None:
        super().__init__()
        self.model, self.scale, self.favourite, self.raised = model, scale, favourite, raised

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images) * self.scale
        return logits + self.raised * nn.functional.one_hot(torch.tensor(self.favourite), logits.shape[1])


@pytest.fixture(scope="session")
def sharpened() -> type[Sharpened]:
    """What makes a model's paths bend more: how much its logits are scaled, and which of them is raised."""
    return Sharpened


@pytest.fixture(scope="session")
def row_by_row(shallow_swin: SwinTransformer) -> RowByRow:
    """The shallow Swin where rows are alike."""
    return RowByRow(shallow_swin).eval()


@pytest.fixture(scope="session")
def by_place(shallow_swin: SwinTransformer) -> ByPlace:
    """The shallow Swin where they are not."""
    return ByPlace(shallow_swin).eval()


@pytest.fixture(scope="session")
def small_swin() -> SwinTransformer:
    """A Swin of 56 x 56 images and 1,000 classes with random weights, in evaluation mode."""
    return swin(depths=(2, 1))


@pytest.fixture(scope="session")
def shallow_swin() -> SwinTransformer:
    """The same with a block a stage: of few rows at a time, blocks cost the time."""
    return swin(depths=(1, 1))


def swin(depths: tuple[int, int]) -> SwinTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SwinTransformer(
            img_size=56, patch_size=4, window_size=7, embed_dim=16, depths=depths, num_heads=(2, 4)
        )
    return model.eval()


@pytest.fixture
def generator() -> torch.Generator:
    """A source of random tensors, the same in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    """Three images for the small Swin."""
    return torch.randn(3, 3, 56, 56, generator=generator)


@pytest.fixture(scope="session", autouse=True)
def small_models(on_one_thread: None) -> None:
    """Run on one thread where a test does not say otherwise: the models are too small to share."""


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=["1-thread", "2-threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test on that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
