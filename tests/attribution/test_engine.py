"""Streams of examples: what comes out, which bits are promised, and how memory and device are used."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from igbatch.attribution import (
    Attributed,
    AttributionError,
    AttributionResult,
    Example,
    Settings,
    attribute,
    default_micro_batch,
    integrated_gradients,
)
from igbatch.attribution.engine import MAX_TARGETS, attribute_forward
from igbatch.attribution.wave import MicroBatchLimit, Wave

pytestmark = pytest.mark.slow

SIZE = (3, 12, 12)


def examples(images: Tensor, targets: Sequence[int], baseline: float = 0.0) -> Iterator[Example]:
    """A stream of images."""
    for image in images:
        yield Example(image, torch.full_like(image, baseline), torch.tensor(targets))


def in_order(stream: Iterator[Attributed]) -> list[Attributed]:
    """All of a stream, by example."""
    return sorted(stream, key=lambda done: done.index)


def relative_error(found: Tensor, reference: Tensor) -> float:
    """The distance of maps beside the norm of the second."""
    reference = reference.double()
    return float((found.double() - reference).norm() / reference.norm())


def assert_same_bits(found: Attributed, expected: Attributed) -> None:
    """Two examples have the same map and numbers, to the last bit."""
    assert torch.equal(found.attributions, expected.attributions)
    assert torch.equal(found.logits, expected.logits)
    for name in ("scores", "baseline_scores", "convergence_delta", "steps", "map_error", "converged"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.quadrature.nodes, expected.quadrature.nodes)


def assert_within_errors(found: Attributed, expected: Attributed) -> None:
    """Two maps are as near to each other as both say that they are to the truth."""
    for k in range(len(found.attributions)):
        distance = relative_error(found.attributions[k], expected.attributions[k])
        assert distance <= found.map_error[k] + expected.map_error[k] + 1e-6
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)


def assert_is_row(found: Attributed, expected: AttributionResult, image: int) -> None:
    """An example of a stream has the bits that the call gave its image."""
    assert found.attributions.dtype == torch.float64
    assert torch.equal(found.attributions.float(), expected.attributions[image])
    for name in ("scores", "baseline_scores", "convergence_delta", "steps", "map_error", "converged"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[image].numpy())


def modes() -> tuple[bool, bool, bool]:
    """What surrounds a call and is the thread's."""
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")


class Bending(torch.autograd.Function):
    """Sines of projections of an image, at next to no cost; its own work is marked."""

    inside = 0

    @staticmethod
    def forward(context: Any, points: Tensor, weights: Tensor) -> Tensor:
        with at_work():
            sums = points.flatten(1) @ weights
            context.save_for_backward(sums, weights)
            context.shape = points.shape
            return sums.sin()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        with at_work():
            sums, weights = context.saved_tensors
            return ((gradients[0] * sums.cos()) @ weights.T).reshape(context.shape), None


@contextmanager
def at_work() -> Iterator[None]:
    """Mark what is done in the block as the model's own."""
    Bending.inside += 1
    try:
        yield
    finally:
        Bending.inside -= 1


class Bent:
    """Five logits of a small image that bend along its path; records how many rows it was given, and how."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.weights = torch.randn(3 * 12 * 12, 5, generator=generator) / 21
        self.alone: list[int] = []

    def __call__(self, points: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            self.alone.append(len(points))
        logits: Tensor = Bending.apply(points, self.weights.to(points))
        return logits

    def maps(self, images: Tensor) -> Tensor:
        """The exact maps from 0: each pixel's part of the projection, times the mean slope of the sine."""
        parts = images.double().flatten(1)[:, :, None] * self.weights.double()
        sums = parts.sum(1, keepdim=True)
        return (parts * (sums.sin() / sums)).mT.reshape(len(images), 5, *SIZE).sum(2)


def small_images(count: int, seed: int = 0) -> Tensor:
    """Images whose logits turn by some radians along the path, each by others; none ends where it began."""
    generator = torch.Generator().manual_seed(seed)
    turns = 4.1 + 1.2 * torch.rand(count, 5, generator=generator)
    directions = torch.linalg.pinv(Bent().weights)  # [5, pixels]
    noise = 0.02 * torch.randn(count, *SIZE, generator=generator)
    return noise + (turns @ directions).reshape(count, *SIZE)


