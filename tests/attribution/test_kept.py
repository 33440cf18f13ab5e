"""Adaptive quadrature against paths whose integrals are known.

A path here is that of a sum of functions, one a pixel, so that each pixel's map is its function's rise:
what a model that is separable in its pixels has on a straight line.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from igbatch.attribution.adaptive import FIRST_NODES, MOST_KEPT, WAVE, WIDE_WAVE, AdaptiveIntegral, Goal
from igbatch.attribution.integrand import NodeValue

FloatArray = NDArray[np.float64]
GOAL = Goal(tolerance=0.01, atol=1e-9, max_steps=2000)
ROUNDED = 1e-6  # maps of nodes are kept in float32


class Watched(NodeValue):
    """A value whose copies are counted while they live."""

    alive: ClassVar[weakref.WeakSet[NodeValue]] = weakref.WeakSet()

    def rounded(self) -> NodeValue:
        value = super().rounded()
        self.alive.add(value)
        return value


@dataclass
class Curve:
    """A path: functions [K, pixels] of the node, and their derivatives; records what it was asked for."""

    function: Callable[[float], FloatArray]
    derivative: Callable[[float], FloatArray]
    scale: float = 1.0
    asked: list[float] = field(default_factory=list)

    def value(self, node: float) -> NodeValue:
        self.asked.append(node)
        derivative = self.derivative(node)
        return Watched(
            score=self.function(node).sum(1),
            map=torch.from_numpy(derivative / self.scale),
            scale=np.full(len(derivative), self.scale),
            norm=np.linalg.norm(derivative, axis=1),
            slope=derivative.sum(1),
        )

    @property
    def map(self) -> FloatArray:
        """The exact map, [K, pixels]."""
        return self.function(1.0) - self.function(0.0)

    def sum(self, integral: AdaptiveIntegral) -> FloatArray:
        """The weighted sum over an integral's nodes, computed anew."""
        quadrature = integral.quadrature
        return np.asarray(
            sum(
                weight * self.derivative(node)
                for node, weight in zip(quadrature.nodes, quadrature.weights, strict=True)
            )
        )


def cliff(places: list[float], steepness: list[float], heights: list[list[float]]) -> Curve:
    """Sigmoids, one a pixel, of some height for each target: [K, pixels]."""
    middle, slope, height = np.array(places), np.array(steepness), np.array(heights)

    def sigmoid(node: float) -> FloatArray:
        return np.asarray(0.5 * (1 + np.tanh(slope * (node - middle) / 2)))

    return Curve(
        lambda node: height * sigmoid(node),
        lambda node: height * slope * sigmoid(node) * (1 - sigmoid(node)),
    )


def integrate(curve: Curve, goal: Goal = GOAL, most: int = WAVE) -> AdaptiveIntegral:
    integral = AdaptiveIntegral(goal, most)
    while integral.wanted:
        for node in integral.wanted:
            integral.add(node, curve.value(node))
    assert integral.done
    return integral


def error(integral: AdaptiveIntegral, curve: Curve) -> FloatArray:
    """The true relative L2 error, [K]."""
    difference = integral.result().numpy() - curve.map
    return np.asarray(np.linalg.norm(difference, axis=1) / np.linalg.norm(curve.map, axis=1))


def assert_is_the_sum(integral: AdaptiveIntegral, curve: Curve) -> None:
    """The result is the sum over all nodes that were evaluated, each once, with weights that sum to 1."""
    quadrature = integral.quadrature
    assert quadrature.nodes.tolist() == sorted(curve.asked)
    assert len(set(curve.asked)) == len(curve.asked) == integral.steps
    assert math.isclose(quadrature.weights.sum(), 1, rel_tol=1e-12)
    terms = np.array([np.abs(curve.derivative(node)).max() for node in quadrature.nodes])
    size = float(np.abs(quadrature.weights) @ terms)
    np.testing.assert_allclose(integral.result().numpy(), curve.sum(integral), rtol=0, atol=ROUNDED * size)


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
    assert curve.asked == list(FIRST_NODES)
    size = max(map(abs, coefficients))
    np.testing.assert_allclose(integral.result().numpy(), curve.map, rtol=0, atol=4 * ROUNDED * size)


def test_a_straight_integrand_is_done_after_five_nodes() -> None:
    curve = Curve(lambda node: np.array([[node**2, -node]]), lambda node: np.array([[2 * node, -1.0]]))
    integral = integrate(curve)
    assert integral.steps == 5
    assert integral.converged.all()
    assert integral.map_error.item() < ROUNDED
    np.testing.assert_allclose(integral.result().numpy(), [[1, -1]], atol=ROUNDED)


