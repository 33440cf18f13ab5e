"""Contrasts against what they are by linearity: the difference of two classes' outputs, maps and errors."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import OUTPUTS, AttributionError, Example, Settings, attribute, integrated_gradients
from igbatch.attribution.calibrate import arithmetic_error
from igbatch.attribution.contrasts import (
    LEAST,
    NONE,
    arithmetic_errors,
    differences_of,
    target_tensor,
    tolerances_left,
)
from igbatch.attribution.graphs import Graphs

PAIRS = [(1, 3), (3, 4), (3, 1)]  # of two targets; with a class that is none; the other way round
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Flatten(), nn.Linear(3 * 8 * 8, 24), nn.Tanh(), nn.Linear(24, 5)]
    return nn.Sequential(*layers).eval()


@pytest.fixture
def small_images(generator: torch.Generator) -> Tensor:
    return 2 * torch.randn(3, 3, 8, 8, generator=generator)


def largest(maps: Tensor) -> float:
    return float(maps.abs().max())


@pytest.mark.parametrize("steps", ["auto", 7])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_contrast_is_the_difference_of_its_classes_whether_they_are_targets_or_not(
    output: str, steps: int | Literal["auto"], net: nn.Module, small_images: Tensor
) -> None:
    given = {"output": output, "steps": steps, "tolerance": 1e-5}
    plain = integrated_gradients(net, small_images, [1, 3, 4], 0.0, **given)
    found = integrated_gradients(net, small_images, [1, 3], 0.0, contrasts=PAIRS, **given)
    places = {1: 0, 3: 1, 4: 2}
    for column, (first, other) in enumerate(PAIRS, 2):
        for name in ("attributions", "scores", "baseline_scores"):
            of = getattr(plain, name).double()
            expected = of[:, places[first]] - of[:, places[other]]
            apart = largest(getattr(found, name)[:, column] - expected)
            assert apart <= (1e-4 if steps == "auto" else ROUNDING) * largest(of)
        rise = found.scores[:, column] - found.baseline_scores[:, column]
        sums = found.attributions[:, column].double().sum((1, 2))
        torch.testing.assert_close(sums - rise, found.convergence_delta[:, column], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.attributions[:, 2], -found.attributions[:, 4], rtol=0, atol=0)
    if steps != "auto":  # the classes' own maps are those of a call without contrasts, bit by bit
        assert torch.equal(found.attributions[:, :2], plain.attributions[:, :2])


def test_log_odds_are_the_difference_of_logits(net: nn.Module, small_images: Tensor) -> None:
    maps = [
        integrated_gradients(net, small_images, [1], 0.0, output=output, contrasts=[(1, 3)]).attributions[
            :, 1
        ]
        for output in ("logit", "log-probability")
    ]
    assert largest(maps[0] - maps[1]) <= ROUNDING * largest(maps[0])


@pytest.mark.parametrize("classes", [[1, 3], [0]], ids=["derived", "by its own pass"])
def test_the_error_that_is_stated_of_a_contrast_is_met_by_itself(
    classes: list[int], net: nn.Module, small_images: Tensor
) -> None:
    given = {"output": "probability", "contrasts": [(1, 3)]}
    exact = integrated_gradients(net, 3 * small_images, classes, 0.0, steps=400, **given)
    found = integrated_gradients(net, 3 * small_images, classes, 0.0, steps="auto", tolerance=0.02, **given)
    of, true = found.attributions[:, -1].flatten(1), exact.attributions[:, -1].flatten(1)
    error = (of - true).norm(dim=1) / true.norm(dim=1)
    assert (error <= found.map_error[:, -1]).all()
    assert found.converged[:, -1].all()
    assert (found.map_error[:, -1] <= 0.02).all()


def test_a_contrast_of_two_targets_costs_no_backward_pass(
    net: nn.Module, small_images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    grad = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *args, **kwargs: calls.append(1) or grad(*args, **kwargs)
    )

    def passes(**contrasts: list[tuple[int, int]]) -> int:
        calls.clear()
        integrated_gradients(net, small_images, [1, 3], 0.0, steps=2, **contrasts)
        return len(calls)

    assert passes(contrasts=[(1, 3)]) == passes()
    assert passes(contrasts=[(1, 4)]) == passes() * 3 / 2


def test_groups_of_targets_waves_and_graphs_keep_a_contrast_what_it_is(
    net: nn.Module, small_images: Tensor
) -> None:
    listed = [*range(5), (0, 4), (1, 2), (2, 0), (4, 3)]  # two groups, which share no classes
    examples = [
        Example(image, torch.zeros_like(image), target_tensor(targets))
        for image, targets in zip(small_images, [listed, [2, (2, 0)], [0]], strict=True)
    ]
    settings = Settings(steps=9, micro_batch=4)
    maps = {done.index: done.attributions for done in attribute(net, examples, settings)}
    for column, (first, other) in enumerate(listed[5:], 5):
        expected = maps[0][first] - maps[0][other]
        assert largest(maps[0][column] - expected) <= ROUNDING * largest(maps[0])
    assert [len(maps[index]) for index in range(3)] == [9, 2, 1]


def test_a_device_that_captures_captures_contrasts(
    net: nn.Module, small_images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igbatch.attribution.graphs._compiled", lambda work, inputs, passes: work)
    both, kept = target_tensor([1, 3, (1, 3)]), Graphs("compiled")
    swapped = target_tensor([3, (3, 1), 1])  # of the same shape, and another order
    examples = [
        Example(image, torch.zeros_like(image), targets)
        for image, targets in zip(small_images, [both, swapped, both], strict=True)
    ]
    settings = Settings(steps=8, micro_batch=4)
    eager = {done.index: done.attributions for done in attribute(net, examples, settings)}
    for done in attribute(net, examples, settings, graphs=kept):
        assert largest(done.attributions - eager[done.index]) <= ROUNDING * largest(eager[done.index])
    assert largest(eager[1][1] - (eager[1][0] - eager[1][2])) <= ROUNDING * largest(eager[1])


def test_an_arithmetics_error_of_a_difference_is_that_of_both() -> None:
    norms = np.array([5, 18**0.5, 1.0, 0.0])
    differences = (None, None, (0, 1), (1, 1))
    both = 0.01 * (5 + 18**0.5)
    assert arithmetic_errors(norms, differences, 0.01) == pytest.approx([0.01, 0.01, both, float("inf")])
    assert arithmetic_errors(norms, differences, 0.0) == pytest.approx([0, 0, 0, 0])


def test_a_contrast_takes_the_nodes_that_its_arithmetic_leaves_it(
    net: nn.Module, small_images: Tensor
) -> None:
    targets = target_tensor([1, 3, (1, 3)])
    examples = [Example(3 * image, torch.zeros_like(image), targets) for image in small_images]
    rounded = Settings(steps="auto", tolerance=0.03, arithmetic_error=0.01, atol=0.0)
    for done in attribute(net, examples, rounded):
        assert done.converged.all()
        assert (done.map_error <= 0.03).all()
    # what is measured of an arithmetic is that of classes: a contrast's follows, and is not counted twice
    alone = [Example(each.image, each.baseline, targets[:2]) for each in examples]
    in_bfloat16 = Settings(steps=5, precision="bfloat16")
    deeper = nn.Sequential(*net[:3], nn.Linear(24, 24), nn.Tanh(), *net[3:]).eval()  # both ends stay exact
    found = [arithmetic_error(deeper, each, in_bfloat16) for each in (examples, alone)]
    assert found[0] == found[1] > 0


def test_targets_without_contrasts_are_as_they_were() -> None:
    assert target_tensor([4, 2]).tolist() == [4, 2]
    assert differences_of(torch.tensor([4, 2])) == (None, None)
    mixed = target_tensor([4, (4, 2), 2, (2, 9)])
    assert mixed.tolist() == [[4, NONE], [4, 2], [2, NONE], [2, 9]]
    assert differences_of(mixed) == (None, (0, 2), None, None)


@pytest.mark.parametrize("pair", [(1, 1), (1,), (1, -1), (1, 2.0)])
def test_a_contrast_of_no_two_classes_is_refused(
    pair: tuple[int, int], net: nn.Module, small_images: Tensor
) -> None:
    with pytest.raises(AttributionError, match=r"contrasts hold .*: give two different class indices"):
        integrated_gradients(net, small_images, [1], 0.0, steps=2, contrasts=[pair])


def test_the_tolerance_left_to_integrals_has_a_floor() -> None:
    """Else a contrast that the arithmetic leaves hardly anything would take nodes without end."""
    tolerance, error = 1e-2, 1e-3
    norms = np.stack([np.ones(2001), np.ones(2001), np.geomspace(0.05, 2, 2001)], axis=-1)
    left = tolerances_left(tolerance, norms, ((0, 1), None, (0, 1)), error)[:, 2]
    errors = arithmetic_errors(norms, ((0, 1), None, (0, 1)), error)[:, 2]
    assert left.min() >= LEAST * tolerance
    rest = tolerance - errors
    assert (left[rest < LEAST * tolerance] == tolerance / 2).all()
    enough = rest > 1.01 * LEAST * tolerance
    assert (left[enough] <= rest[enough]).all()
    assert enough.any()
    assert not enough.all()