BENT = Settings(steps="auto", tolerance=0.01, output="logit", micro_batch=64)


# --- what comes out


@pytest.mark.parametrize("steps", [4, "auto"])
def test_an_example_of_many_targets_is_that_of_few_at_a_time(steps: Any) -> None:
    images = small_images(3)
    settings = replace(BENT, steps=steps, micro_batch=8)
    for count in (1, 2, 5, 6, MAX_TARGETS, MAX_TARGETS + 1, 2 * MAX_TARGETS, 2 * MAX_TARGETS + 1):
        targets = [index % 5 for index in range(count)]
        for found in attribute(Bent(), examples(images, targets), settings):
            assert found.attributions.shape == (count, 12, 12)
            assert len(found.scores) == len(found.map_error) == len(found.steps) == count
            for first in range(5, count):  # the same class under another name
                distance = relative_error(found.attributions[first], found.attributions[first % 5])
                assert distance <= (1e-5 if steps == 4 else 0.02)
                np.testing.assert_allclose(found.scores[first], found.scores[first % 5], rtol=1e-5)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("steps", [4, "auto"])
def test_numbers_of_targets_may_differ_from_example_to_example(steps: Any, together: bool) -> None:
    images = small_images(24)
    targets = [[(index + k) % 5 for k in range((1, 2, 5, 9, 1, 17)[index % 6])] for index in range(24)]
    settings, limit = replace(BENT, steps=steps, micro_batch=16, together=together), MicroBatchLimit(16)
    stream = (
        Example(image, torch.zeros(SIZE), torch.tensor(own))
        for image, own in zip(images, targets, strict=True)
    )
    found = in_order(attribute(Bent(), stream, settings, limit))
    assert [done.index for done in found] == list(range(24))
    for done, image, own in zip(found, images, targets, strict=True):
        (alone,) = attribute(Bent(), examples(image[None], own), replace(settings, together=False))
        if not together:
            assert_same_bits(done, alone)
        elif steps == "auto":
            assert_within_errors(done, alone)
        else:
            assert relative_error(done.attributions, alone.attributions) < 1e-5
            np.testing.assert_array_equal(done.steps, alone.steps)
    if together:
        assert (
            np.mean([rows / allowed for rows, allowed in limit.batches]) > 0.7
        )  # waves of six kinds end one by one


@pytest.mark.parametrize("steps", [6, "auto"])
@pytest.mark.parametrize("targets", [[3], list(range(9))])
def test_the_logits_are_those_of_the_image_alone(
    steps: Any, targets: list[int], small_swin: nn.Module, images: Tensor
) -> None:
    for done in attribute(small_swin, examples(images, targets), Settings(steps=steps, micro_batch=4)):
        with torch.no_grad():
            expected = small_swin(images[done.index : done.index + 1])[0].double()
        assert done.logits.dtype == torch.float64
        torch.testing.assert_close(done.logits, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(done.logits.softmax(0)[targets].numpy(), done.scores, rtol=1e-6)
        assert done.logits.untyped_storage().nbytes() == 8 * len(expected)  # not the whole micro-batch's


def test_examples_come_out_in_the_order_of_their_ends_and_say_which_they_are() -> None:
    images = small_images(12)
    images[::3] *= 1e-3  # straight paths
    done = list(attribute(Bent(), examples(images, [0, 1]), replace(BENT, micro_batch=16)))
    assert sorted(each.index for each in done) == list(range(12))
    straight = [place for place, each in enumerate(done) if each.index % 3 == 0]
    assert np.mean(straight) < 5
    for each in done:
        assert (each.steps == 5).all() == (each.index % 3 == 0)


def test_targets_of_an_example_are_whole_numbers_of_the_model() -> None:
    with pytest.raises(AttributionError, match="target 1 of image 2 is class 7, but the model has 5 classes"):
        list(
            attribute(
                Bent(),
                (
                    Example(image, torch.zeros(SIZE), torch.tensor([0, 7 if index == 2 else 1]))
                    for index, image in enumerate(small_images(4))
                ),
                BENT,
            )
        )


def test_an_image_of_one_pixel_is_explained() -> None:
    def model(points: Tensor) -> Tensor:
        return torch.cat([points.flatten(1).sin(), points.flatten(1).cos()], 1)

    image = torch.full((1, 1, 1), 3.0)
    for precision in ("float32", "float64"):
        settings = Settings(steps="auto", output="logit", tolerance=1e-4, precision=precision)
        (done,) = attribute(model, examples(image[None], [0, 1]), settings)
        expected = np.array([np.sin(3.0), np.cos(3.0) - 1.0])
        assert done.converged.all()
        np.testing.assert_allclose(done.attributions.numpy()[:, 0, 0], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 0.05), ("float32", 1e-3), ("float64", 1e-6)]
)
def test_maps_are_within_their_stated_errors(precision: str, tolerance: float) -> None:
    settings = replace(BENT, precision=precision, tolerance=tolerance, atol=0.0)
    images = small_images(2)
    expected = Bent().maps(images)
    for done in attribute(Bent(), examples(images, [0, 3]), settings):
        assert done.converged.all()
        assert (done.map_error <= tolerance).all()
        for k, target in enumerate((0, 3)):
            assert relative_error(done.attributions[k], expected[done.index, target]) <= done.map_error[k]


