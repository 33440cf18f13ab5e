"""Sums of a map over square patches: a partition of its pixels, so that patches add up to the map's sum.

A patch shows how much of the output's change its pixels are given together; signs cancel inside of it.
Completeness (Sundararajan et al. 2017, proposition 1) holds for patches as it does for pixels. Patches of 4
are the grid of a Swin Transformer's patch embedding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.blur import BLURRED, blur
from igbatch.statistics.histogram import histogram

PATCH_SIZES = (4, 8, 16, 32)
"""Sides of patches in pixels of the model's input, each a multiple of the one before."""


def patch_sums(attribution: NDArray[np.floating[Any]], size: int) -> NDArray[np.float64]:
    """Add up a map, [H, W], over patches: float64 [ceil(H / size), ceil(W / size)].

    Patches begin at the upper left corner; those at the right and lower edges have what pixels are left.
    Large patches are added up from the next smaller ones of `PATCH_SIZES`.
    """
    sums = np.asarray(attribution, dtype=np.float64)
    side = 1
    for larger in (*(each for each in PATCH_SIZES if each < size and size % each == 0), size):
        sums, side = _added(sums, larger // side), larger
    return sums


def _added(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    height, width = values.shape
    across = np.add.reduceat(values, np.arange(0, width, size), axis=1)
    sums: NDArray[np.float64] = np.add.reduceat(across, np.arange(0, height, size), axis=0)
    return sums


def over_pixels(sums: NDArray[np.floating[Any]], size: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Give each pixel of a map of a shape, (H, W), the value of its patch: [H, W]."""
    height, width = shape
    return sums.repeat(size, axis=0)[:height].repeat(size, axis=1)[:, :width]


def patch_statistics(attribution: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return the `patches` of a row of `image_stats`: extremes and histogram by size, of a finite map.

    The map is blurred for the first of them.
    """
    found = [statistics_of_patches(BLURRED, blur(attribution))]
    sums, side = np.asarray(attribution, dtype=np.float64), 1
    for size in PATCH_SIZES:
        sums, side = _added(sums, size // side), size
        found.append(statistics_of_patches(size, sums))
    return found


def statistics_of_patches(size: int, sums: NDArray[np.float64]) -> dict[str, Any]:
    """Return the entry of `patches` of one map: extremes and `histogram` of its patch sums."""
    ascending = np.sort(sums, axis=None)
    return patch_entry(size, float(ascending[0]), float(ascending[-1]), histogram(ascending, ascending=True))


def patch_entry(size: int, minimum: float, maximum: float, counts: NDArray[Any]) -> dict[str, Any]:
    """Return an entry of `patches` of one map."""
    ends = {"minimum": minimum + 0.0, "maximum": maximum + 0.0}  # -0.0 is 0.0
    return {"size": size, **ends, "histogram": counts, "n_maps": 1}
