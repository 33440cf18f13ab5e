"""The adaptive rule: it estimates the error of each map, and chooses the intervals to halve.

Between two neighbouring nodes the integrand is the cubic through the four nearest ones. An interval's error
has three parts, none of which needs another pass of the model. Two are norms over pixels: the difference of
the integral from that of the quartic through one node more, and from that of the straight line. The third is
the interval's completeness gap, the cubic's sum less the exact change of the output, which the forward passes
give; it sees a peak between two nodes that the others cannot. The intervals with the largest errors are
halved, and every node ever evaluated counts in the result.

The rule never sees a map. With the Gram matrix ``G[m, n] = <map m, map n>`` of a path and target, the norm of
any combination c of its nodes' maps is ``sqrt(c' G c)``. All paths of a wave are estimated at once, in numpy.

How often a map is further off than is stated, and how other rules compare: docs/dev/measurements.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contrasts import Differences, tolerances_left

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FIRST_NODES = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_HALVED = 16
"""The most intervals of a path that are halved before its error is computed again."""
QUARTIC_FACTOR, STRAIGHT_FACTOR, GAP_FACTOR = 1.2, 0.75, 0.3
"""What an interval is reckoned to be off: so many times the distance between cubic and quartic, that between
cubic and straight line, and the norm of a map with the gap's sum. Fitted to trained, partly random and random
models so that 99 of 100 maps are no further off than is stated (docs/dev/measurements.md)."""
MAX_ROUGHNESS = 4.0
"""The most that a path's roughness counts: on Swins it was 1 to 2, where a map cancels it has no end."""
MIN_WIDTH = 2.0**-20
"""Narrower intervals are not halved: float32 images hardly differ between their ends."""
EXACT_BELOW = 1e-3
"""Allowed errors below this part of the integral of norms need inner products in float64: changes are small
differences of large maps, and float32 leaves 1e-4."""
MIN_ALLOWED = 1e-150
"""What stands for an allowed error of 0: a quotient by it can still be squared."""
FOLDED_SHARE = 0.5
"""Of the error that is allowed, the part that folded intervals may use up."""


@dataclass(frozen=True)
class Goal:
    """When a map is good enough.

    Attributes:
        tolerance: relative L2 error of a map that is allowed, arithmetic included, and relative gap.
        atol: in units of the output, added to both: ratios explode for maps that are nearly nothing.
        max_steps: nodes after which a path is given up.
        rounding: relative error of an output that its arithmetic brings: gaps below it say nothing.
        complete: whether the map has to sum to the output's rise, as it has if it was multiplied by the path.
        arithmetic: the part of a class's relative L2 error that is due to it; `differences` have more.
    """

    tolerance: float
    atol: float
    max_steps: int
    rounding: float = 0.0
    complete: bool = True
    arithmetic: float = 0.0
    differences: Differences = ()

    def left(self, norms: FloatArray) -> FloatArray:
        """Return the tolerance that is left to integrals, by the norms of maps [..., K]."""
        return tolerances_left(self.tolerance, norms, self.differences, self.arithmetic)


