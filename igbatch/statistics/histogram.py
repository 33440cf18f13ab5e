"""The mergeable summary of attributions: counts over fixed edges, from which quantiles of any maps follow.

Bins are spaced evenly in the logarithm, `BINS_PER_DECADE` a decade from 1e-13 to 1e2 on each side of zero,
with one bin for |a| < 1e-13 between them. They are ordered from the most negative to the most positive; a bin
includes its edge nearer to zero. What lies beyond 1e2 falls into the outermost bins. Two histograms merge by
addition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError

BINS_PER_DECADE = 16
LOWEST_DECADE, HIGHEST_DECADE = -13, 2

EDGES: NDArray[np.float64] = 10.0 ** (
    np.arange(LOWEST_DECADE * BINS_PER_DECADE, HIGHEST_DECADE * BINS_PER_DECADE + 1) / BINS_PER_DECADE
)
"""Magnitudes between the bins of one side, float64 [241], ascending."""

N_SIDE = len(EDGES) - 1
N_BINS = 2 * N_SIDE + 1
"""Length of a histogram: 481."""

_INNER = EDGES[:-1]  # the outermost bins have no outer edge


_rounded = _INNER.astype(np.float32)
FLOAT32_EDGES = np.where(_rounded < _INNER, np.nextafter(_rounded, np.float32(np.inf)), _rounded)
"""The smallest float32 not below each of `EDGES` but the last, float32 [240], ascending.

A float32 value lies on the same side of both, so that maps need not become float64 to be counted.
"""

RELATIVE_ERROR = 10 ** (1 / BINS_PER_DECADE) - 1
"""Bound of the relative error of a quantile whose magnitude lies between 1e-13 and 1e2: 15.5 %."""


def histogram(values: NDArray[Any], *, ascending: bool = False) -> NDArray[np.int32]:
    """Count finite values over the fixed bins: int32 [N_BINS], summing to the number of values.

    Args:
        values: of any shape.
        ascending: whether they are flat and sorted already.

    Raises:
        InputError: a value is NaN or infinite.
    """
    ordered = values if ascending else np.sort(values, axis=None)
    if len(ordered) and not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        raise InputError("histogram: a value is NaN or infinite; leave such maps out")
    edges = FLOAT32_EDGES if ordered.dtype == np.float32 else _INNER
    up_to_negative = np.searchsorted(ordered, -edges[::-1], side="right")
    below_positive = np.searchsorted(ordered, edges, side="left")
    return counts_between(np.concatenate([up_to_negative, below_positive]), len(ordered))


def counts_between(places: NDArray[Any], values: int) -> NDArray[np.int32]:
    """Return the histogram int32 [N_BINS] of so many ascending values that the edges part at `places`.

    Args:
        places: [2 N_SIDE]: how many values are at most each negative edge, from the outermost to the
            innermost, and how many are below each positive one, from the innermost to the outermost.
        values: how many there are.
    """
    return np.diff(places, prepend=0, append=values).astype(np.int32)


def fold(counts: NDArray[Any]) -> NDArray[Any]:
    """Return the histogram of |a| of values whose histogram is given: [N_BINS], its negative bins empty."""
    folded = np.zeros_like(counts)
    folded[N_SIDE:] = counts[N_SIDE:]
    folded[N_SIDE + 1 :] += counts[:N_SIDE][::-1]
    return folded


def quantile(counts: NDArray[Any], q: float, minimum: float, maximum: float) -> float:
    """Estimate one quantile of the values that were counted, as `quantiles` does."""
    return quantiles(counts, [q], minimum, maximum)[0]


def quantiles(counts: NDArray[Any], qs: Sequence[float], minimum: float, maximum: float) -> list[float]:
    """Estimate the order statistics of rank floor(q * (n - 1)), from 0, of the n values that were counted.

    This is `numpy.quantile(..., method="lower")`, always one of the values: an interpolation between two of
    them could not be bounded where they lie in distant bins. Within its bin the rank is placed evenly in the
    logarithm, and the result is clipped to the exact extremes, which it equals at q = 0 and q = 1. The
    relative error is at most `RELATIVE_ERROR` for magnitudes from 1e-13 to 1e2; below, the absolute error is
    under 1e-13; in an outermost bin that holds values beyond 1e2, the estimate is only known to lie within
    that bin and the extreme.

    Args:
        counts: histogram [N_BINS], of one map or merged.
        qs: each between 0 and 1.
        minimum: the smallest value counted.
        maximum: the largest value counted.

    Raises:
        InputError: a q lies outside 0..1, or nothing was counted.
    """
    for q in qs:
        if not 0 <= q <= 1:
            raise InputError(f"quantile: q is {q}; give a number from 0 to 1")
    cumulative = np.cumsum(counts, dtype=np.int64)
    total = int(cumulative[-1])
    if total == 0:
        raise InputError("quantile: the histogram is empty; count some values first")
    ranks = [math.floor(q * (total - 1)) for q in qs]
    bins = np.searchsorted(cumulative, ranks, side="right").tolist()
    estimates = []
    for rank, index in zip(ranks, bins, strict=True):
        if rank in (0, total - 1):
            estimates.append(minimum if rank == 0 else maximum)
            continue
        before = int(cumulative[index - 1]) if index else 0
        estimate = _within_bin(index, (rank - before + 0.5) / int(counts[index]), minimum, maximum)
        estimates.append(min(max(estimate, minimum), maximum))
    return estimates


def smallest_counted(counts: NDArray[Any], maximum: float) -> float:
    """Estimate the smallest value of a histogram [N_BINS] that counted values up to `maximum`, by its bin.

    The relative error is that of `quantile`.
    """
    index = int(np.flatnonzero(counts)[0])
    return min(_within_bin(index, 0.5, -math.inf, maximum), maximum)


def _within_bin(index: int, fraction: float, minimum: float, maximum: float) -> float:
    """Value at a fraction of a bin, from its smaller end; an outermost bin ends at its side's extreme."""
    side = index - N_SIDE
    if side == 0:
        return 0.0
    nearer = EDGES[abs(side) - 1]
    farther = EDGES[abs(side)] if abs(side) < N_SIDE else max(EDGES[-1], maximum if side > 0 else -minimum)
    if side < 0:
        return -float(farther * (nearer / farther) ** fraction)
    return float(nearer * (farther / nearer) ** fraction)