@pytest.mark.parametrize("unit", [1e-30, 1e-15, 1e15, 1e30])
@pytest.mark.parametrize("steps", [9, "auto"])
def test_units_of_the_output_and_of_the_image_do_not_matter(steps: Any, unit: float) -> None:
    """Squares of maps of such sizes are no float32s."""
    model, image = Bent(), small_images(1)
    settings = replace(BENT, steps=steps, atol=0.0)
    (expected,) = attribute(model, examples(image, [0, 1]), settings)
    (scaled,) = attribute(lambda points: model(points) * unit, examples(image, [0, 1]), settings)
    (small,) = attribute(lambda points: model(points / unit), examples(image * unit, [0, 1]), settings)
    for found, size in ((scaled, unit), (small, 1.0)):
        np.testing.assert_array_equal(found.quadrature.nodes, expected.quadrature.nodes)
        assert relative_error(found.attributions, expected.attributions * size) < 1e-5
        np.testing.assert_allclose(found.map_error, expected.map_error, rtol=0.01)
        np.testing.assert_allclose(found.scores, expected.scores * size, rtol=1e-5)
        assert found.converged.all() == expected.converged.all()


def test_maps_that_are_not_multiplied_are_the_gradients_alone(small_swin: nn.Module, images: Tensor) -> None:
    for steps in (4, "auto"):
        how: dict[str, Any] = {"steps": steps, "keep_channels": True, "tolerance": 0.001}
        multiplied, alone = (
            next(attribute(small_swin, examples(images[:1], [3]), Settings(**how, multiply=multiply)))
            for multiply in (True, False)
        )
        assert relative_error(alone.attributions * images[0], multiplied.attributions) < 0.002
    assert alone.converged.all()


def test_the_quadrature_that_is_returned_gives_the_same_map(
    sharpened: Any, small_swin: nn.Module, images: Tensor
) -> None:
    model = sharpened(small_swin, 30.0).eval()
    adaptive = next(attribute(model, examples(images[:1], [3]), Settings(steps="auto")))
    again = next(attribute(model, examples(images[:1], [3]), Settings(nodes=adaptive.quadrature)))
    assert len(adaptive.quadrature.nodes) == adaptive.steps[0] == again.steps[0]
    assert relative_error(again.attributions, adaptive.attributions) < 1e-5