@dataclass(frozen=True)
class Intervals:
    """The intervals of A paths and the cubics over them, from the places of their nodes alone.

    A path has M slots. Slot 0 holds what was folded, the integral over intervals left of `folded` as one map.
    The others hold nodes, in the order in which they came.

    Attributes:
        valid: bool [A, I], whether there is such an interval that is not folded.
        ends: int [A, I, 2], the slots of its ends.
        lows, widths: float64 [A, I].
        middles: float64 [A, I], NaN where no number lies between an interval's ends.
        stencil: int [A, I, 4], the slots of the cubic's nodes.
        weights: float64 [A, I, 4], the integral of each node's basis polynomial over the interval.
        bends: float64 [A, I, 4], these less the trapezoid's.
        windows: int [A, W, 5], the slots of five nodes that follow each other.
        differences: float64 [A, W, 5], the weights of these nodes in their fourth divided difference.
        quartics: int [A, I, 2], the windows of an interval's stencil and one node more, left and right.
        products: float64 [A, I], the integral over the interval of the product of distances to the stencil's
            nodes: times a window's difference it is how far the quartic's integral is from the cubic's.
        total: float64 [A, M], the weights of all slots in the map.
    """

    valid: BoolArray
    ends: NDArray[np.int64]
    lows: FloatArray
    widths: FloatArray
    middles: FloatArray
    stencil: NDArray[np.int64]
    weights: FloatArray
    bends: FloatArray
    windows: NDArray[np.int64]
    differences: FloatArray
    quartics: NDArray[np.int64]
    products: FloatArray
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
        lows, highs = ordered[:, :-1], ordered[:, 1:]
        valid = (index < count - 1) & (lows >= folded[:, None])
        lows, highs = np.where(valid, lows, 0.0), np.where(valid, highs, 0.0)
        first = np.clip(index - 1, 0, count - 4)
        held = first[:, :, None] + np.arange(4)
        # where there is no interval, some nodes that differ: its weights come out as 0
        stencil_places = np.where(valid[:, :, None], ordered[paths[:, :, None], held], np.arange(4.0))
        weights, products = _cubic_integrals(stencil_places, lows, highs)
        widths = highs - lows
        middles = lows + widths / 2
        middles = np.where((middles > lows) & (middles < highs), middles, np.nan)
        at_end = held[..., None] == np.stack([index, index + 1], 2)[:, :, None]
        bends = weights - at_end.any(3) * widths[:, :, None] / 2
        five = np.arange(ordered.shape[1] - 4)[:, None] + np.arange(5)
        full = np.isfinite(ordered[:, five[:, -1]])[:, :, None]
        differences = np.where(full, _divided(np.where(full, ordered[:, five], np.arange(5.0))), 0.0)
        quartics = np.clip(np.stack([first - 1, first], 2), 0, count[:, :, None] - 5)
        stencil = order[paths[:, :, None], held]
        flat = (paths[:, :, None] * nodes.shape[1] + stencil).ravel()
        summed = np.bincount(flat, weights=weights.ravel(), minlength=nodes.size)
        total = summed.reshape(nodes.shape).astype(np.float64)
        total[:, 0] = folded > 0
        ends = np.stack([order[:, :-1], order[:, 1:]], 2)
        return cls(
            valid, ends, lows, widths, middles, stencil, weights, bends,
            order[:, five], differences, quartics, products, total,
        )  # fmt: skip


@dataclass(frozen=True)
class ErrorEstimate:
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


