"""The adaptive rule, all paths of a wave at once, against one path after the other, written out slowly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from igbatch.attribution.adaptive import (
    FIRST_NODES,
    FOLDED_SHARE,
    GAP_FACTOR,
    MAX_HALVED,
    MAX_ROUGHNESS,
    MIN_WIDTH,
    QUARTIC_FACTOR,
    STRAIGHT_FACTOR,
    ErrorEstimate,
    Goal,
    Intervals,
    Known,
    count_foldable,
    estimate_errors,
    masses,
)

FloatArray = NDArray[np.float64]
GOAL = Goal(tolerance=0.01, atol=1e-9, max_steps=2000)
TARGETS, PIXELS = 2, 3


@dataclass
class Path:
    """Places in the order in which they came, and what was found there.

    Attributes:
        places: [n]; the maps are [n, K, pixels].
        folded: all intervals left of this place are folded.
        folds: [4, K].
    """

    places: list[float]
    folded: float
    maps: FloatArray
    slopes: FloatArray
    scores: FloatArray
    folds: FloatArray

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """The intervals that are not folded, from the left."""
        ordered = sorted(self.places)
        return [pair for pair in itertools.pairwise(ordered) if pair[0] >= self.folded]

    def stencil(self, low: float) -> list[float]:
        """The nodes of the cubic over the interval that begins there: one on each side, where there are."""
        ordered = sorted(self.places)
        first = min(max(ordered.index(low) - 1, 0), len(ordered) - 4)
        return ordered[first : first + 4]

    def quartics(self, low: float) -> list[list[float]]:
        """The nodes of the quartics with one node more, on the left and on the right."""
        ordered = sorted(self.places)
        first = ordered.index(self.stencil(low)[0])
        return [ordered[start : start + 5] for start in (max(first - 1, 0), min(first, len(ordered) - 5))]

    def weights(self, low: float, high: float, stencil: Sequence[float] = ()) -> dict[float, float]:
        """What each node counts in the cubic's integral, by integrating its basis polynomial.

        Or in that of the polynomial through other nodes.
        """
        found = {}
        stencil = stencil or self.stencil(low)
        for place in stencil:
            others = [other for other in stencil if other != place]
            basis = Polynomial.fromroots(np.array(others) - low).integ()  # near the interval digits are kept
            found[place] = (basis(high - low) - basis(0.0)) / math.prod(place - other for other in others)
        return found

    def at(self, values: FloatArray, place: float) -> FloatArray:
        """What was found at a place."""
        return np.asarray(values[self.places.index(place)])

    def total(self, values: FloatArray) -> FloatArray:
        """The sum over all intervals that are not folded."""
        parts = [
            weight * self.at(values, place)
            for low, high in self.intervals
            for place, weight in self.weights(low, high).items()
        ]
        return np.asarray(sum(parts))


def slots(paths: Sequence[Path], exact: bool = True) -> tuple[Intervals, Known]:
    """The paths in slots, as the rule takes them."""
    count = 1 + max(len(path.places) for path in paths)
    shape = (len(paths), count)
    nodes, scores, slopes = np.full(shape, np.inf), *np.zeros((2, *shape, TARGETS))
    maps = np.zeros((*shape, TARGETS, PIXELS))
    for index, path in enumerate(paths):
        own = slice(1, 1 + len(path.places))
        nodes[index, own], scores[index, own] = path.places, path.scores
        slopes[index, own], maps[index, own] = path.slopes, path.maps
    intervals = Intervals.of(nodes, np.array([path.folded for path in paths]))
    whole = np.einsum("am,amkp->akp", intervals.total, maps)
    known = Known(
        scores, slopes, np.einsum("amkp,ankp->akmn", maps, maps), np.linalg.norm(whole, axis=2),
        np.abs(whole).sum(2), np.full(len(paths), exact), np.array([len(path.places) for path in paths]),
        np.stack([path.folds for path in paths], 1),
    )  # fmt: skip
    return intervals, known


@st.composite
def random_path(draw: st.DrawFn, folding: bool = True) -> Path:
    """Any path whose nodes came from halving the first intervals, in any order of slots."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    places = list(FIRST_NODES)
    for where in draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=20)):
        ordered = sorted(places)
        index = int(where * (len(ordered) - 1))
        places.append((ordered[index] + ordered[index + 1]) / 2)
    rng.shuffle(places)
    folded = draw(st.sampled_from(sorted(places)[:-3])) if folding else 0.0
    maps = rng.normal(size=(len(places), TARGETS, PIXELS)) * 10.0 ** draw(st.integers(-8, 8))
    folds = np.abs(rng.normal(size=(4, TARGETS))) * (folded > 0) * np.abs(maps).mean()
    return Path(places, folded, maps, maps.sum(2), rng.normal(size=(len(places), TARGETS)), folds)