@pytest.mark.parametrize("steps", [4, "auto"])
def test_many_targets_share_forward_passes_in_groups(
    steps: Any, shallow_swin: nn.Module, images: Tensor
) -> None:
    targets = list(range(0, 1000, 50))
    forwarded = []

    def model(points: Tensor) -> Tensor:
        forwarded.append(len(points) if points.requires_grad else 0)
        logits: Tensor = shallow_swin(points)
        return logits

    together = integrated_gradients(model, images[:2], targets, 0.0, steps=steps, micro_batch=4)
    groups = -(-len(targets) // MAX_TARGETS)
    if steps == 4:
        assert sum(forwarded) == 2 * groups * 4
    for k in (0, 7, 8, 19):
        alone = integrated_gradients(
            shallow_swin, images[:2], targets[k : k + 1], 0.0, steps=steps, micro_batch=4
        )
        column = together.attributions[:, k : k + 1]
        assert relative_error(column, alone.attributions) <= (1e-5 if steps == 4 else 0.02)
        torch.testing.assert_close(together.scores[:, k : k + 1], alone.scores, rtol=1e-5, atol=0)
        if steps == 4:
            assert together.steps[:, k : k + 1].equal(alone.steps)
    assert together.converged.all() or steps == 4


def test_a_function_of_points_and_their_examples_is_explained_as_it_is(generator: torch.Generator) -> None:
    factors = torch.rand(5, generator=generator)
    vectors = torch.rand(5, 7, generator=generator)

    def forward(points: Tensor, example_indices: Tensor) -> Tensor:
        return (factors[example_indices, None] * points).sum(1, keepdim=True)

    stream = attribute_forward(
        forward, examples(vectors, [0]), Settings(output="logit", keep_channels=True, steps=3)
    )
    found = {done.index: done.attributions[0] for done in stream}
    for index in range(5):
        torch.testing.assert_close(found[index].float(), factors[index] * vectors[index])


# --- which bits are promised


@pytest.fixture(params=["rows-alike", "rows-by-place"])
def any_processor(request: pytest.FixtureRequest, sharpened: Any) -> nn.Module:
    """A model where a row's bits are its own, and one where its place changes them: any processor is one."""
    name = "row_by_row" if request.param == "rows-alike" else "by_place"
    model: nn.Module = sharpened(request.getfixturevalue(name), 30.0).eval()
    return model


@pytest.fixture
def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images whose paths take more nodes and fewer, so that they leave at different times."""
    return torch.cat([images[:1], 3 * torch.randn(1, 3, 56, 56, generator=generator), images[1:2] / 10])


HOW: dict[str, Any] = {"micro_batch": 8, "tolerance": 0.1}

EACH_PAIR = pytest.mark.parametrize(
    ("any_processor", "threads", "steps", "precision"),
    [
        ("rows-alike", 1, 6, "float32"),
        ("rows-by-place", 2, 6, "float32"),
        ("rows-by-place", 1, "auto", "float32"),
        ("rows-alike", 2, "auto", "float32"),
        ("rows-alike", 1, "auto", "bfloat16"),
        ("rows-by-place", 2, "auto", "bfloat16"),
    ],
    indirect=["any_processor", "threads"],
)
"""Processors, threads and settings know nothing of each other: each pair of their values is there once."""


@EACH_PAIR
def test_a_stream_has_the_bits_of_the_same_stream_and_of_a_call_with_the_same_images(
    steps: Any, precision: str, any_processor: nn.Module, threads: int, varied: Tensor
) -> None:
    how = {**HOW, "steps": steps, "precision": precision}
    how["arithmetic_error"] = 0.0 if precision == "float32" else 0.01
    first, second = (
        list(attribute(any_processor, examples(varied, [3, 7]), Settings(**how))) for _ in range(2)
    )
    if steps == "auto":
        assert len({int(done.steps[0]) for done in first}) > 1
    assert [done.index for done in first] == [done.index for done in second]
    call = integrated_gradients(any_processor, varied, [3, 7], 0.0, **how)
    for one, other in zip(first, second, strict=True):
        assert_same_bits(one, other)
        assert_is_row(one, call, one.index)


@EACH_PAIR
def test_an_image_that_is_kept_apart_has_its_bits_whatever_else_is_in_the_stream(
    steps: Any, precision: str, any_processor: nn.Module, threads: int, varied: Tensor
) -> None:
    apart = Settings(steps=steps, precision=precision, together=False, **HOW)
    order = [2, 0, 1]
    expected = in_order(attribute(any_processor, examples(varied, [3, 7]), apart))
    for found in attribute(any_processor, examples(varied[order], [3, 7]), apart):
        assert_same_bits(found, expected[order[found.index]])
    (alone,) = attribute(any_processor, examples(varied[1:2], [3, 7]), apart)
    assert_same_bits(alone, expected[1])


@pytest.mark.parametrize("steps", [6, "auto"])
def test_in_any_other_composition_each_map_is_within_its_stated_error(
    steps: Any, any_processor: nn.Module, varied: Tensor
) -> None:
    settings = Settings(steps=steps, micro_batch=8, tolerance=0.02, atol=0.0)
    apart = replace(settings, together=False)
    expected = in_order(attribute(any_processor, examples(varied, [3, 7]), apart))
    order = [2, 0, 1]
    for micro_batch in (3, 8, 64):
        together = replace(settings, micro_batch=micro_batch)
        for found in attribute(any_processor, examples(varied[order], [3, 7]), together):
            other = expected[order[found.index]]
            if steps == "auto":
                assert_within_errors(found, other)
            else:
                # a row's place may change its logits by 6e-5 here, and what is sharp by more
                assert relative_error(found.attributions, other.attributions) < 1e-2


def test_on_this_processor_images_that_are_kept_apart_have_the_same_bits_in_any_order(
    small_swin: nn.Module, images: Tensor
) -> None:
    for steps in (6, "auto"):
        settings = Settings(steps=steps, micro_batch=8, together=False)  # type: ignore[arg-type]
        expected = in_order(attribute(small_swin, examples(images, [3, 7]), settings))
        for found in attribute(small_swin, examples(images.flip(0), [3, 7]), settings):
            assert_same_bits(found, expected[2 - found.index])


# --- how a device is used


class Operations(TorchDispatchMode):
    """Counts operations on tensors, views and the model's own left out."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        returns = function._schema.returns
        view = any(each.alias_info is not None and not each.alias_info.is_write for each in returns)
        if not Bending.inside and not view and name not in ("detach", "_unsafe_view"):
            self.counted[name] += 1
        return function(*args, **(kwargs or {}))


@contextmanager
def counted(holder: Any, *names: str) -> Iterator[Counter[str]]:
    """Count calls of methods."""
    calls: Counter[str] = Counter()

    def counting(name: str) -> Any:
        method = getattr(holder, name)

        def call(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return method(*arguments, **named)

        return call

    with mock.patch.multiple(holder, **{name: counting(name) for name in names}):
        yield calls


def test_a_node_costs_three_operations_beside_the_model_and_a_round_one_copy_to_the_host() -> None:
    model, given = Bent(), list(examples(small_images(64), [0, 1]))
    waits = ("cpu", "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__array__")
    with counted(Wave, "round") as rounds, counted(Tensor, *waits) as copies, Operations() as operations:
        done = list(attribute(model, given, replace(BENT, tolerance=0.001)))
    nodes = sum(int(each.steps[0]) for each in done)
    assert 20 < nodes / 64 < 60
    assert operations.counted.total() <= 3 * nodes
    assert operations.counted["_local_scalar_dense"] <= 2 * 64  # of targets, which lie on the host
    assert 0 < copies["cpu"] <= rounds["round"]
    assert copies["tolist"] <= 64  # likewise of targets
    assert copies["numpy"] == copies["cpu"]  # of what has been copied
    assert sum(copies.values()) == copies["cpu"] + copies["numpy"] + copies["tolist"]
    assert model.alone == []


def test_a_fixed_rule_brings_numbers_to_the_host_once_a_round() -> None:
    model, given = Bent(), list(examples(small_images(64), [0, 1]))
    with counted(Wave, "round") as rounds, counted(Tensor, "cpu", "item", "numpy") as copies:
        list(attribute(model, given, replace(BENT, steps=20)))
    assert copies["cpu"] == copies["numpy"] <= rounds["round"]
    assert copies["item"] == 0
    assert sum(model.alone) == 2 * 64  # both ends of each image
    assert len(model.alone) <= 4


@pytest.mark.parametrize(("steps", "targets"), [("auto", [0, 1]), (20, [0, 1]), ("auto", list(range(9)))])
def test_micro_batches_are_full_over_a_stream_of_many_images(steps: Any, targets: list[int]) -> None:
    targets, limit = [target % 5 for target in targets], MicroBatchLimit(64)
    done = list(attribute(Bent(), examples(small_images(150), targets), replace(BENT, steps=steps), limit))
    rows = [rows for rows, _ in limit.batches]
    groups = 1 + (len(targets) > MAX_TARGETS)
    if groups == 1:
        assert sum(rows) == sum(int(each.steps[0]) for each in done)
    assert {allowed for _, allowed in limit.batches} == {64}
    assert max(rows) == 64
    assert sum(rows) >= 0.9 * 64 * len(rows)


@pytest.mark.parametrize("steps", [1, 2, 9, "auto"])
@pytest.mark.parametrize("micro_batch", [1, 8])
def test_examples_are_taken_from_a_stream_as_there_is_memory(steps: Any, micro_batch: int) -> None:
    images = small_images(1)
    taken, peak, given = 0, 0, 0

    def source() -> Iterator[Example]:
        nonlocal taken, peak
        for _ in range(30):
            taken += 1
            peak = max(peak, taken - given)
            yield from examples(images, [0])

    for _ in attribute(Bent(), source(), replace(BENT, steps=steps, micro_batch=micro_batch)):
        given += 1
    assert given == 30
    assert peak <= 2 * micro_batch + 2


# --- memory, what surrounds a stream


@pytest.mark.parametrize("steps", [10, "auto"])
@pytest.mark.parametrize("micro_batch", [1, 3, 4, 9])
def test_the_model_never_sees_more_rows_than_allowed(
    steps: Any, micro_batch: int, small_swin: nn.Module, images: Tensor
) -> None:
    seen = []

    def model(points: Tensor) -> Tensor:
        seen.append(len(points))
        logits: Tensor = small_swin(points)
        return logits

    integrated_gradients(model, images, [3], 0.0, steps=steps, micro_batch=micro_batch)
    assert max(seen) == micro_batch


MEMORY = """
import resource
import torch
from igbatch.attribution import Example, Settings, attribute

torch.set_num_threads(1)
layer = torch.nn.Conv2d(3, 8, 4, stride=32)
model = lambda points: layer(points).square().mean((2, 3))

def peak(images, targets, steps):
    def source():
        for _ in range(images):
            yield Example(torch.rand(3, 224, 224), torch.zeros(3, 224, 224), torch.zeros(targets).long())

    for done in attribute(model, source(), Settings(steps=steps, micro_batch=8, output="logit")):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few = peak(3, 1, 4)
print(peak(1, 1, 128) / few, peak(40, 1, 4) / few)
few = peak(3, 1, "auto")
print(peak(40, 1, "auto") / few)
few = peak(1, 8, 4)
print(peak(1, 40, 4) / few)
"""


def test_peak_memory_does_not_grow_with_steps_images_or_targets() -> None:
    # All points of a path of 128 steps, in float64 on the way, would add half of the process.
    found = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    steps, images, adaptive_images, targets = map(float, found.stdout.split())
    assert max(steps, images, adaptive_images, targets) < 1.1


def test_a_stream_leaves_the_callers_modes_to_the_caller(small_swin: nn.Module, images: Tensor) -> None:
    expected = integrated_gradients(small_swin, images, [3], 0.0, steps="auto")
    for surroundings in (
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        with surroundings:
            before = modes()
            for found in attribute(small_swin, examples(images, [3]), Settings(steps="auto")):
                assert_is_row(found, expected, found.index)
                assert modes() == before


def test_a_stream_that_is_left_early_puts_the_model_back(images: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 56 * 56, 5)).train()
    stream = attribute(model, examples(images, [3]), Settings(steps=2))
    next(stream)
    assert not model.training
    stream.close()
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_no_examples_are_no_work() -> None:
    assert list(attribute(Bent(), [], BENT)) == []
    assert list(attribute_forward(lambda points, example_indices: points, [], BENT)) == []


def test_the_default_micro_batch_is_that_of_the_kind_of_device() -> None:
    assert (default_micro_batch(torch.device("cpu")), default_micro_batch(torch.device("cuda"))) == (8, 64)
    (done,) = attribute(Bent(), examples(small_images(1), [0]), replace(BENT, micro_batch=None))
    assert done.micro_batch == 8
