"""Adaptive integrals against paths whose integrals are known.

A path here is that of a sum of functions, one a pixel, so that each pixel's map is its function's rise:
what a model that is separable in its pixels has on a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from igbatch.attribution import adaptive, path_state
from igbatch.attribution import adaptive_integrals as kept_module
from igbatch.attribution.adaptive import EXACT_BELOW, FIRST_NODES, MAX_HALVED, Goal
from igbatch.attribution.adaptive_integrals import AdaptiveIntegrals
from igbatch.attribution.integral import Integral, Node
from igbatch.attribution.passes import Values
from igbatch.attribution.path_state import MAX_KEPT, SLOTS, PathState

pytestmark = pytest.mark.slow

FloatArray = NDArray[np.float64]
GOAL = Goal(tolerance=0.01, atol=1e-9, max_steps=2000)
ROUNDED = 1e-6  # maps of nodes are kept in float32
INNER_ROUNDED = 1e-4  # what float32 leaves of a change in inner products, beside the map


@dataclass
class Curve:
    """A path: functions [K, pixels] of the node, and their derivatives; records its requests."""

    function: Callable[[float], FloatArray]
    derivative: Callable[[float], FloatArray]
    dtype: torch.dtype = torch.float32
    requested: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)

    def maps(self, derivatives: FloatArray) -> FloatArray:
        """The maps of nodes, [n, K, pixels]; those of an integrand that is multiplied."""
        return derivatives

    def values(self, places: Sequence[float]) -> Values:
        """What passes give at places: maps of size 1 with their scales."""
        derivatives = np.stack([self.derivative(place) for place in places])
        maps = self.maps(derivatives)
        peaks = np.abs(maps).max(2)
        scales = np.where(peaks > 0, peaks, 1.0)
        scores = np.stack([self.function(place).sum(1) for place in places])
        return Values(
            maps=torch.from_numpy(maps / scales[:, :, None]).to(self.dtype),
            scores=torch.from_numpy(scores),
            scales=torch.from_numpy(scales),
            slopes=torch.from_numpy(derivatives.sum(2) / scales),
            logits=torch.tensor(places, dtype=torch.float64)[:, None],
        )

    @property
    def map(self) -> FloatArray:
        """The exact map, [K, pixels]."""
        return self.function(1.0) - self.function(0.0)

    def sum(self, integral: Integral) -> FloatArray:
        """The weighted sum over an integral's nodes, computed anew."""
        places, weights = integral.quadrature.nodes, integral.quadrature.weights
        derivatives = np.stack([self.derivative(place) for place in places])
        return np.asarray(np.einsum("n,nkp->kp", weights, self.maps(derivatives)))


def cliff(places: list[float], steepness: list[float], heights: list[list[float]]) -> Curve:
    """Sigmoids, one a pixel, of some height for each target: [K, pixels]."""
    middle, slope, height = np.array(places), np.array(steepness), np.array(heights)

    def sigmoid(node: float) -> FloatArray:
        return np.asarray(0.5 * (1 + np.tanh(slope * (node - middle) / 2)))

    return Curve(
        lambda node: height * sigmoid(node),
        lambda node: height * slope * sigmoid(node) * (1 - sigmoid(node)),
    )


def integrate_all(curves: Sequence[Curve], goal: Goal = GOAL, batch: int = 10_000) -> list[Integral]:
    """The integrals along several paths that go through rounds together, in batches of so many rows."""
    kept = AdaptiveIntegrals(goal, len(curves[0].function(0.0)))
    opened = [kept.open(row) for row in range(len(curves))]
    assert all(ends == () for _, ends in opened)
    requests = {row: list(nodes) for row, (nodes, _) in enumerate(opened)}
    while requests:
        pending = [(row, node) for row, nodes in requests.items() for node in nodes]
        for row, nodes in requests.items():
            curves[row].requested += [node.place for node in nodes]
            curves[row].rounds.append(len(nodes))
        for start in range(0, len(pending), batch):
            add(kept, curves, pending[start : start + batch])
        following = kept.advance(list(requests), kept.launch(list(requests)).wait())
        requests = {row: list(nodes) for row, nodes in zip(requests, following, strict=True) if nodes}
    return [kept.result(row) for row in range(len(curves))]