paths = st.lists(random_path(), min_size=1, max_size=4)


# --- intervals


@given(paths=paths)
def test_intervals_are_those_between_neighbours_that_are_not_folded(paths: list[Path]) -> None:
    intervals, _ = slots(paths)
    for index, path in enumerate(paths):
        rows = np.flatnonzero(intervals.valid[index])
        lows, widths = intervals.lows[index, rows], intervals.widths[index, rows]
        assert list(zip(lows, lows + widths, strict=True)) == path.intervals
        ends = intervals.ends[index, rows]
        assert [[path.places[slot - 1] for slot in pair] for pair in ends] == [
            list(pair) for pair in path.intervals
        ]
        for low, high, row in zip(lows, lows + widths, rows, strict=True):
            held = [path.places[slot - 1] for slot in intervals.stencil[index, row]]
            assert held == path.stencil(low)
            expected = np.array(list(path.weights(low, high).values()))
            np.testing.assert_allclose(
                intervals.weights[index, row], expected, rtol=1e-9, atol=1e-12 * (high - low)
            )
            straight = np.isin(held, [low, high]) * (high - low) / 2
            np.testing.assert_allclose(
                intervals.bends[index, row], expected - straight, rtol=0, atol=1e-9 * (high - low)
            )
            for window, stencil in zip(intervals.quartics[index, row], path.quartics(low), strict=True):
                held = [path.places[slot - 1] for slot in intervals.windows[index, window]]
                assert held == stencil
                cubic, quartic = path.weights(low, high), path.weights(low, high, stencil)
                change = np.array([quartic[place] - cubic.get(place, 0.0) for place in stencil])
                np.testing.assert_allclose(
                    intervals.products[index, row] * intervals.differences[index, window], change,
                    rtol=1e-6, atol=1e-9 * np.abs(list(quartic.values())).max(),
                )  # fmt: skip
        none = ~intervals.valid[index]
        assert not intervals.weights[index, none].any()
        assert not intervals.widths[index, none].any()


