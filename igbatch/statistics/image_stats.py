"""Statistics of one attribution map as a whole, and whether its integral has converged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.histogram import histogram
from igbatch.statistics.patches import patch_statistics

DEFAULT_ATOL = 1e-6
"""Absolute tolerance in units of the output: of a probability, a millionth."""

QUANTILES = {"q01": 0.01, "q50": 0.50, "q99": 0.99}


class Sums(NamedTuple):
    """Sums of attributions: the sum is positive + negative, the absolute one positive - negative, exactly."""

    sum: float
    positive_sum: float
    negative_sum: float
    abs_sum: float

    @classmethod
    def of(cls, positive: float, negative: float) -> Sums:
        """Return the sums that follow from those of the positive and of the negative attributions."""
        positive, negative = positive + 0.0, negative + 0.0  # -0.0 is 0.0
        return cls(positive + negative, positive, negative, positive - negative)


def add_up(attribution: NDArray[np.float32]) -> Sums:
    """Add up attributions of any shape in float64, the positive and the negative ones apart."""
    positive = float(np.maximum(attribution, 0).sum(dtype=np.float64))
    negative = float(np.minimum(attribution, 0).sum(dtype=np.float64))
    return Sums.of(positive, negative)


def map_statistics(attribution: NDArray[np.float32]) -> dict[str, Any]:
    """Return the statistics of a finite map, float32 [H, W], as `statistics_of` does; sums in float64.

    Raises:
        InputError: a value is NaN or infinite.
    """
    ascending = np.sort(attribution, axis=None)
    counts = histogram(ascending, ascending=True)
    ordered = [float(ascending[rank]) for rank in ranks(len(ascending))]
    return statistics_of(ordered, add_up(attribution), counts, patch_statistics(attribution))


def ranks(pixels: int) -> list[int]:
    """Return the places, from 0, of minimum, maximum and `QUANTILES` among so many ascending values."""
    last = pixels - 1
    return [0, last, *(int(q * last) for q in QUANTILES.values())]


def statistics_of(
    ordered: Sequence[float], sums: Sums, counts: NDArray[np.int32], patches: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the columns of `image_stats` that follow from a map alone, in units of the output.

    Args:
        ordered: its values at `ranks`: `minimum`, `maximum` and the exact `QUANTILES`, the order statistics
            that `histogram.quantile` estimates.
        sums: of it.
        counts: its `histogram`.
        patches: its `patch_statistics`.
    """
    values = (value + 0.0 for value in ordered)  # -0.0 is 0.0
    named = dict(zip(("minimum", "maximum", *QUANTILES), values, strict=True))
    return {**named, **sums._asdict(), "histogram": counts, "patches": patches}


class NamedColumns(Protocol):
    """Columns by their names: a data frame, one row of it, an Arrow table, or a dictionary of arrays."""

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


def convergence(row: Mapping[str, Any], tolerance: float, atol: float = DEFAULT_ATOL) -> dict[str, Any]:
    """Judge the integral behind a map by `allowed_error`.

    Args:
        row: sum, abs_sum, score, score_baseline, and map_error, None where it was not estimated.
        tolerance, atol: the error that is allowed.

    Returns:
        `convergence_delta`: sum - (score - score_baseline), in units of the output.
        `relative_delta`: |convergence_delta| / abs_sum; None where abs_sum is 0.
        `converged`: the error is at most what is allowed.
        `negligible`: abs_sum is below atol, so that ratios say nothing.
    """
    delta = row["sum"] - (row["score"] - row["score_baseline"])
    error, allowed = allowed_error({**row, "convergence_delta": delta}, tolerance, atol)
    return {
        "convergence_delta": delta,
        "relative_delta": abs(delta) / row["abs_sum"] if row["abs_sum"] > 0 else None,
        "converged": bool(error <= allowed),
        "negligible": row["abs_sum"] < atol,
    }
