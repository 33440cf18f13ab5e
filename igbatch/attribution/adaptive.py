"""The adaptive rule: where the nodes of paths are put, and how far their maps are off, from inner products.

Between two neighbouring nodes the integrand is the cubic through the four nearest ones. An interval's error
has two parts, both of them free: how far the cubic's integral is from the straight line's, as a norm over
pixels, and how far the cubic's sum is from the output's exact rise over the interval, which every node's
forward pass tells. The second one sees a peak between two nodes that the first cannot. The intervals with the
largest errors are halved, and every node ever evaluated counts in the result.

The rule never sees a map. With the Gram matrix ``G[m, n] = <map m, map n>`` of a path and target, the norm of
any combination c of its nodes' maps is ``sqrt(c' G c)``. All paths of a wave are judged at once, in numpy.

Measured against other rules at equal error in docs/performance.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST_NODES", "Goal", "Intervals", "Judgement", "judge"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FIRST_NODES = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_HALVED = 16
"""The most intervals of a path that are halved before its error is looked at again."""
ENOUGH = 0.9
"""Of the error that is allowed, what intervals that are not halved may leave: halving more would be waste."""
MAX_ROUGHNESS = 4.0
"""The most that a path's roughness counts: on Swins it was 1 to 2, where a map cancels it has no end."""
MIN_WIDTH = 2.0**-20
"""Narrower intervals are not halved: float32 images hardly differ between their ends."""
EXACT_BELOW = 1e-3
"""Allowed errors below this part of the integral of norms need inner products in float64: changes are small
differences of large maps, and float32 leaves 1e-4."""
LEAST_ALLOWED = 1e-150
"""What stands for an allowed error of 0: a quotient by it can still be squared."""
FOLDED_SHARE = 0.5
"""Of the error that is allowed, the part that folded intervals may use up."""


@dataclass(frozen=True)
class Goal:
    """When a map is good enough.

    Attributes:
        tolerance: relative L2 error of a map that is allowed, and relative completeness gap.
        atol: in units of the output, added to both: ratios explode for maps that are nearly nothing.
        max_steps: nodes after which a path is given up.
        rounding: relative error of an output that its arithmetic brings: gaps below it say nothing.
        complete: whether the map has to sum to the output's rise, as it has if it was multiplied by the path.
    """

    tolerance: float
    atol: float
    max_steps: int
    rounding: float = 0.0
    complete: bool = True


@dataclass(frozen=True)
class Intervals:
    """The intervals of A paths and the cubics over them, from the places of their nodes alone.

    A path has M slots. Slot 0 holds what was folded, the integral over intervals left of `folded` as one map.
    The others hold nodes, in the order in which they came.

    Attributes:
        valid: bool [A, I], whether there is such an interval that is not folded.
        ends: int [A, I, 2], the slots of its ends.
        lows, widths: float64 [A, I].
        stencil: int [A, I, 4], the slots of the cubic's nodes.
        weights: float64 [A, I, 4], the integral of each node's basis polynomial over the interval.
        differences: float64 [A, I, 4], these less the trapezoid's.
        total: float64 [A, M], the weights of all slots in the map.
    """

    valid: BoolArray
    ends: NDArray[np.int64]
    lows: FloatArray
    widths: FloatArray
    stencil: NDArray[np.int64]
    weights: FloatArray
    differences: FloatArray
    total: FloatArray

    @classmethod
    def of(cls, nodes: FloatArray, folded: FloatArray) -> Intervals:
        """Return the intervals between nodes.

        Args:
            nodes: float64 [A, M], the places in slots 1 and on, infinite where a slot is empty; slot 0 counts
                as empty.
            folded: float64 [A], the place up to which each path is folded.
        """
        paths = np.arange(len(nodes))[:, None]
        places = nodes.copy()
        places[:, 0] = np.inf
        order = np.argsort(places, axis=1, kind="stable")[:, :-1]
        ordered = places[paths, order]
        count = np.isfinite(ordered).sum(1)[:, None]
        index = np.arange(ordered.shape[1] - 1)[None]
        first = np.clip(index - 1, 0, np.maximum(count - 4, 0))
        size = min(4, ordered.shape[1])
        held = first[:, :, None] + np.arange(size)
        lows, highs = ordered[:, :-1], ordered[:, 1:]
        valid = (index < count - 1) & (lows >= folded[:, None])
        lows, highs = np.where(valid, lows, 0.0), np.where(valid, highs, 0.0)
        # where there is no interval, some nodes that differ: its weights come out as 0
        stencil_places = np.where(
            valid[:, :, None], ordered[paths[:, :, None], held], np.arange(size, dtype=float)
        )
        weights = _interpolatory_weights(stencil_places, lows, highs)
        widths = highs - lows
        ends_at = (index - first)[:, :, None] - np.arange(size)
        trapezoid = ((ends_at == 0) | (ends_at == -1)) * widths[:, :, None] / 2
        stencil = order[paths[:, :, None], held]
        flat = (paths[:, :, None] * nodes.shape[1] + stencil).ravel()
        summed = np.bincount(flat, weights=weights.ravel(), minlength=nodes.size)
        total = summed.reshape(nodes.shape).astype(np.float64)
        total[:, 0] = folded > 0
        ends = np.stack([order[:, :-1], order[:, 1:]], 2)
        return cls(valid, ends, lows, widths, stencil, weights, weights - trapezoid, total)


