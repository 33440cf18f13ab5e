"""Whether two maps look alike, by published measures: structural similarity, and rank correlation of |a|.

Both are taken of pixels, and of sums of |a| over cells of 8 x 8 pixels, which is what a person sees of a map
of 224 pixels at arm's length: where the colour is, and how strong. `docs/measures.md` has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.ranks import correlation, standard_ranks
from igbatch.statistics.ssim import local_moments, mean_ssim, pair_moments

CELL = 8
"""Side of a cell, in pixels."""


@dataclass(frozen=True)
class MapLikeness:
    """How alike two maps are, or means over pairs of maps.

    Attributes:
        per_map: structural similarity, each map divided by the width of its range (maximum - minimum).
        joint: the same with both divided by the width of the range of the two.
        ranks: rank correlation of absolute values, which no range changes.
    """

    per_map: float
    joint: float
    ranks: float


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> MapLikeness | None:
    """Compare two arrays [H, W]; None where one of them is constant, or below 7 a side."""
    moments, others = local_moments(one), local_moments(other)
    ranks = correlation(standard_ranks(np.abs(one)), standard_ranks(np.abs(other)))
    width, other_width = float(np.ptp(one)), float(np.ptp(other))
    if moments is None or others is None or ranks is None or min(width, other_width) == 0:
        return None
    joint = float(max(one.max(), other.max()) - min(one.min(), other.min()))
    pair = pair_moments(moments, others, one, other)
    return MapLikeness(mean_ssim(pair, width, other_width), mean_ssim(pair, joint, joint), ranks)


def cell_sums(values: NDArray[np.float32], cell: int = CELL) -> NDArray[np.float32]:
    """Return the sums of |a| of a map [H, W] over cells: [H / cell, W / cell], rounded up.

    Cells at the right and lower edge are cut where a side is no multiple of `cell`.
    """
    sums: NDArray[np.float64] = np.abs(values).astype(np.float64)
    for axis, size in enumerate(values.shape):
        sums = np.add.reduceat(sums, np.arange(0, size, cell), axis=axis)
    return sums.astype(np.float32)


def mean_likeness(found: Iterable[MapLikeness | None]) -> MapLikeness | None:
    """Return the means of those likenesses that are there; None of none."""
    known = [astuple(each) for each in found if each is not None]
    return MapLikeness(*np.mean(known, axis=0).tolist()) if known else None