@settings(deadline=None, max_examples=40)
@given(place=places, steepness=steepnesses, tolerance=st.sampled_from([0.1, 0.01, 1e-3]))
def test_the_result_is_the_weighted_sum_over_all_nodes(
    place: float, steepness: float, tolerance: float
) -> None:
    curve = cliff([place, place / 2], [steepness, 7.0], [[1.0, -0.3], [0.2, 1.0]])
    integral = integrate(curve, replace(GOAL, tolerance=tolerance))
    assert_is_the_sum(integral, curve)
    scores = integral.scores
    np.testing.assert_array_equal(scores[0], curve.function(0.0).sum(1))
    np.testing.assert_array_equal(scores[1], curve.function(1.0).sum(1))


@pytest.mark.parametrize("exponent", [-300, -40, 30])
def test_units_do_not_matter(exponent: int) -> None:
    curve, scaled = (cliff([0.3, 0.6], [80.0, 20.0], [[1.0, -0.5]]) for _ in range(2))
    unit = 2.0**exponent
    exact = (scaled.function, scaled.derivative)
    scaled = Curve(lambda node: unit * exact[0](node), lambda node: unit * exact[1](node), scale=unit)
    goal = replace(GOAL, atol=0.0)
    one, other = integrate(curve, goal), integrate(scaled, goal)
    assert other.quadrature.nodes.tolist() == one.quadrature.nodes.tolist()
    np.testing.assert_allclose(other.result().numpy(), unit * one.result().numpy(), rtol=1e-6)
    np.testing.assert_allclose(other.map_error, one.map_error, rtol=1e-3)


# --- cliffs


@settings(deadline=None, derandomize=True)
@given(place=places, steepness=steepnesses, second=st.floats(-3, 3), height=st.floats(-0.9, 2))
def test_a_cliff_anywhere_is_resolved_and_its_error_is_within_the_stated_one(
    place: float, steepness: float, second: float, height: float
) -> None:
    # The second pixel's cliff is a few widths from the first one's.
    curve = cliff([place, place + second / steepness], [steepness, 1.7 * steepness], [[1.0, height]])
    integral = integrate(curve)
    assert integral.converged.all()
    assert (integral.map_error <= GOAL.tolerance * 1.01).all()
    assert (error(integral, curve) <= integral.map_error + ROUNDED).all()
    gap = abs(integral.result().numpy().sum() - curve.map.sum())
    assert gap <= GOAL.tolerance * np.abs(integral.result().numpy()).sum() + GOAL.atol
    assert integral.steps < 150


@settings(deadline=None, max_examples=25)
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
    assert integral.steps == 5
    np.testing.assert_allclose(integral.result().numpy(), [[0, 1]], atol=ROUNDED)


def test_pixels_that_cancel_in_the_sum_are_seen_by_the_change_of_the_map() -> None:
    steep = cliff([0.4, 0.4], [60.0, 60.0], [[1.0, -1.0]])  # the output never moves
    integral = integrate(steep)
    assert integral.converged.all()
    assert integral.steps > 5
    assert error(integral, steep).item() <= GOAL.tolerance


def test_a_map_that_cancels_to_nothing_along_its_path_is_done_by_the_absolute_tolerance() -> None:
    """Its path's norms are large beside its own, so that no relative error could ever be reached."""
    hill = Curve(
        lambda node: np.array([[node**4 - node, 1e-9 * node]]),
        lambda node: np.array([[4 * node**3 - 1, 1e-9]]),
    )
    integral = integrate(hill, Goal(1e-2, 1e-3, 500))
    assert integral.converged.all()
    assert integral.steps < 100


@pytest.mark.parametrize("steepness", [30.0, 1e3, 1e5])
def test_a_tighter_tolerance_takes_more_steps_and_leaves_a_smaller_error(steepness: float) -> None:
    curves = [cliff([0.37, 0.38], [steepness, 2 * steepness], [[1.0, -0.4]]) for _ in range(4)]
    found = [
        integrate(curve, replace(GOAL, tolerance=tolerance))
        for curve, tolerance in zip(curves, (0.1, 0.01, 1e-3, 1e-4), strict=True)
    ]
    steps = [integral.steps for integral in found]
    assert steps == sorted(set(steps))
    errors = [error(integral, curve).item() for integral, curve in zip(found, curves, strict=True)]
    assert errors[0] > 5 * errors[-1]
    assert all(true <= integral.map_error.item() for true, integral in zip(errors, found, strict=True))


def test_a_path_that_takes_more_than_the_most_steps_is_given_up_and_says_so() -> None:
    for max_steps in (5, 6, 13):
        curve = cliff([0.37], [1e4], [[1.0]])
        integral = integrate(curve, replace(GOAL, max_steps=max_steps))
        assert integral.steps == max_steps
        assert not integral.converged.any()
        assert integral.map_error.item() > GOAL.tolerance
        assert_is_the_sum(integral, curve)