@dataclass(frozen=True)
class Judgement:
    """What is known of the maps of A paths and K targets, and where their next nodes are to be put.

    Attributes:
        map_error: float64 [A, K], a bound of the relative L2 error.
        converged: bool [A, K], whether the goal is met, and is known to be.
        inexact: bool [A], whether inner products have to be in float64 to tell.
        halved: for each path the places of the next nodes; none where it is done.
        errors: float64 [A, I, K], a bound of each interval's error, in units of the output.
        gaps: float64 [A, I, K], the cubic's sum over each interval less the output's rise, likewise.
        allowed: float64 [A, K], the error that is allowed, likewise.
    """

    map_error: FloatArray
    converged: BoolArray
    inexact: BoolArray
    halved: list[FloatArray]
    errors: FloatArray
    gaps: FloatArray
    allowed: FloatArray


@dataclass(frozen=True)
class Known:
    """What is known of the nodes in the slots of A paths, all in units of the output.

    Attributes:
        scores, slopes: float64 [A, M, K].
        gram: float64 [A, K, M, M], inner products of the nodes' maps.
        norm, abs_sum: float64 [A, K], of the map that the weights `Intervals.total` make.
        exact: bool [A], whether inner products are in float64.
        steps: int [A], nodes so far.
        folds: float64 [4, A, K], of intervals that are folded: error (as a norm), gap, and their part of the
            integrals of norm and |slope|.
    """

    scores: FloatArray
    slopes: FloatArray
    gram: FloatArray
    norm: FloatArray
    abs_sum: FloatArray
    exact: BoolArray
    steps: NDArray[np.int64]
    folds: FloatArray


