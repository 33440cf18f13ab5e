"""The integrand at batch rows against derivatives by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.frozen import Model
from igbatch.attribution.outputs import OUTPUTS
from igbatch.attribution.passes import Batch, Passes, Values
from igbatch.attribution.precision import PRECISIONS

EXAMPLE_INDICES, NODES = [1, 0, 1], [0.0, 0.25, 1.0]
TARGETS = torch.tensor([[0, 1], [1, 0]])
SIGNS = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)  # of images 1, 0, 1


def two_squares(images: Tensor) -> Tensor:
    """Logits: the sum of squares, and minus it."""
    total = images.square().sum((1, 2, 3))
    return torch.stack([total, -total], 1)


def passes(model: Model, *, output: str = "logit", precision: str = "float32") -> Passes:
    return Passes(lambda points, example_indices: model(points), OUTPUTS[output], PRECISIONS[precision])


def batch(images: Tensor, dtype: torch.dtype = torch.float32) -> Batch:
    """Rows of two images' paths, which start at 0.5."""
    image = images[EXAMPLE_INDICES].to(dtype)
    nodes = torch.tensor(NODES, dtype=torch.float64)
    return Batch(
        torch.full_like(image, 0.5), image, nodes, TARGETS[EXAMPLE_INDICES], torch.tensor(EXAMPLE_INDICES), 1
    )


def one_row(start: Tensor, image: Tensor, node: float = 0.5) -> Batch:
    """A row of one image, explained for class 0."""
    target = torch.zeros(1, 1, dtype=torch.int64)
    return Batch(start[None], image[None], torch.tensor([node]).double(), target, target[:, 0], 0)


def points(images: Tensor) -> Tensor:
    nodes = torch.tensor(NODES, dtype=torch.float64)[:, None, None, None]
    return 0.5 + nodes * (images[EXAMPLE_INDICES].double() - 0.5)


def maps(values: Values) -> Tensor:
    """The maps in units of the output, float64 [rows, K, ...]."""
    return values.maps.double() * values.scales.reshape(*values.scales.shape, *[1] * (values.maps.ndim - 2))


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(2, 3, 4, 5, generator=generator)


def test_scores_are_outputs_on_the_line(images: Tensor) -> None:
    total = points(images).square().sum((1, 2, 3))
    found = passes(two_squares)
    expected = SIGNS * total[:, None]
    scores, logits = found.scores(batch(images))
    alongside = found.values(batch(images))
    for each in (scores, alongside.scores):
        torch.testing.assert_close(each, expected, rtol=1e-6, atol=0)
    for each in (logits, alongside.logits):
        torch.testing.assert_close(each, torch.stack([total, -total], 1), rtol=1e-6, atol=0)


def test_the_ends_of_a_path_are_exactly_the_baseline_and_the_image(images: Tensor) -> None:
    seen: list[Tensor] = []

    def model(points: Tensor) -> Tensor:
        seen.append(points.detach().clone())
        return two_squares(points)

    image = images / 3 * 1e4
    for each in (one_row(image[0], image[1], 0.0), one_row(image[0], image[1], 1.0)):
        passes(model).values(each)
    assert torch.equal(seen[0][0], image[0])
    assert torch.equal(seen[1][0], image[1])


def test_maps_are_gradients_times_the_whole_line(images: Tensor) -> None:
    difference = images[EXAMPLE_INDICES].double() - 0.5
    expected = SIGNS[:, :, None, None, None] * (2 * points(images) * difference)[:, None]
    with_channels = replace(passes(two_squares), sum_channels=False).values(batch(images))
    assert with_channels.maps.dtype == torch.float32
    torch.testing.assert_close(maps(with_channels), expected, rtol=1e-6, atol=1e-7)
    summed = maps(passes(two_squares).values(batch(images)))
    torch.testing.assert_close(summed, expected.sum(2), rtol=1e-6, atol=1e-6)


