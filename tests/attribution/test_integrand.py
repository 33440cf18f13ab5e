"""The integrand against derivatives by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.frozen import Model
from igbatch.attribution.integrand import Integrand
from igbatch.attribution.outputs import OUTPUTS
from igbatch.attribution.schedule import MicroBatch

BATCH = MicroBatch(np.array([1, 0, 1]), np.array([0.0, 0.25, 1.0]), np.zeros(3))


def two_squares(images: Tensor) -> Tensor:
    """Logits: the sum of squares, and minus it."""
    total = images.square().sum((1, 2, 3))
    return torch.stack([total, -total], 1)


def integrand(
    model: Model, images: Tensor, *, output: str = "logit", dtype: torch.dtype = torch.float32
) -> Integrand:
    baseline = torch.tensor(0.5).expand(images.shape)
    return Integrand(model, images, baseline, torch.tensor([[0, 1], [1, 0]]), OUTPUTS[output], dtype)


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(2, 3, 4, 5, generator=generator)


def points(images: Tensor) -> Tensor:
    nodes = torch.from_numpy(BATCH.nodes)[:, None, None, None]
    return 0.5 + nodes * (images[[1, 0, 1]].double() - 0.5)


def test_scores_are_outputs_on_the_line(images: Tensor) -> None:
    total = points(images).square().sum((1, 2, 3))
    signs = torch.tensor([[-1, 1], [1, -1], [-1, 1]])  # rows belong to images 1, 0, 1
    torch.testing.assert_close(
        integrand(two_squares, images).scores(BATCH), signs * total[:, None], rtol=1e-6, atol=0
    )


def test_maps_are_gradients_times_the_whole_line(images: Tensor) -> None:
    signs = torch.tensor([[-1, 1], [1, -1], [-1, 1]])[:, :, None, None, None]
    expected = signs * (2 * points(images) * (images[[1, 0, 1]].double() - 0.5))[:, None]
    with_channels = integrand(two_squares, images).maps(BATCH, keep_channels=True)
    assert with_channels.dtype == torch.float64
    torch.testing.assert_close(with_channels, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(
        integrand(two_squares, images).maps(BATCH), expected.sum(2), rtol=1e-6, atol=1e-6
    )


def test_the_model_is_given_its_own_type(images: Tensor) -> None:
    seen = []

    def model(rows: Tensor) -> Tensor:
        seen.append(rows.dtype)
        return two_squares(rows)

    integrand(model, images, dtype=torch.float64).maps(BATCH)
    integrand(model, images.double(), dtype=torch.float32).maps(BATCH)
    assert seen == [torch.float64, torch.float32]


def test_derivatives_below_float32_do_not_underflow() -> None:
    gap = 120.0

    def model(rows: Tensor) -> Tensor:
        logit = rows.sum((1, 2, 3))
        return torch.stack([logit, logit * 0 + gap], 1)

    one = MicroBatch(np.array([0]), np.array([0.0]), np.ones(1))
    image = torch.full((1, 1, 1, 1), 1.5)
    baseline = torch.tensor(0.5).expand(image.shape)
    maps = Integrand(model, image, baseline, torch.tensor([[0]]), OUTPUTS["probability"], torch.float32).maps(
        one
    )
    assert maps.item() == pytest.approx(math.exp(0.5 - gap), rel=1e-6, abs=0)  # 1e-52: float32 ends at 1e-45


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda rows: (two_squares(rows),),
            r"the model returned tuple for images \[3, 3, 4, 5\]: .* logits \[3, classes\]",
        ),
        (lambda rows: two_squares(rows)[0], r"the model returned shape \[2\]"),
        (lambda rows: two_squares(rows)[:1], r"the model returned shape \[1, 2\]"),
        (
            lambda rows: two_squares(rows)[:, :1],
            r"target 1 of image 0 is class 1, but the model has 1 classes: .* 0 to 0",
        ),
        (lambda rows: two_squares(rows.detach()), r"no gradient to the images: take no_grad and detach out"),
    ],
    ids=["tuple", "one-dimensional", "other-rows", "too-few-classes", "detached"],
)
def test_a_model_that_cannot_be_explained_is_refused_with_the_fix(
    model: Model, message: str, images: Tensor
) -> None:
    with pytest.raises(AttributionError, match=message):
        integrand(model, images).maps(BATCH)
