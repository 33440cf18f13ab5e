"""The integrand against derivatives by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.frozen import Model
from igbatch.attribution.integrand import Integrand, NodeValue, Row
from igbatch.attribution.outputs import OUTPUTS
from igbatch.attribution.precision import PRECISIONS

OWNERS, NODES = [1, 0, 1], [0.0, 0.25, 1.0]
TARGETS = torch.tensor([[0, 1], [1, 0]])
SIGNS = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)  # of images 1, 0, 1


def two_squares(images: Tensor) -> Tensor:
    """Logits: the sum of squares, and minus it."""
    total = images.square().sum((1, 2, 3))
    return torch.stack([total, -total], 1)


def integrand(model: Model, *, output: str = "logit", precision: str = "float32") -> Integrand:
    return Integrand(lambda points, owners: model(points), OUTPUTS[output], PRECISIONS[precision])


def rows(images: Tensor) -> list[Row]:
    start = torch.full(images.shape[1:], 0.5, dtype=images.dtype)
    return [
        Row(owner, start, images[owner].double() - start.double(), TARGETS[owner], node)
        for owner, node in zip(OWNERS, NODES, strict=True)
    ]


def points(images: Tensor) -> Tensor:
    nodes = torch.tensor(NODES, dtype=torch.float64)[:, None, None, None]
    return 0.5 + nodes * (images[OWNERS].double() - 0.5)


def maps(values: list[NodeValue]) -> Tensor:
    """The maps in units of the output, float64 [rows, K, ...]."""
    each = [value.map * torch.from_numpy(value.scale).reshape(-1, *[1] * (value.map.ndim - 1))
            for value in values]  # fmt: skip
    return torch.stack(each)


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(2, 3, 4, 5, generator=generator)


def test_scores_are_outputs_on_the_line(images: Tensor) -> None:
    total = points(images).square().sum((1, 2, 3))
    found = integrand(two_squares)
    expected = SIGNS * total[:, None]
    torch.testing.assert_close(torch.from_numpy(found.scores(rows(images))), expected, rtol=1e-6, atol=0)
    alongside = [value.score.tolist() for value in found.values(rows(images))]
    torch.testing.assert_close(torch.tensor(alongside, dtype=torch.float64), expected, rtol=1e-6, atol=0)


def test_maps_are_gradients_times_the_whole_line(images: Tensor) -> None:
    difference = images[OWNERS].double() - 0.5
    expected = SIGNS[:, :, None, None, None] * (2 * points(images) * difference)[:, None]
    with_channels = maps(replace(integrand(two_squares), sum_channels=False).values(rows(images)))
    assert with_channels.dtype == torch.float64
    torch.testing.assert_close(with_channels, expected, rtol=1e-6, atol=1e-7)
    summed = maps(integrand(two_squares).values(rows(images)))
    torch.testing.assert_close(summed, expected.sum(2), rtol=1e-6, atol=1e-6)


def test_without_multiplying_maps_are_the_gradients_alone(images: Tensor) -> None:
    found = replace(integrand(two_squares), sum_channels=False, multiply=False).values(rows(images))
    expected = SIGNS[:, :, None, None, None] * (2 * points(images))[:, None]
    torch.testing.assert_close(maps(found), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("multiply", [True, False])
def test_slopes_are_derivatives_along_the_line_and_norms_are_the_maps(multiply: bool, images: Tensor) -> None:
    found = replace(integrand(two_squares), multiply=multiply).values(rows(images))
    along = SIGNS * (2 * points(images) * (images[OWNERS].double() - 0.5)).flatten(1).sum(1)[:, None]
    slopes = torch.tensor([value.slope.tolist() for value in found], dtype=torch.float64)
    torch.testing.assert_close(slopes, along, rtol=1e-6, atol=1e-6)
    norms = torch.tensor([value.norm.tolist() for value in found], dtype=torch.float64)
    torch.testing.assert_close(norms, maps(found).flatten(2).norm(dim=2))


def test_an_image_of_any_shape_has_an_integrand(generator: torch.Generator) -> None:
    image = torch.rand(6, generator=generator)
    row = Row(0, torch.zeros(6), image.double(), torch.tensor([0]), 0.5)
    found = replace(integrand(lambda x: x.square().sum(1, keepdim=True)), sum_channels=False).values([row])
    torch.testing.assert_close(maps(found)[0, 0], image.double().square(), rtol=1e-6, atol=0)


def test_the_forward_function_is_told_whose_points_it_is_given(images: Tensor) -> None:
    told = []

    def forward(points: Tensor, owners: Tensor) -> Tensor:
        told.append(owners.tolist())
        return two_squares(points)

    found = Integrand(forward, OUTPUTS["logit"], PRECISIONS["float32"])
    found.values(rows(images))
    found.scores(rows(images))
    assert told == [OWNERS, OWNERS]


def test_the_model_is_given_its_own_type(images: Tensor) -> None:
    seen = []

    def model(points: Tensor) -> Tensor:
        seen.append(points.dtype)
        return two_squares(points)

    integrand(model, precision="float64").values(rows(images))
    integrand(model).values(rows(images.double()))
    integrand(model, precision="bfloat16").values(rows(images.double()))
    assert seen == [torch.float64, torch.float32, torch.float32]


def test_derivatives_below_float32_do_not_underflow() -> None:
    gap = 120.0

    def model(points: Tensor) -> Tensor:
        logit = points.sum((1, 2, 3))
        return torch.stack([logit, logit * 0 + gap], 1)

    one = torch.ones(1, 1, 1, dtype=torch.float64)
    row = Row(0, torch.full((1, 1, 1), 0.5), one, torch.tensor([0]), 0.0)
    (value,) = integrand(model, output="probability").values([row])
    expected = math.exp(0.5 - gap)  # 1e-52: float32 ends at 1e-45
    for found in (value, value.rounded()):
        assert maps([found]).item() == pytest.approx(expected, rel=1e-6, abs=0)
        assert found.slope.item() == pytest.approx(expected, rel=1e-6, abs=0)
    assert value.rounded().map.dtype == torch.float32


def test_a_rounded_value_holds_memory_of_its_own(images: Tensor) -> None:
    values = integrand(two_squares).values(rows(images))
    kept = values[0].rounded().map
    assert kept.untyped_storage().nbytes() == kept.numel() * 4


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda points: (two_squares(points),),
            r"the model returned tuple for images \[3, 3, 4, 5\]: .* logits \[3, classes\]",
        ),
        (lambda points: two_squares(points)[0], r"the model returned shape \[2\]"),
        (lambda points: two_squares(points)[:1], r"the model returned shape \[1, 2\]"),
        (
            lambda points: two_squares(points)[:, :1],
            r"target 1 of image 0 is class 1, but the model has 1 classes: .* 0 to 0",
        ),
        (lambda points: two_squares(points.detach()), r"no gradient to the images: take no_grad and detach"),
    ],
    ids=["tuple", "one-dimensional", "other-rows", "too-few-classes", "detached"],
)
def test_a_model_that_cannot_be_explained_is_refused_with_the_fix(
    model: Model, message: str, images: Tensor
) -> None:
    first = sorted(rows(images), key=lambda row: row.example)
    with pytest.raises(AttributionError, match=message):
        integrand(model).values(first)