def judge(intervals: Intervals, known: Known, goal: Goal) -> Judgement:
    """Judge the maps of paths, and choose the intervals that are halved next.

    A gap is a sum over pixels; the quotient of the integrals of norm and |slope| turns it into the norm that
    a map of such a sum has on this path. The rougher the path, the more its maps cancel: their norms then add
    up to more than the map's own.
    """
    change, gap, norm = _change(intervals, known.gram), _gap(intervals, known, goal), known.norm
    mass, rise = masses(intervals, known)
    mass, rise = mass.sum(1) + known.folds[2], rise.sum(1) + known.folds[3]
    measured = (mass > 0) & (rise > 0)  # else no node has seen any slope yet: the gap counts as it is
    spread = np.divide(mass, rise, out=np.ones_like(mass), where=measured)
    rough = np.divide(mass, norm, out=np.ones_like(mass), where=norm > 0).clip(1.0, MAX_ROUGHNESS)
    errors = rough[:, None] * np.hypot(change, spread[:, None] * np.abs(gap))
    error = np.sqrt((errors**2).sum(1) + known.folds[0] ** 2)
    whole = np.abs(gap.sum(1) + known.folds[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        map_error = np.where(error == 0, 0.0, error / norm)
    per_sum = np.divide(norm, known.abs_sum, out=np.ones_like(norm), where=known.abs_sum > 0)
    allowed = goal.tolerance * norm + goal.atol * per_sum
    converged = error <= allowed
    if goal.complete:
        converged &= whole <= goal.tolerance * known.abs_sum + goal.atol
    lost_in_rounding = ~known.exact[:, None] & (allowed < EXACT_BELOW * mass)
    converged &= ~lost_in_rounding
    open_ = ~converged & np.isfinite(errors).all(1)  # nodes mend no NaN
    floor = np.where(allowed > LEAST_ALLOWED, allowed, LEAST_ALLOWED)
    relative = np.where(open_[:, None], errors / floor[:, None], 0.0).max(2)
    narrow = intervals.widths < MIN_WIDTH
    lost = np.sqrt(((errors * narrow[:, :, None]) ** 2).sum(1) + known.folds[0] ** 2) > floor
    halved = _halved(relative, intervals, goal.max_steps - known.steps, (open_ & ~lost).any(1))
    inexact = (open_ & lost_in_rounding).any(1)
    return Judgement(map_error, converged, inexact, halved, errors, gap, floor)


def masses(intervals: Intervals, known: Known) -> tuple[FloatArray, FloatArray]:
    """Return the integrals of the maps' norm and of |slope| over each interval, float64 [A, I, K] both."""
    paths = np.arange(len(intervals.ends))[:, None, None]
    norms = np.sqrt(np.einsum("akmm->amk", known.gram).clip(min=0))
    sums = (
        each[paths, intervals.ends].sum(2) * intervals.widths[:, :, None] / 2
        for each in (norms, np.abs(known.slopes))
    )
    mass, rise = (np.where(intervals.valid[:, :, None], each, 0.0) for each in sums)
    return mass, rise


def fitting(intervals: Intervals, judgement: Judgement, path: int) -> int:
    """Return how many intervals of a path, from the left, are good enough to be folded.

    Each may use up its share of the allowed error, the wider the more.
    """
    rows = np.flatnonzero(intervals.valid[path])
    errors = np.where(np.isfinite(judgement.errors[path, rows]), judgement.errors[path, rows], 0.0)
    fits = (errors / judgement.allowed[path]).max(1) <= FOLDED_SHARE * np.sqrt(intervals.widths[path, rows])
    fits |= intervals.widths[path, rows] < MIN_WIDTH
    return int(np.argmin(fits)) if not fits.all() else len(rows)


def middles(intervals: Intervals, path: int, chosen: NDArray[np.int64]) -> FloatArray:
    """Return the places in the middle of intervals of a path, but where floating point knows none."""
    lows, widths = intervals.lows[path, chosen], intervals.widths[path, chosen]
    places = lows + widths / 2
    return np.sort(places[(places > lows) & (places < lows + widths)])


def _halved(
    relative: FloatArray, intervals: Intervals, left: NDArray[np.int64], hope: BoolArray
) -> list[FloatArray]:
    """Return the middles of the intervals with the largest errors, no more than it takes to meet the goal.

    Where all that can be halved is good enough it is one, or none where there is no hope: what is too narrow
    to be halved leaves more than is allowed.

    Args:
        relative: float64 [A, I], the errors in units of what is allowed; 0 where a path is done.
        intervals: of the paths.
        left: int [A], nodes that each path may ask for.
        hope: bool [A].
    """
    places = intervals.lows + intervals.widths / 2
    between = (places > intervals.lows) & (places < intervals.lows + intervals.widths)
    relative = np.where(between & (intervals.widths >= MIN_WIDTH), relative, 0.0)
    order = np.argsort(-relative, axis=1, kind="stable")
    ordered = np.take_along_axis(relative, order, axis=1)
    rest = np.sqrt(np.cumsum((ordered**2)[:, ::-1], axis=1)[:, ::-1])
    counts = np.maximum(hope, (rest > ENOUGH).sum(1)).clip(max=MAX_HALVED)
    counts = np.minimum(counts, (ordered > 0).sum(1)).tolist()
    places = np.take_along_axis(places, order, axis=1)
    return [
        np.sort(own[:count])[: max(0, most)]
        for own, count, most in zip(places, counts, left.tolist(), strict=True)
    ]


def _change(intervals: Intervals, gram: FloatArray) -> FloatArray:
    """Return how far the cubics' integrals are from the straight lines', as norms, float64 [A, I, K]."""
    paths = np.arange(len(gram))[:, None, None, None]
    held = gram[paths, :, intervals.stencil[:, :, :, None], intervals.stencil[:, :, None, :]]
    squares = np.einsum("aip,aipqk,aiq->aik", intervals.differences, held, intervals.differences)
    return np.asarray(np.sqrt(squares.clip(min=0)))


def _gap(intervals: Intervals, known: Known, goal: Goal) -> FloatArray:
    """Return the cubics' sums less the output's rises, less what rounding may do: float64 [A, I, K]."""
    paths = np.arange(len(intervals.ends))[:, None, None]
    sums = np.einsum("aip,aipk->aik", intervals.weights, known.slopes[paths, intervals.stencil])
    ends = known.scores[paths, intervals.ends]
    gap = sums - (ends[:, :, 1] - ends[:, :, 0])
    gap = np.sign(gap) * (np.abs(gap) - goal.rounding * np.abs(ends).max(2)).clip(min=0)
    return np.asarray(np.where(intervals.valid[:, :, None], gap, 0.0))


def _interpolatory_weights(places: FloatArray, lows: FloatArray, highs: FloatArray) -> FloatArray:
    """Return the weights of nodes in the integral of their interpolating polynomial over an interval.

    Two Gauss points integrate a cubic exactly.

    Args:
        places: float64 [A, I, n], of the nodes.
        lows, highs: float64 [A, I], of the intervals.
    """
    middle, half = (lows + highs) / 2, (highs - lows) / 2
    points = middle[:, :, None] + half[:, :, None] * np.array([-1.0, 1.0]) / np.sqrt(3.0)
    count = places.shape[2]
    others = np.array([[other for other in range(count) if other != own] for own in range(count)])
    numerators = (points[:, :, :, None] - places[:, :, None])[..., others].prod(4)
    denominators = (places[:, :, :, None] - places[..., others]).prod(3)
    return np.asarray(half[:, :, None] * (numerators / denominators[:, :, None]).sum(2))