def add(kept: AdaptiveIntegrals, curves: Sequence[Curve], pending: Sequence[tuple[int, Node]]) -> None:
    """Give integrals what they requested, one batch."""
    parts = [curves[row].values([node.place]) for row, node in pending]
    names = ("maps", "scores", "scales", "slopes", "logits")
    values = Values(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
    kept.add([row for row, _ in pending], [node for _, node in pending], values)


def integrate(curve: Curve, goal: Goal = GOAL) -> Integral:
    """The integral along a path that is alone."""
    return integrate_all([curve], goal)[0]


def error(integral: Integral, curve: Curve) -> FloatArray:
    """The true relative L2 error, [K]."""
    difference = integral.attributions.numpy() - curve.map
    return np.asarray(np.linalg.norm(difference, axis=1) / np.linalg.norm(curve.map, axis=1))


def assert_is_the_sum(integral: Integral, curve: Curve) -> None:
    """The map is the sum over all nodes that were evaluated, each once, with weights that sum to 1."""
    quadrature = integral.quadrature
    assert quadrature.nodes.tolist() == sorted(curve.requested)
    assert len(set(curve.requested)) == len(curve.requested) == integral.steps[0]
    assert math.isclose(quadrature.weights.sum(), 1, rel_tol=1e-12)
    terms = np.array([np.abs(curve.derivative(node)).max() for node in quadrature.nodes])
    size = float(np.abs(quadrature.weights) @ terms)
    np.testing.assert_allclose(
        integral.attributions.numpy(), curve.sum(integral), rtol=0, atol=ROUNDED * size
    )
    sums = integral.attributions.numpy().sum(1)
    total = integral.convergence_delta + integral.scores - integral.baseline_scores
    np.testing.assert_allclose(total, sums, rtol=0, atol=ROUNDED * size * curve.map.shape[1])


places = st.floats(0.02, 0.98)
steepnesses = st.floats(0.5, 6).map(lambda exponent: 10.0**exponent)


# --- exactness


@given(coefficients=st.lists(st.integers(-100, 100).map(lambda tenths: tenths / 10), min_size=8, max_size=8))
def test_cubics_are_integrated_exactly_from_the_first_five_nodes(coefficients: list[float]) -> None:
    cubics = [np.polynomial.Polynomial(coefficients[:4]), np.polynomial.Polynomial(coefficients[4:])]
    quartics = [cubic.integ() for cubic in cubics]
    curve = Curve(
        lambda node: np.array([[quartic(node) for quartic in quartics]]),
        lambda node: np.array([[cubic(node) for cubic in cubics]]),
    )
    integral = integrate(curve, replace(GOAL, max_steps=5))
    assert curve.requested == list(FIRST_NODES)
    size = max(map(abs, coefficients))
    np.testing.assert_allclose(integral.attributions.numpy(), curve.map, rtol=0, atol=4 * ROUNDED * size)


def test_a_straight_integrand_is_done_after_five_nodes() -> None:
    curve = Curve(lambda node: np.array([[node**2, -node]]), lambda node: np.array([[2 * node, -1.0]]))
    integral = integrate(curve)
    assert integral.steps[0] == 5
    assert integral.converged.all()
    assert integral.map_error.item() < INNER_ROUNDED
    np.testing.assert_allclose(integral.attributions.numpy(), [[1, -1]], atol=ROUNDED)


@given(place=places, steepness=steepnesses, tolerance=st.sampled_from([0.1, 0.01, 1e-3]))
def test_the_result_is_the_weighted_sum_over_all_nodes(
    place: float, steepness: float, tolerance: float
) -> None:
    curve = cliff([place, place / 2], [steepness, 7.0], [[1.0, -0.3], [0.2, 1.0]])
    integral = integrate(curve, replace(GOAL, tolerance=tolerance))
    assert_is_the_sum(integral, curve)
    np.testing.assert_array_equal(integral.baseline_scores, curve.function(0.0).sum(1))
    np.testing.assert_array_equal(integral.scores, curve.function(1.0).sum(1))
    assert integral.logits.tolist() == [1.0]  # those at the image


@pytest.mark.parametrize("exponent", [-300, -40, 30])
def test_units_do_not_matter(exponent: int) -> None:
    curve, scaled = (cliff([0.3, 0.6], [80.0, 20.0], [[1.0, -0.5]]) for _ in range(2))
    unit = 2.0**exponent
    exact = (scaled.function, scaled.derivative)
    scaled = Curve(lambda node: unit * exact[0](node), lambda node: unit * exact[1](node))
    goal = replace(GOAL, atol=0.0)
    one, other = integrate(curve, goal), integrate(scaled, goal)
    assert other.quadrature.nodes.tolist() == one.quadrature.nodes.tolist()
    np.testing.assert_allclose(other.attributions.numpy(), unit * one.attributions.numpy(), rtol=1e-6)
    np.testing.assert_allclose(other.map_error, one.map_error, rtol=1e-3)


# --- cliffs


@settings(derandomize=True)
@given(place=places, steepness=steepnesses, second=st.floats(-3, 3), height=st.floats(-0.9, 2))
def test_a_cliff_anywhere_is_resolved(place: float, steepness: float, second: float, height: float) -> None:
    # The second pixel's cliff is a few widths from the first one's.
    curve = cliff([place, place + second / steepness], [steepness, 1.7 * steepness], [[1.0, height]])
    integral = integrate(curve)
    assert integral.converged.all()
    assert (integral.map_error <= GOAL.tolerance * 1.01).all()
    assert (error(integral, curve) <= GOAL.tolerance).all()
    gap = abs(integral.attributions.numpy().sum() - curve.map.sum())
    assert gap <= GOAL.tolerance * np.abs(integral.attributions.numpy()).sum() + GOAL.atol
    assert integral.steps[0] < 150


@given(place=st.sampled_from(FIRST_NODES[:-1]), offset=st.floats(0.001, 0.249))
def test_a_cliff_between_two_nodes_is_found_by_what_the_scores_say(place: float, offset: float) -> None:
    curve = cliff([place + offset], [1e6], [[1.0]])
    assert not any(curve.derivative(node).any() for node in FIRST_NODES)  # they see no slope at all
    integral = integrate(curve)
    assert integral.converged.all()
    assert error(integral, curve).item() <= GOAL.tolerance


def test_a_bump_of_the_output_between_two_nodes_is_not_promised_to_be_seen() -> None:
    # Its ends agree, and no node falls on it: its map is 0, and what else there is comes out right.
    def bump(node: float) -> float:
        return math.exp(-((400 * (node - 0.6)) ** 2))

    curve = Curve(
        lambda node: np.array([[bump(node), node]]),
        lambda node: np.array([[-2 * 400**2 * (node - 0.6) * bump(node), 1.0]]),
    )
    integral = integrate(curve)
    assert integral.steps[0] == 5
    np.testing.assert_allclose(integral.attributions.numpy(), [[0, 1]], atol=ROUNDED)


def test_pixels_that_cancel_in_the_sum_are_seen_by_the_change_of_the_map() -> None:
    steep = cliff([0.4, 0.4], [60.0, 60.0], [[1.0, -1.0]])  # the output never moves
    integral = integrate(steep)
    assert integral.converged.all()
    assert integral.steps[0] > 5
    assert error(integral, steep).item() <= GOAL.tolerance


def test_a_map_that_cancels_to_nothing_along_its_path_is_done_by_the_absolute_tolerance() -> None:
    """Its path's norms are large beside its own, so that no relative error could ever be reached."""
    hill = Curve(
        lambda node: np.array([[node**4 - node, 1e-9 * node]]),
        lambda node: np.array([[4 * node**3 - 1, 1e-9]]),
    )
    integral = integrate(hill, Goal(1e-2, 1e-3, 500))
    assert integral.converged.all()
    assert integral.steps[0] < 100


@pytest.mark.parametrize("steepness", [30.0, 1e3, 1e5])
def test_a_tighter_tolerance_takes_more_steps_and_leaves_a_smaller_error(steepness: float) -> None:
    curves = [cliff([0.37, 0.38], [steepness, 2 * steepness], [[1.0, -0.4]]) for _ in range(4)]
    found = [
        integrate(curve, replace(GOAL, tolerance=tolerance))
        for curve, tolerance in zip(curves, (0.1, 0.01, 1e-3, 1e-4), strict=True)
    ]
    steps = [int(integral.steps[0]) for integral in found]
    assert steps == sorted(set(steps))
    errors = [error(integral, curve).item() for integral, curve in zip(found, curves, strict=True)]
    assert errors[0] > 5 * errors[-1]
    assert all(true <= integral.map_error.item() for true, integral in zip(errors, found, strict=True))


def test_a_path_that_takes_more_than_the_most_steps_is_given_up_and_says_so() -> None:
    for max_steps in (5, 6, 13):
        curve = cliff([0.37], [1e4], [[1.0]])
        integral = integrate(curve, replace(GOAL, max_steps=max_steps))
        assert integral.steps[0] == max_steps
        assert not integral.converged.any()
        assert integral.map_error.item() > GOAL.tolerance
        assert_is_the_sum(integral, curve)


def test_a_jump_has_no_derivative_and_ends_without_convergence() -> None:
    curve = Curve(
        lambda node: np.array([[node + (node > 0.377), -node / 3]]), lambda node: np.array([[1.0, -1 / 3]])
    )
    integral = integrate(curve)
    assert integral.steps[0] < 100  # floating point knows no place between the last two nodes
    assert not integral.converged.any()
    assert integral.map_error.item() > 0.1
    assert_is_the_sum(integral, curve)


# --- many nodes


def rough(tilt: float = 1.0) -> Curve:
    waves, heights = np.array([331.0, 613.0, 971.0]), np.array([0.03, 0.02, 0.01])
    return Curve(
        lambda node: (heights * np.sin(waves * node) + tilt * node)[None],
        lambda node: (heights * waves * np.cos(waves * node) + tilt)[None],
    )


def kept_slots(monkeypatch: pytest.MonkeyPatch, max_kept: int) -> list[PathState]:
    """Let paths keep so many maps; returns the list of all paths that are opened from now on."""
    opened: list[PathState] = []

    class Watched(PathState):
        def __init__(self, targets: int, exact: bool) -> None:
            super().__init__(targets, exact)
            opened.append(self)

    for module in (path_state, kept_module):
        monkeypatch.setattr(module, "MAX_KEPT", max_kept)
        monkeypatch.setattr(module, "SLOTS", max_kept + 2 * MAX_HALVED + 1)
    monkeypatch.setattr(kept_module, "PathState", Watched)
    return opened


def test_maps_that_are_kept_stay_few_while_steps_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = rough()
    opened = kept_slots(monkeypatch, MAX_KEPT)
    integral = integrate(curve, replace(GOAL, max_steps=800))
    assert integral.steps[0] == 800
    assert MAX_KEPT < opened[0]._maps.shape[1] <= SLOTS
    assert opened[0].used < SLOTS
    assert_is_the_sum(integral, curve)


def test_rows_that_are_free_hold_nothing() -> None:
    curve = cliff([0.3], [40.0], [[1.0]])
    kept = AdaptiveIntegrals(GOAL, 1)
    for _ in range(2):
        nodes, _ = kept.open(0)
        while nodes:
            add(kept, [curve], [(0, node) for node in nodes])
            (nodes,) = kept.advance([0], kept.launch([0]).wait())
        kept.result(0)
        assert not any(value for value in vars(kept).values() if isinstance(value, (dict, list)))


@pytest.mark.parametrize("max_kept", [24, 64, 128])
def test_a_path_that_is_folded_has_the_map_of_one_that_is_not(
    max_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = replace(GOAL, tolerance=0.03)
    curves = [rough(tilt=5.0), cliff([0.41, 0.43], [3e4, 1e4], [[1.0, -0.6]])]
    kept_slots(monkeypatch, 2000)
    whole = [integrate(replace(curve, requested=[]), goal) for curve in curves]
    opened = kept_slots(monkeypatch, max_kept)
    for curve, expected in zip(curves, whole, strict=True):
        found = integrate(curve, goal)
        assert found.converged.all()
        assert expected.converged.all()
        assert_is_the_sum(found, curve)
        assert error(found, curve).item() <= found.map_error.item() + ROUNDED
        distance = np.linalg.norm((found.attributions - expected.attributions).numpy()) / np.linalg.norm(
            curve.map
        )
        assert distance <= found.map_error.item() + expected.map_error.item() + ROUNDED
    assert opened[0].folded > 0
    assert max(path._maps.shape[1] for path in opened) <= max_kept + 2 * MAX_HALVED + 1


@pytest.mark.parametrize(("max_kept", "amplitude"), [(24, 1.0), (128, 1.0), (128, 30.0)])
def test_a_path_of_noise_takes_all_steps_and_no_more_memory(
    max_kept: int, amplitude: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No interval of it is good enough to be folded before it is as narrow as can be."""

    def derivative(node: float) -> FloatArray:
        draws = np.random.default_rng(np.frombuffer(np.float64(node).tobytes(), np.uint32))
        return np.asarray([1 + amplitude * draws.normal(size=4)])

    curve = Curve(lambda node: np.full((1, 4), node), derivative)
    opened = kept_slots(monkeypatch, max_kept)
    integral = integrate(curve, replace(GOAL, max_steps=400))
    assert integral.steps[0] == 400
    assert not integral.converged.any()
    assert integral.map_error.item() > GOAL.tolerance
    assert opened[0]._maps.shape[1] <= max_kept + 2 * MAX_HALVED + 1
    assert_is_the_sum(integral, curve)


def test_a_path_whose_intervals_are_all_good_but_for_their_sum_keeps_its_map() -> None:
    """All of it could be folded, and nothing is left to request."""
    curve = Curve(lambda node: np.array([[1.05 * node**2]]), lambda node: np.array([[2 * node]]))
    integral = integrate(curve, replace(GOAL, max_steps=700))
    assert not integral.converged.any()
    assert integral.steps[0] >= MAX_KEPT
    assert_is_the_sum(integral, curve)
    np.testing.assert_allclose(integral.attributions.numpy(), [[1.0]], rtol=1e-4)


def test_a_rough_path_converges_from_left_to_right() -> None:
    curve = rough(tilt=5.0)
    integral = integrate(curve, replace(GOAL, tolerance=0.03))
    assert integral.steps[0] > 2 * MAX_KEPT
    assert integral.converged.all()
    assert error(integral, curve).item() <= 0.03
    assert_is_the_sum(integral, curve)


# --- several targets


@pytest.mark.parametrize("steepness", [20.0, 200.0, 2000.0])
def test_several_intervals_are_halved_a_round_and_few_in_vain(
    steepness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: dict[int, list[int]] = {}
    for max_kept in (4, MAX_HALVED):
        monkeypatch.setattr(adaptive, "MAX_HALVED", max_kept)
        curve = cliff([0.31, 0.44, 0.58], [steepness] * 3, [[1.0, 0.7, -0.4]])
        integral = integrate(curve)
        rounds[max_kept] = curve.rounds
        assert integral.converged.all()
        assert (error(integral, curve) <= GOAL.tolerance).all()
        assert max(rounds[max_kept]) <= max(max_kept, len(FIRST_NODES))
    assert len(rounds[MAX_HALVED]) < len(rounds[4])
    assert sum(rounds[MAX_HALVED]) <= 1.25 * sum(rounds[4])


def test_targets_with_cliffs_apart_both_reach_the_tolerance() -> None:
    curve = cliff([0.11, 0.83], [300.0, 5000.0], [[1.0, 0.0], [0.0, 1e-7]])
    integral = integrate(curve, replace(GOAL, atol=0.0))
    assert integral.converged.all()
    assert (error(integral, curve) <= GOAL.tolerance).all()


def test_a_negligible_target_takes_no_steps() -> None:
    def both(atol: float) -> int:
        curve = cliff([0.11, 0.83], [30.0, 5000.0], [[1.0, 0.0], [0.0, 1e-8]])
        return int(integrate(curve, replace(GOAL, atol=atol)).steps[0])

    alone = integrate(cliff([0.11, 0.83], [30.0, 5000.0], [[1.0, 0.0]])).steps[0]
    assert both(1e-6) == alone
    assert both(0.0) > alone + 10


def test_a_target_that_is_done_asks_for_no_more_nodes() -> None:
    easy = cliff([0.5], [1e-3], [[1.0]])
    hard = cliff([0.3], [2000.0], [[1.0]])
    both = Curve(
        lambda node: np.concatenate([easy.function(node), hard.function(node)]),
        lambda node: np.concatenate([easy.derivative(node), hard.derivative(node)]),
    )
    assert integrate(both).quadrature.nodes.tolist() == integrate(hard).quadrature.nodes.tolist()


# --- what is nothing, or no number


def test_a_path_that_goes_nowhere_has_an_empty_map_and_no_error() -> None:
    curve = Curve(lambda node: np.full((2, 3), 0.2), lambda node: np.zeros((2, 3)))
    integral = integrate(curve, replace(GOAL, atol=0.0))
    assert integral.steps[0] == 5
    assert integral.converged.all()
    assert integral.map_error.tolist() == [0, 0]
    assert not integral.attributions.any()


def test_a_path_of_nan_ends_at_once_and_its_error_is_no_number() -> None:
    curve = Curve(lambda node: np.full((1, 3), np.nan), lambda node: np.full((1, 3), np.nan))
    integral = integrate(curve)
    assert integral.steps[0] == 5
    assert not integral.converged.any()
    assert np.isnan(integral.map_error).all()


def test_a_target_of_nan_spoils_no_other() -> None:
    alone = cliff([0.3], [2000.0], [[1.0]])
    both = Curve(
        lambda node: np.concatenate([alone.function(node), [[np.nan]]]),
        lambda node: np.concatenate([alone.derivative(node), [[np.nan]]]),
    )
    expected, found = integrate(alone), integrate(both)
    assert found.quadrature.nodes.tolist() == expected.quadrature.nodes.tolist()
    assert found.converged.tolist() == [True, False]
    np.testing.assert_allclose(found.map_error[0], expected.map_error[0], rtol=1e-12)
    assert torch.equal(found.attributions[0], expected.attributions[0])


# --- completeness


def noisy(curve: Curve, size: float) -> Curve:
    """The curve with scores that are off a little, as low precision has them."""
    draws = np.random.default_rng(0)
    noise: dict[float, float] = {}

    def function(node: float) -> FloatArray:
        return curve.function(node) * (1 + noise.setdefault(node, size * draws.uniform(-1, 1)))

    return Curve(function, curve.derivative)


def test_gaps_within_the_arithmetics_rounding_are_not_chased() -> None:
    def offset() -> Curve:
        clean = cliff([0.4, 0.5], [20.0, 15.0], [[1.0, 0.5]])
        return Curve(lambda node: clean.function(node) + 10.0, clean.derivative)

    goal = replace(GOAL, tolerance=0.003)
    clean = integrate(offset(), goal)
    chased = integrate(noisy(offset(), 1e-3), replace(goal, max_steps=400))
    left = integrate(noisy(offset(), 1e-3), replace(goal, rounding=2e-3))
    assert left.converged.all()
    assert left.steps[0] <= clean.steps[0]
    assert chased.steps[0] > clean.steps[0]


def test_small_gaps_that_add_up_keep_a_map_from_converging() -> None:
    # The scores rise by 5 % more than the slopes say, everywhere: no interval's gap is large.
    curve = Curve(lambda node: np.array([[1.05 * node]]), lambda node: np.array([[1.0]]))
    integral = integrate(curve, replace(GOAL, max_steps=60))
    assert integral.map_error.item() <= GOAL.tolerance
    assert not integral.converged.any()


def test_a_map_that_is_not_multiplied_need_not_sum_to_the_rise() -> None:
    gradients = cliff([0.37], [200.0], [[1.0]])

    class Gradients(Curve):
        def maps(self, derivatives: FloatArray) -> FloatArray:
            return derivatives * 7.0  # x - x' is 1/7

    curve = Gradients(gradients.function, gradients.derivative)
    integral = integrate(curve, replace(GOAL, complete=False))
    assert integral.converged.all()
    np.testing.assert_allclose(integral.attributions.numpy(), 7 * gradients.map, rtol=GOAL.tolerance)


def test_an_adaptive_integral_asks_for_no_scores_alone() -> None:
    kept = AdaptiveIntegrals(GOAL, 1)
    _, ends = kept.open(0)
    assert ends == ()
    with pytest.raises(AssertionError):
        kept.add_scores([0], [Node(0, 0.0)], (torch.zeros(1, 1), torch.zeros(1, 1)))


# --- paths of a wave


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_a_path_is_the_same_bits_with_others_and_alone(batch: int) -> None:
    """Here, where a node's values do not depend on what goes through the passes with it."""

    def curves() -> list[Curve]:
        steep = [cliff([0.2 + 0.1 * n, 0.3], [10.0**n, 40.0], [[1.0, 0.3], [0.1, -1.0]]) for n in range(5)]
        none = Curve(lambda node: np.full((2, 2), np.nan), lambda node: np.full((2, 2), np.nan))
        return [*steep[:3], none, *steep[3:]]

    alone = [integrate(curve) for curve in curves()]
    for found, expected in zip(integrate_all(curves(), batch=batch), alone, strict=True):
        assert torch.equal(found.attributions.nan_to_num(), expected.attributions.nan_to_num())
        for name in ("scores", "baseline_scores", "convergence_delta", "steps", "converged"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        np.testing.assert_allclose(found.map_error, expected.map_error, rtol=1e-12)
        np.testing.assert_array_equal(found.quadrature.weights, expected.quadrature.weights)


# --- arithmetic


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_a_tiny_tolerance_is_met_in_float64(tolerance: float) -> None:
    curve = replace(cliff([0.4, 0.6], [30.0, 12.0], [[1.0, -0.4], [0.3, 0.3]]), dtype=torch.float64)
    integral = integrate(curve, replace(GOAL, tolerance=tolerance))
    assert integral.converged.all()
    assert (error(integral, curve) <= integral.map_error).all()
    assert (integral.map_error <= tolerance).all()


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1.01 * EXACT_BELOW, 0.99 * EXACT_BELOW, 1e-4])
@pytest.mark.parametrize("pixels", [1, 50_000])
def test_maps_in_float32_take_the_nodes_that_they_take_in_float64(tolerance: float, pixels: int) -> None:
    """What inner products lose of the changes of maps is far below the tolerance."""
    draws = np.random.default_rng(0)
    middle, slope, height = (
        draws.uniform(0.3, 0.6, 3),
        np.array([8.0, 25.0, 40.0]),
        draws.normal(size=(3, pixels)),
    )

    def sigmoid(node: float) -> FloatArray:
        return np.asarray(0.5 * (1 + np.tanh(slope * (node - middle) / 2)))

    single, double = (
        Curve(
            lambda node: (sigmoid(node) @ height)[None],
            lambda node: ((slope * sigmoid(node) * (1 - sigmoid(node))) @ height)[None],
            dtype,
        )
        for dtype in (torch.float32, torch.float64)
    )
    found, expected = (integrate(curve, replace(GOAL, tolerance=tolerance)) for curve in (single, double))
    assert found.quadrature.nodes.tolist() == expected.quadrature.nodes.tolist()
    np.testing.assert_allclose(found.map_error, expected.map_error, rtol=0.05)


@pytest.mark.parametrize("times", [30, 1000])
def test_a_map_that_cancels_takes_the_nodes_that_it_takes_in_float64(times: float) -> None:
    """Its nodes' maps are so many times as large, and all but add up to nothing."""
    draws = np.random.default_rng(0)
    straight, turning = draws.normal(size=(2, 300))
    single, double = (
        Curve(
            lambda node: (straight * node + times * turning * np.sin(2 * np.pi * node) / (2 * np.pi))[None],
            lambda node: (straight + times * turning * np.cos(2 * np.pi * node))[None],
            dtype,
        )
        for dtype in (torch.float32, torch.float64)
    )
    found, expected = (integrate(curve, replace(GOAL, tolerance=0.05)) for curve in (single, double))
    assert found.converged.all()
    assert abs(found.steps[0] - expected.steps[0]) <= 0.02 * expected.steps[0]
    np.testing.assert_allclose(found.map_error, expected.map_error, rtol=0.05)
    assert error(found, single).item() <= found.map_error.item()


def waves(draws: np.random.Generator) -> Curve:
    """Smooth functions of six pixels for two targets."""
    count, fastest = draws.integers(1, 6), draws.uniform(1, 30)
    frequency, phase = draws.uniform(0, fastest, count), draws.uniform(0, 2 * np.pi, count)
    height, tilt = draws.normal(size=(2, count, 6)) / fastest, draws.normal(size=(2, 6))
    return Curve(
        lambda node: tilt * node + np.einsum("w,kwp->kp", np.sin(frequency * node + phase), height),
        lambda node: tilt + np.einsum("w,kwp->kp", frequency * np.cos(frequency * node + phase), height),
    )


def cliffs(draws: np.random.Generator) -> Curve:
    """Two pixels with a cliff each, a few widths apart."""
    place, steepness = draws.uniform(0.02, 0.98), 10 ** draws.uniform(0.5, 5)
    middles = [place, place + draws.uniform(-3, 3) / steepness]
    return cliff(middles, [steepness, 1.7 * steepness], [[1.0, draws.uniform(-0.9, 2)]])


@pytest.mark.parametrize(("draw", "tolerance"), [(waves, 0.01), (cliffs, 1e-3)])
def test_of_a_hundred_maps_one_at_most_is_further_off_than_is_stated(
    draw: Callable[[np.random.Generator], Curve], tolerance: float
) -> None:
    draws = np.random.default_rng(0)
    curves = [draw(draws) for _ in range(100)]
    integrals = [integrate(curve, replace(GOAL, tolerance=tolerance)) for curve in curves]
    assert all(integral.converged.all() for integral in integrals)
    ratios = np.concatenate(
        [
            error(each, curve) / (each.map_error + ROUNDED)
            for each, curve in zip(integrals, curves, strict=True)
        ]
    )
    assert np.mean(ratios > 1) <= 0.01
    assert ratios.max() < 2
    assert np.median(ratios) > 0.01  # nor is it out of all proportion
    for integral, curve in zip(integrals, curves, strict=True):
        assert_is_the_sum(integral, curve)


def test_the_callers_tensorfloat32_is_not_for_inner_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a float32's digits would be lost, and with them the changes that are sought."""
    allowed: list[str] = []
    products = PathState.products

    def watched(path: PathState) -> torch.Tensor:
        allowed.append(torch.backends.cuda.matmul.fp32_precision)
        return products(path)

    monkeypatch.setattr(PathState, "products", watched)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        chosen = torch.backends.cuda.matmul.fp32_precision
        integrate(cliff([0.3], [10.0], [[1.0]]))
        assert torch.backends.cuda.matmul.fp32_precision == chosen != "ieee"
    finally:
        torch.set_float32_matmul_precision(before)
    assert set(allowed) == {"ieee"}