@given(paths=paths, coefficients=st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_all_weights_together_integrate_cubics_over_what_is_not_folded(
    paths: list[Path], coefficients: list[int]
) -> None:
    cubic = Polynomial(coefficients)
    integral = cubic.integ()
    intervals, _ = slots(paths)
    for index, path in enumerate(paths):
        total = intervals.total[index]
        assert total[0] == (path.folded > 0)
        values = cubic(np.array(path.places))
        found = total[1 : 1 + len(values)] @ values
        assert not total[1 + len(values) :].any()
        assert found == pytest.approx(
            integral(1.0) - integral(path.folded), abs=1e-11 * (1 + np.abs(values).max())
        )
        assert total[1:].sum() == pytest.approx(1.0 - path.folded)


def test_first_nodes_are_closed_boole_like_weights() -> None:
    """Cubics over four intervals of a quarter: in the middle by both neighbours, by symmetry."""
    intervals = Intervals.of(np.array([[np.inf, *FIRST_NODES]]), np.zeros(1))
    np.testing.assert_allclose(intervals.total[0, 1:], intervals.total[0, :0:-1], rtol=1e-14)
    np.testing.assert_allclose(intervals.total[0, 1:] * 24, [2, 8, 4, 8, 2], rtol=1e-14)


# --- errors


def reference(path: Path, goal: Goal) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Errors and gaps [intervals, K], the map's error and the allowed one [K], from the maps themselves."""
    whole = path.total(path.maps)
    norm = np.linalg.norm(whole, axis=1)
    quartics, straights, gaps = [], [], []
    mass, rise = path.folds[2].copy(), path.folds[3].copy()
    for low, high in path.intervals:
        cubic, *quartic = (
            sum(
                weight * path.at(path.maps, place) for place, weight in path.weights(low, high, nodes).items()
            )
            for nodes in ((), *path.quartics(low))
        )
        ends = [path.at(path.maps, place) for place in (low, high)]
        quartics.append(np.mean([np.linalg.norm(each - cubic, axis=1) for each in quartic], axis=0))
        straights.append(np.linalg.norm(cubic - (high - low) / 2 * (ends[0] + ends[1]), axis=1))
        start, end = path.at(path.scores, low), path.at(path.scores, high)
        gap = sum(w * path.at(path.slopes, place) for place, w in path.weights(low, high).items()) - (
            end - start
        )
        noise = goal.rounding * np.maximum(np.abs(start), np.abs(end))
        gaps.append(np.sign(gap) * np.maximum(np.abs(gap) - noise, 0.0))
        mass += (high - low) / 2 * sum(np.linalg.norm(end, axis=1) for end in ends)
        rise += (high - low) / 2 * sum(np.abs(path.at(path.slopes, place)) for place in (low, high))
    rough = np.clip(mass / norm, 1.0, MAX_ROUGHNESS)
    parts = (
        QUARTIC_FACTOR * np.array(quartics), STRAIGHT_FACTOR * np.array(straights),
        GAP_FACTOR * mass / rise * np.array(gaps),
    )  # fmt: skip
    errors = rough * np.linalg.norm(parts, axis=0)
    error = np.sqrt((errors**2).sum(0) + path.folds[0] ** 2)
    allowed = goal.tolerance * norm + goal.atol * norm / np.abs(whole).sum(1)
    return errors, np.array(gaps), error / norm, allowed


@given(paths=paths, rounding=st.sampled_from([0.0, 1e-3, 0.5]), tolerance=st.sampled_from([0.01, 1.0, 30.0]))
def test_errors_are_those_that_the_maps_themselves_have(
    paths: list[Path], rounding: float, tolerance: float
) -> None:
    goal = replace(GOAL, rounding=rounding, tolerance=tolerance)
    intervals, known = slots(paths)
    found = estimate_errors(intervals, known, goal)
    for index, path in enumerate(paths):
        errors, gaps, map_error, allowed = reference(path, goal)
        own = intervals.valid[index]
        np.testing.assert_allclose(found.errors[index, own], errors, rtol=1e-5, atol=1e-7 * errors.max())
        np.testing.assert_allclose(
            found.gaps[index, own], gaps, rtol=1e-6, atol=1e-9 * np.abs(path.scores).max()
        )
        assert not found.errors[index, ~own].any()
        np.testing.assert_allclose(found.map_error[index], map_error, rtol=1e-5)
        np.testing.assert_allclose(found.allowed[index], allowed, rtol=1e-6)
        whole = path.total(path.maps)
        complete = np.abs(gaps.sum(0) + path.folds[1]) <= tolerance * np.abs(whole).sum(1) + goal.atol
        close = map_error * np.linalg.norm(whole, axis=1) <= allowed
        np.testing.assert_array_equal(found.converged[index], complete & close)
        alone = estimate_errors(*slots([path]), goal)
        np.testing.assert_allclose(alone.map_error[0], found.map_error[index], rtol=1e-12)
        np.testing.assert_array_equal(alone.halved[0], found.halved[index])


@given(path=random_path())
def test_norms_and_slopes_are_integrated_by_the_trapezoid(path: Path) -> None:
    intervals, known = slots([path])
    mass, rise = masses(intervals, known)
    for row, (low, high) in zip(np.flatnonzero(intervals.valid[0]), path.intervals, strict=True):
        ends = [path.at(path.maps, place) for place in (low, high)]
        expected = (high - low) / 2 * sum(np.linalg.norm(end, axis=1) for end in ends)
        np.testing.assert_allclose(mass[0, row], expected, rtol=1e-6)
        expected = (high - low) / 2 * sum(np.abs(end.sum(1)) for end in ends)
        np.testing.assert_allclose(rise[0, row], expected, rtol=1e-9)
    assert not mass[0, ~intervals.valid[0]].any()
    assert not rise[0, ~intervals.valid[0]].any()


def test_a_map_that_cancels_is_not_judged_by_inner_products_in_float32() -> None:
    """What they lose is as large as what is allowed; a node more and float64 tell."""
    at = np.array(FIRST_NODES)
    maps = np.tile((4 * at**3 - 1)[:, None, None], (1, TARGETS, PIXELS))  # of no integral
    maps[:, 1] += 10.0  # of one
    scores = np.tile(PIXELS * (at**4 - at)[:, None], (1, TARGETS))
    scores[:, 1] += PIXELS * 10 * at
    path = Path(at.tolist(), 0.0, maps, maps.sum(2), scores, np.zeros((4, TARGETS)))
    goal = replace(GOAL, tolerance=0.5, atol=1e-3 * PIXELS, rounding=1e-9)
    exact, rounded = (estimate_errors(*slots([path], exact), goal) for exact in (True, False))
    assert exact.inexact.tolist() == [False]
    assert rounded.inexact.tolist() == [True]
    assert rounded.converged.tolist() == [[False, True]]
    assert len(rounded.halved[0]) >= 1
    np.testing.assert_allclose(rounded.map_error, exact.map_error, rtol=1e-12)
    near = replace(
        path, maps=path.maps[:, [1, 1]], slopes=path.slopes[:, [1, 1]], scores=path.scores[:, [1, 1]]
    )
    assert estimate_errors(*slots([near], exact=False), goal).inexact.tolist() == [False]


# --- where the next nodes are put


def halved_rows(path: Path, estimate: ErrorEstimate) -> list[int]:
    """Which intervals of a path that is alone are halved."""
    centers = [low + (high - low) / 2 for low, high in path.intervals]
    places = estimate.halved[0].tolist()
    assert places == sorted(places)
    return [centers.index(place) for place in places]


@given(path=random_path(), tolerance=st.sampled_from([0.01, 0.3, 3.0, 30.0]))
def test_the_largest_errors_are_halved_and_no_more_than_it_takes(path: Path, tolerance: float) -> None:
    intervals, known = slots([path])
    estimate = estimate_errors(intervals, known, replace(GOAL, tolerance=tolerance))
    chosen = halved_rows(path, estimate)
    if estimate.converged.all():
        assert chosen == []
        return
    open_ = ~estimate.converged[0]
    relative = (estimate.errors[0, intervals.valid[0]] / estimate.allowed[0])[:, open_].max(1)
    rest = np.delete(relative, chosen)
    lost = (path.folds[0] > estimate.allowed[0])[open_].all()  # in what is folded, which no node mends
    assert (0 if lost else 1) <= len(chosen) <= MAX_HALVED
    assert rest.max(initial=0.0) <= relative[chosen].min(initial=np.inf)
    if len(chosen) < MAX_HALVED:
        assert math.hypot(*rest) <= 1.0 + 1e-9
    if len(chosen) > 1:
        assert math.hypot(*rest, relative[chosen].min()) > 1.0 - 1e-9


def test_no_more_nodes_are_asked_for_than_are_left() -> None:
    path = wild(40)
    intervals, known = slots([path])
    for left in (0, 1, 5, 100):
        estimate = estimate_errors(intervals, known, replace(GOAL, max_steps=len(path.places) + left))
        assert len(estimate.halved[0]) == min(left, MAX_HALVED)


def wild(count: int, folded: float = 0.0) -> Path:
    """A path of random maps at places evenly spaced."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(count, TARGETS, PIXELS))
    places = np.linspace(0, 1, count).tolist()
    return Path(places, folded, maps, maps.sum(2), rng.normal(size=(count, TARGETS)), np.zeros((4, TARGETS)))


def smooth(places: Sequence[float], jump: float | None = None) -> Path:
    """A path whose maps are a parabola's, and whose output jumps by 1 somewhere, which no slope tells."""
    at = np.array(places)
    maps = np.tile((1 + at**2)[:, None, None], (1, TARGETS, PIXELS))
    scores = np.tile(
        (PIXELS * (at + at**3 / 3) + (at > (2.0 if jump is None else jump)))[:, None], (1, TARGETS)
    )
    return Path(list(places), 0.0, maps, maps.sum(2), scores, np.zeros((4, TARGETS)))


def test_what_is_too_narrow_is_not_halved_and_where_nothing_else_is_wrong_nothing_is() -> None:
    narrow = [0.5, 0.5 + MIN_WIDTH / 2]
    fine = np.linspace(0, 1, 65).tolist()
    estimate = estimate_errors(*slots([smooth(fine + narrow[1:], jump=0.5 + MIN_WIDTH / 4)]), GOAL)
    assert not estimate.converged.any()
    assert estimate.halved[0].size == 0
    wide = estimate_errors(*slots([smooth(fine, jump=0.51)]), GOAL)
    assert 0.5 + 1 / 128 in wide.halved[0]


def test_a_gap_of_the_sum_is_worth_a_node_at_a_time_while_the_errors_are_small() -> None:
    path = smooth(np.linspace(0, 1, 65).tolist())
    path.folds[1] = 1.0
    estimate = estimate_errors(*slots([path]), GOAL)
    assert not estimate.converged.any()
    assert len(estimate.halved[0]) == 1
    assert estimate_errors(*slots([path]), replace(GOAL, complete=False)).converged.all()


def test_a_target_that_is_no_number_asks_for_no_nodes_and_takes_none_from_others() -> None:
    path = wild(9)
    spoiled = replace(path, maps=path.maps.copy(), slopes=path.slopes.copy(), scores=path.scores.copy())
    for each in (spoiled.maps, spoiled.slopes, spoiled.scores):
        each[:, 1] = np.nan
    found = estimate_errors(*slots([spoiled]), GOAL)
    assert math.isnan(found.map_error[0, 1])
    assert not found.converged.any()
    first = replace(
        path, maps=path.maps[:, [0, 0]], slopes=path.slopes[:, [0, 0]], scores=path.scores[:, [0, 0]]
    )
    expected = estimate_errors(*slots([first]), GOAL)
    np.testing.assert_array_equal(found.halved[0], expected.halved[0])
    assert found.map_error[0, 0] == pytest.approx(expected.map_error[0, 0], rel=1e-12)
    for each in (spoiled.maps, spoiled.slopes, spoiled.scores):
        each[:] = np.nan
    assert estimate_errors(*slots([spoiled]), GOAL).halved[0].size == 0


def test_nothing_has_no_error_and_something_of_no_norm_an_infinite_one() -> None:
    path = wild(5)
    nothing = replace(path, maps=0 * path.maps, slopes=0 * path.slopes, scores=0 * path.scores)
    found = estimate_errors(*slots([nothing]), replace(GOAL, atol=0.0))
    assert found.map_error.tolist() == [[0.0, 0.0]]
    assert found.converged.all()
    rises = replace(nothing, scores=np.array(nothing.places)[:, None] * np.array([1.0, 0.0]))
    found = estimate_errors(*slots([rises]), replace(GOAL, atol=0.0))
    assert found.map_error.tolist() == [[math.inf, 0.0]]
    assert found.converged.tolist() == [[False, True]]
    assert len(found.halved[0]) == 4


# --- folding


@given(path=random_path(), tolerance=st.sampled_from([0.3, 3.0, 30.0]))
def test_what_may_be_folded_is_within_its_share(path: Path, tolerance: float) -> None:
    intervals, known = slots([path])
    estimate = estimate_errors(intervals, known, replace(GOAL, tolerance=tolerance))
    count = count_foldable(intervals, estimate, 0)
    rows = np.flatnonzero(intervals.valid[0])
    relative = (estimate.errors[0, rows] / estimate.allowed[0]).max(1)
    shares = FOLDED_SHARE * np.sqrt(intervals.widths[0, rows])
    fits = (relative <= shares) | (intervals.widths[0, rows] < MIN_WIDTH)
    assert fits[:count].all()
    assert count == len(rows) or not fits[count]
    wide = intervals.widths[0, rows[:count]] >= MIN_WIDTH
    assert math.hypot(*relative[:count][wide]) <= FOLDED_SHARE * math.sqrt(1 - path.folded) + 1e-12


def test_middles_are_between_the_ends_of_their_intervals() -> None:
    tight = np.nextafter(0.25, 1.0)
    path = smooth([0.0, 0.25, tight, 0.5, 1.0])
    intervals, _ = slots([path])
    np.testing.assert_array_equal(intervals.middles[0], [0.125, np.nan, 0.375, 0.75])  # none at 0.25