def test_without_multiplying_maps_are_the_gradients_alone(images: Tensor) -> None:
    found = replace(passes(two_squares), sum_channels=False, multiply=False).values(batch(images))
    expected = SIGNS[:, :, None, None, None] * (2 * points(images))[:, None]
    torch.testing.assert_close(maps(found), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("multiply", [True, False])
def test_slopes_are_derivatives_along_the_line(multiply: bool, images: Tensor) -> None:
    found = replace(passes(two_squares), multiply=multiply).values(batch(images))
    along = SIGNS * (2 * points(images) * (images[EXAMPLE_INDICES].double() - 0.5)).flatten(1).sum(1)[:, None]
    torch.testing.assert_close(found.slopes * found.scales, along, rtol=1e-6, atol=1e-6)
    if multiply:
        torch.testing.assert_close(found.slopes, found.maps.double().flatten(2).sum(2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_maps_are_of_size_one_to_two_whatever_their_units(
    precision: str, unit: float, images: Tensor
) -> None:
    """Squares of what is tiny or huge are no float32s; maps of nothing have a unit all the same."""

    def model(points: Tensor) -> Tensor:
        return two_squares(points).sum(1, keepdim=True) * 0 + points.sum((1, 2, 3))[:, None] * unit

    dtype = PRECISIONS[precision].dtype
    found = passes(model, precision=precision).values(one_row(images[0].to(dtype), images[1].to(dtype)))
    assert found.maps.dtype == dtype
    assert 1 <= found.maps.abs().max().item() < 2
    assert math.log2(found.scales.item()).is_integer()  # so that nothing was rounded
    expected = (images[1].double() - images[0].double()).sum(0) * unit
    torch.testing.assert_close(maps(found)[0, 0], expected, rtol=1e-5, atol=1e-6 * unit)
    nothing = passes(model, precision=precision).values(one_row(images[0].to(dtype), images[0].to(dtype)))
    assert not nothing.maps.any()
    assert not maps(nothing).any()


def test_a_pixel_that_is_no_number_spoils_no_other() -> None:
    def model(points: Tensor) -> Tensor:
        return points.square().sum((1, 2, 3))[:, None]

    image = torch.tensor([[[0.5, 1.0, math.inf]]])
    found = maps(passes(model).values(one_row(torch.zeros(1, 1, 3), image)))[0, 0, 0]
    torch.testing.assert_close(found[:2], image[0, 0, :2].double() ** 2)
    assert not found[2].isfinite()


def test_an_image_of_any_shape_has_an_integrand(generator: torch.Generator) -> None:
    for shape in ((6,), (1, 1, 1), (2, 3, 4, 5)):
        image = torch.rand(shape, generator=generator)
        found = replace(passes(lambda x: x.flatten(1).square().sum(1, keepdim=True)), sum_channels=False)
        value = found.values(one_row(torch.zeros(shape), image))
        torch.testing.assert_close(maps(value)[0, 0], image.double().square(), rtol=1e-6, atol=0)


def test_the_forward_function_is_told_whose_points_it_is_given(images: Tensor) -> None:
    seen = []

    def forward(points: Tensor, example_indices: Tensor) -> Tensor:
        seen.append(example_indices.tolist())
        return two_squares(points)

    found = Passes(forward, OUTPUTS["logit"], PRECISIONS["float32"])
    found.values(batch(images))
    found.scores(batch(images))
    assert seen == [EXAMPLE_INDICES, EXAMPLE_INDICES]


def test_the_model_is_given_the_type_of_the_batch(images: Tensor) -> None:
    seen = []

    def model(points: Tensor) -> Tensor:
        seen.append(points.dtype)
        return two_squares(points)

    passes(model, precision="float64").values(batch(images, torch.float64))
    passes(model).values(batch(images))
    passes(model, precision="bfloat16").values(batch(images))
    assert seen == [torch.float64, torch.float32, torch.float32]


def test_derivatives_below_float32_do_not_underflow() -> None:
    gap = 120.0

    def model(points: Tensor) -> Tensor:
        logit = points.sum((1, 2, 3))
        return torch.stack([logit, logit * 0 + gap], 1)

    start = torch.full((1, 1, 1), 0.5)
    value = passes(model, output="probability").values(one_row(start, start + 1, 0.0))
    expected = math.exp(0.5 - gap)  # 1e-52: float32 ends at 1e-45
    assert maps(value).item() == pytest.approx(expected, rel=1e-6, abs=0)
    assert (value.slopes * value.scales).item() == pytest.approx(expected, rel=1e-6, abs=0)
    assert value.maps.dtype == torch.float32


def test_an_output_that_does_not_depend_on_the_image_has_a_map_of_zeros(images: Tensor) -> None:
    found = passes(lambda points: torch.ones(len(points), 2)).values(batch(images))
    assert not found.maps.any()
    assert not found.slopes.any()
    assert (found.scores == 1).all()


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
            r"target 0 of image 1 is class 1, but the model has 1 classes: .* 0 to 0",
        ),
        (lambda points: two_squares(points.detach()), r"no gradient to the images: take no_grad and detach"),
    ],
    ids=["tuple", "one-dimensional", "other-rows", "too-few-classes", "detached"],
)
def test_a_model_that_cannot_be_explained_is_refused_with_the_fix(
    model: Model, message: str, images: Tensor
) -> None:
    with pytest.raises(AttributionError, match=message):
        passes(model).values(batch(images))
