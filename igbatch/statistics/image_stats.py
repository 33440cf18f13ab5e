"""Statistics of one attribution map, and whether its integral has converged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.histogram import histogram_of_sorted

DEFAULT_ATOL = 1e-6
"""Absolute tolerance in units of the output: of a probability, a millionth."""

QUANTILES = {"q01": 0.01, "q50": 0.50, "q99": 0.99}


class MapStatistics(TypedDict):
    """NamedColumns of `image_stats` that follow from a map alone, in units of the output.

    `q01`, `q50` and `q99` are exact: the order statistics that `histogram.quantile` estimates.
    """

    minimum: float
    maximum: float
    sum: float
    abs_sum: float
    positive_sum: float
    negative_sum: float
    q01: float
    q50: float
    q99: float
    histogram: NDArray[np.int32]


class Sums(NamedTuple):
    """Sums of attributions: total = positive + negative and absolute = positive - negative, exactly."""

    total: float
    positive: float
    negative: float
    absolute: float

    @classmethod
    def of(cls, positive: float, negative: float) -> Sums:
        """Return the sums that follow from those of the positive and of the negative attributions."""
        positive, negative = positive + 0.0, negative + 0.0  # -0.0 is 0.0
        return cls(positive + negative, positive, negative, positive - negative)


class Convergence(NamedTuple):
    """How far a map's sum is from what completeness demands, and the verdict.

    Attributes:
        convergence_delta: sum - (score - score_baseline), in units of the output.
        relative_delta: |convergence_delta| / abs_sum; None where abs_sum is 0.
        converged: the error is at most what is allowed (`allowed_error`).
        negligible: abs_sum is below atol, so that ratios say nothing.
    """

    convergence_delta: float
    relative_delta: float | None
    converged: bool
    negligible: bool


def finite(attribution: NDArray[np.float32]) -> bool:
    """Tell whether a map [H, W] holds neither NaN nor infinity."""
    return bool(np.isfinite(attribution).all())


def add_up(attribution: NDArray[np.float32]) -> Sums:
    """Add up attributions of any shape in float64, the positive and the negative ones apart."""
    positive = float(np.maximum(attribution, 0).sum(dtype=np.float64))
    negative = float(np.minimum(attribution, 0).sum(dtype=np.float64))
    return Sums.of(positive, negative)


def map_statistics(attribution: NDArray[np.float32]) -> MapStatistics:
    """Return the statistics of a finite map, float32 [H, W], sums in float64.

    Raises:
        InputError: a value is NaN or infinite; ask `finite` first.
    """
    ascending = np.sort(attribution, axis=None)
    counts = histogram_of_sorted(ascending)
    ordered = [float(ascending[rank]) for rank in ranks(len(ascending))]
    return statistics_of(ordered, add_up(attribution), counts)


def ranks(pixels: int) -> list[int]:
    """Return the places, from 0, of minimum, maximum and `QUANTILES` among so many ascending values."""
    last = pixels - 1
    return [0, last, *(int(q * last) for q in QUANTILES.values())]


def statistics_of(ordered: Sequence[float], sums: Sums, counts: NDArray[np.int32]) -> MapStatistics:
    """Return the statistics of a map from its values at `ranks`, its sums and its histogram."""
    minimum, maximum, q01, q50, q99 = (value + 0.0 for value in ordered)  # -0.0 is 0.0
    return MapStatistics(
        minimum=minimum,
        maximum=maximum,
        sum=sums.total,
        abs_sum=sums.absolute,
        positive_sum=sums.positive,
        negative_sum=sums.negative,
        q01=q01,
        q50=q50,
        q99=q99,
        histogram=counts,
    )


class NamedColumns(Protocol):
    """NamedColumns by their names: a data frame, one row of it, an Arrow table, or a dictionary of arrays."""

    def __getitem__(self, name: str, /) -> Any: ...


class AllowedError(NamedTuple):
    """How far maps are off, and how far they may be, in units of the output: float64, of the rows' shape."""

    error: NDArray[np.float64]
    allowed: NDArray[np.float64]

    @property
    def ratio(self) -> NDArray[np.float64]:
        """The error over what is allowed: above 1 where a map did not converge."""
        ratio: NDArray[np.float64] = self.error / np.maximum(self.allowed, 1e-300)
        return ratio


def allowed_error(rows: NamedColumns, tolerance: float, atol: float = DEFAULT_ATOL) -> AllowedError:
    """Hold the errors of maps against what is allowed: the measure that convergence is judged by.

    Where the error of a map was estimated, it counts against the map's absolute sum, and so does the gap of
    completeness beside it: both have to be small. Elsewhere the gap (Sundararajan et al. 2017, proposition 1)
    counts against what the map has to sum to, |score - score_baseline|: positive and negative attributions
    often add up to many times that, and a gap held against their absolute sum would pass maps that are half
    wrong. Even so the gap is only a lower bound of the error, since errors of opposite sign cancel in it.
    `atol` keeps maps that are nearly nothing from failing by a ratio.

    Args:
        rows: columns of `image_stats`: convergence_delta, abs_sum, score, score_baseline, and map_error, the
            estimated relative L2 error of a map, which is null or NaN where it was not estimated.
        tolerance: relative error that is allowed.
        atol: absolute error that is allowed, in units of the output.
    """
    names = ("convergence_delta", "abs_sum", "score", "score_baseline", "map_error")
    delta, abs_sum, score, baseline, map_error = (np.asarray(rows[name], np.float64) for name in names)
    error = np.fmax(map_error * abs_sum, np.abs(delta))  # NaN where it was not estimated
    norm = np.where(np.isnan(map_error), np.abs(score - baseline), abs_sum)
    return AllowedError(error, tolerance * norm + atol)


def convergence(
    total: float,
    abs_sum: float,
    score: float,
    score_baseline: float,
    map_error: float | None,
    tolerance: float,
    atol: float = DEFAULT_ATOL,
) -> Convergence:
    """Judge the integral behind a map by `allowed_error`.

    Args:
        total: sum of the map, in units of the output.
        abs_sum: sum of its absolute values.
        score: F(image).
        score_baseline: F(baseline).
        map_error: estimated relative L2 error of the map; None where it was not estimated.
        tolerance, atol: the error that is allowed.
    """
    delta = total - (score - score_baseline)
    row = {"convergence_delta": delta, "abs_sum": abs_sum, "score": score, "score_baseline": score_baseline}
    error, allowed = allowed_error({**row, "map_error": map_error}, tolerance, atol)
    return Convergence(
        convergence_delta=delta,
        relative_delta=abs(delta) / abs_sum if abs_sum > 0 else None,
        converged=bool(error <= allowed),
        negligible=abs_sum < atol,
    )