def test_a_jump_has_no_derivative_and_ends_without_convergence() -> None:
    curve = Curve(
        lambda node: np.array([[node + (node > 0.377), -node / 3]]), lambda node: np.array([[1.0, -1 / 3]])
    )
    integral = integrate(curve)
    assert integral.steps < 100  # floating point knows no place between the last two nodes
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


def test_maps_that_are_kept_stay_few_while_steps_grow() -> None:
    curve = rough()
    integral = AdaptiveIntegral(replace(GOAL, max_steps=800))
    most = 0
    while integral.wanted:
        for node in integral.wanted:
            integral.add(node, curve.value(node))
        most = max(most, len(Watched.alive))
    assert integral.steps == 800
    assert most <= MOST_KEPT + 8 * WAVE  # and a few finer ones of those that are worked on
    assert_is_the_sum(integral, curve)
    assert len(Watched.alive) == 0  # a path that is done holds its sum alone


def test_a_rough_path_converges_from_left_to_right() -> None:
    curve = rough(tilt=5.0)
    integral = integrate(curve, replace(GOAL, tolerance=0.03))
    assert integral.steps > 2 * MOST_KEPT
    assert integral.converged.all()
    assert error(integral, curve).item() <= 0.03
    assert_is_the_sum(integral, curve)


# --- several targets


@pytest.mark.parametrize("steepness", [20.0, 200.0, 2000.0])
def test_wider_waves_are_fewer_and_take_few_nodes_more(steepness: float) -> None:
    waves: dict[int, list[int]] = {}
    for most in (WAVE, WIDE_WAVE):
        curve = cliff([0.31, 0.44, 0.58], [steepness] * 3, [[1.0, 0.7, -0.4]])
        integral = AdaptiveIntegral(GOAL, most)
        waves[most] = []
        while integral.wanted:
            waves[most].append(len(integral.wanted))
            for node in integral.wanted:
                integral.add(node, curve.value(node))
        assert integral.converged.all()
        assert (error(integral, curve) <= GOAL.tolerance).all()
        assert max(waves[most]) <= max(most, len(FIRST_NODES))
    assert len(waves[WIDE_WAVE]) < len(waves[WAVE])
    assert sum(waves[WIDE_WAVE]) <= 1.25 * sum(waves[WAVE])


def test_targets_with_cliffs_apart_both_reach_the_tolerance() -> None:
    curve = cliff([0.11, 0.83], [300.0, 5000.0], [[1.0, 0.0], [0.0, 1e-7]])
    integral = integrate(curve, replace(GOAL, atol=0.0))
    assert integral.converged.all()
    assert (error(integral, curve) <= GOAL.tolerance).all()


def test_a_negligible_target_takes_no_steps() -> None:
    def both(atol: float) -> int:
        curve = cliff([0.11, 0.83], [30.0, 5000.0], [[1.0, 0.0], [0.0, 1e-8]])
        return integrate(curve, replace(GOAL, atol=atol)).steps

    alone = integrate(cliff([0.11, 0.83], [30.0, 5000.0], [[1.0, 0.0]])).steps
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
    assert integral.steps == 5
    assert integral.converged.all()
    assert integral.map_error.tolist() == [0, 0]
    assert not integral.result().any()


def test_a_path_of_nan_ends_at_once_and_its_error_is_no_number() -> None:
    curve = Curve(lambda node: np.full((1, 3), np.nan), lambda node: np.full((1, 3), np.nan))
    integral = integrate(curve)
    assert integral.steps == 5
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
    assert found.map_error[0] == expected.map_error[0]
    assert torch.equal(found.result()[0], expected.result()[0])


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
    assert left.steps <= clean.steps
    assert chased.steps > clean.steps


def test_small_gaps_that_add_up_keep_a_map_from_converging() -> None:
    # The scores rise by 5 % more than the slopes say, everywhere: no interval's gap is large.
    curve = Curve(lambda node: np.array([[1.05 * node]]), lambda node: np.array([[1.0]]))
    integral = integrate(curve, replace(GOAL, max_steps=60))
    assert integral.map_error.item() <= GOAL.tolerance
    assert not integral.converged.any()


def test_a_map_that_is_not_multiplied_need_not_sum_to_the_rise() -> None:
    gradients = cliff([0.37], [200.0], [[1.0]])

    class Gradients(Curve):
        def value(self, node: float) -> NodeValue:
            value = super().value(node)
            return replace(value, map=value.map * 7.0, norm=value.norm * 7.0)  # x - x' is 1/7

    curve = Gradients(gradients.function, gradients.derivative)
    integral = integrate(curve, replace(GOAL, complete=False))
    assert integral.converged.all()
    np.testing.assert_allclose(integral.result().numpy(), 7 * gradients.map, rtol=GOAL.tolerance)


def test_an_adaptive_integral_asks_for_no_scores_alone() -> None:
    integral = AdaptiveIntegral(GOAL)
    assert integral.scored == ()
    with pytest.raises(AssertionError):
        integral.add_score(np.zeros(1))