def estimate_errors(intervals: Intervals, known: Known, goal: Goal) -> ErrorEstimate:
    """Judge the maps of paths, and choose the intervals that are halved next.

    Each path has five nodes or more besides what is folded. A gap is a sum over pixels; the quotient of the
    integrals of norm and |slope| turns it into the norm that a map of such a sum has on this path. The
    rougher the path, the more its maps cancel: their norms then add up to more than the map's own.
    """
    paths = np.arange(len(known.gram))[:, None, None]
    divided = _norms(intervals.differences, intervals.windows, known.gram)[paths, intervals.quartics]
    quartic = np.abs(intervals.products)[:, :, None] * divided.mean(2)
    straight = _norms(intervals.bends, intervals.stencil, known.gram)
    gap, norm = _gap(intervals, known, goal), known.norm
    mass, rise = masses(intervals, known)
    mass, rise = mass.sum(1) + known.folds[2], rise.sum(1) + known.folds[3]
    measured = (mass > 0) & (rise > 0)  # else no node has seen any slope yet: the gap counts as it is
    spread = np.divide(mass, rise, out=np.ones_like(mass), where=measured)
    rough = np.divide(mass, norm, out=np.ones_like(mass), where=norm > 0).clip(1.0, MAX_ROUGHNESS)
    parts = QUARTIC_FACTOR * quartic, STRAIGHT_FACTOR * straight, GAP_FACTOR * spread[:, None] * gap
    errors = rough[:, None] * np.sqrt(sum(part**2 for part in parts))
    error = np.sqrt((errors**2).sum(1) + known.folds[0] ** 2)
    whole = np.abs(gap.sum(1) + known.folds[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        map_error = np.where(error == 0, 0.0, error / norm)
    per_sum = np.divide(norm, known.abs_sum, out=np.ones_like(norm), where=known.abs_sum > 0)
    allowed = goal.left(norm) * norm + goal.atol * per_sum
    converged = error <= allowed
    if goal.complete:
        converged &= whole <= goal.left(norm) * known.abs_sum + goal.atol
    lost_in_rounding = ~known.exact[:, None] & (allowed < EXACT_BELOW * mass)
    converged &= ~lost_in_rounding
    open_ = ~converged & np.isfinite(errors).all(1)  # nodes mend no NaN
    floor = np.where(allowed > MIN_ALLOWED, allowed, MIN_ALLOWED)
    relative = np.where(open_[:, None], errors / floor[:, None], 0.0).max(2)
    narrow = intervals.widths < MIN_WIDTH
    lost = np.sqrt(((errors * narrow[:, :, None]) ** 2).sum(1) + known.folds[0] ** 2) > floor
    halved = _halved(relative, intervals, goal.max_steps - known.steps, (open_ & ~lost).any(1))
    inexact = (open_ & lost_in_rounding).any(1)
    return ErrorEstimate(map_error, converged, inexact, halved, errors, gap, floor)


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


def count_foldable(intervals: Intervals, estimate: ErrorEstimate, path: int) -> int:
    """Return how many intervals of a path, from the left, are good enough to be folded.

    Each may use up its share of the allowed error, the wider the more.
    """
    rows = np.flatnonzero(intervals.valid[path])
    errors = np.where(np.isfinite(estimate.errors[path, rows]), estimate.errors[path, rows], 0.0)
    fits = (errors / estimate.allowed[path]).max(1) <= FOLDED_SHARE * np.sqrt(intervals.widths[path, rows])
    fits |= intervals.widths[path, rows] < MIN_WIDTH
    return int(np.argmin(fits)) if not fits.all() else len(rows)


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
    can_be = np.isfinite(intervals.middles) & (intervals.widths >= MIN_WIDTH)
    relative = np.where(can_be, relative, 0.0)
    order = np.argsort(-relative, axis=1, kind="stable")
    ordered = np.take_along_axis(relative, order, axis=1)
    rest = np.sqrt(np.cumsum((ordered**2)[:, ::-1], axis=1)[:, ::-1])
    counts = np.maximum(hope, (rest > 1.0).sum(1)).clip(max=MAX_HALVED)
    counts = np.minimum(counts, (ordered > 0).sum(1)).tolist()
    places = np.take_along_axis(intervals.middles, order, axis=1)
    return [
        np.sort(own[:count])[: max(0, allowed)]
        for own, count, allowed in zip(places, counts, left.tolist(), strict=True)
    ]


def _norms(weights: FloatArray, slots: NDArray[np.int64], gram: FloatArray) -> FloatArray:
    """Return the norms of sums of maps with weights [A, I, n] for slots [A, I, n], as [A, I, K]."""
    paths = np.arange(len(gram))[:, None, None, None]
    held = gram[paths, :, slots[:, :, :, None], slots[:, :, None, :]]
    squares = np.einsum("aip,aipqk,aiq->aik", weights, held, weights)
    return np.asarray(np.sqrt(squares.clip(min=0)))


def _gap(intervals: Intervals, known: Known, goal: Goal) -> FloatArray:
    """Return the cubics' sums less the output's rises, less what rounding may do: float64 [A, I, K]."""
    paths = np.arange(len(intervals.ends))[:, None, None]
    sums = np.einsum("aip,aipk->aik", intervals.weights, known.slopes[paths, intervals.stencil])
    ends = known.scores[paths, intervals.ends]
    gap = sums - (ends[:, :, 1] - ends[:, :, 0])
    gap = np.sign(gap) * (np.abs(gap) - goal.rounding * np.abs(ends).max(2)).clip(min=0)
    return np.asarray(np.where(intervals.valid[:, :, None], gap, 0.0))


def _cubic_integrals(
    places: FloatArray, lows: FloatArray, highs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of nodes in the integral of their cubic, and the integral of their node polynomial.

    Args:
        places: float64 [A, I, 4], of the nodes.
        lows, highs: float64 [A, I], of the intervals.
    """
    at, share = np.polynomial.legendre.leggauss(3)  # exact up to the fifth degree
    half = (highs - lows)[:, :, None] / 2
    distances = ((lows + highs)[:, :, None] / 2 + half * at)[..., None] - places[:, :, None]  # [A, I, 3, 4]
    basis = distances[..., _OTHERS[4]].prod(4) * _divided(places)[:, :, None]
    weights = half * (share[:, None] * basis).sum(2)
    return np.asarray(weights), np.asarray(half[..., 0] * (share * distances.prod(3)).sum(2))


def _divided(places: FloatArray) -> FloatArray:
    """Return the weights of nodes in their divided difference of the highest order, for places [..., n]."""
    return np.asarray(1.0 / (places[..., None] - places[..., _OTHERS[places.shape[-1]]]).prod(-1))


_OTHERS = {n: np.array([[other for other in range(n) if other != own] for own in range(n)]) for n in (4, 5)}
