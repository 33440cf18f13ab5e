"""How alike two attribution maps are, raw and under each normalization.

What comparisons of a map share is computed once (`map_features`); a pair then costs one filter, three dot
products and a few passes over the pixels (`similarity`). docs/measures.md says how each measure is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.statistics.ranks import correlation, standard, standard_ranks
from igbatch.statistics.ssim import LocalMoments, local_moments, mean_ssim, pair_moments

ORIENTATIONS = 9
CELL = 16
"""Side of a HOG cell in pixels; a third of a map's shorter side where that is less."""

BLOCK = 3
"""Side of a HOG block in cells."""


@dataclass(frozen=True, eq=False)
class MapFeatures:
    """What comparisons of one map share; 1.4 MB for a map of 224 x 224.

    Attributes:
        attribution: the map, float32 [H, W], in units of the output.
        minimum: its smallest value.
        maximum: its largest value.
        ranks: centred ranks of unit norm, float32 [H * W]; None for a constant map.
        abs_ranks: the same of absolute values; None where these are all alike.
        hog: centred histograms of oriented gradients of unit norm, float32; None for a constant map and below
            3 pixels a side.
        moments: local means and variances for the structural similarity; None below 7 pixels a side.
    """

    attribution: NDArray[np.float32]
    minimum: float
    maximum: float
    ranks: NDArray[np.float32] | None
    abs_ranks: NDArray[np.float32] | None
    hog: NDArray[np.float32] | None
    moments: LocalMoments | None


def map_features(attribution: NDArray[np.float32]) -> MapFeatures:
    """Return what comparisons of a finite map, float32 [H, W], share.

    Raises:
        InputError: the map is empty or not two-dimensional, or a value is NaN or infinite.
    """
    if attribution.ndim != 2 or attribution.size == 0:
        raise InputError(f"a map must be [height, width], found shape {attribution.shape}; sum its channels")
    minimum, maximum = float(attribution.min()), float(attribution.max())
    if not np.isfinite([minimum, maximum]).all():
        raise InputError("the map holds NaN or infinite values; leave out maps that are in quarantine")
    return MapFeatures(
        attribution=attribution,
        minimum=minimum,
        maximum=maximum,
        ranks=standard_ranks(attribution),
        abs_ranks=standard_ranks(np.abs(attribution)),
        hog=_hog(attribution, max(-minimum, maximum)),
        moments=local_moments(attribution),
    )


def similarity(
    one: MapFeatures, other: MapFeatures, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, float | None]:
    """Return how alike two maps of one shape are; symmetric.

    A map is normalized by dividing it by the width of a range, maximum - minimum, so that zero stays zero.
    The shift of a min-max mapping would put the zeros of two maps at different grays, and compare grays.

    Args:
        one: features of a map.
        other: features of another.
        ranges: minimum and maximum by name: of the pair, of all models, of the data set.

    Returns:
        `spearman`, `spearman_abs`: rank correlation of raw values, of absolute raw values.
        `hog`: Pearson's correlation of histograms of oriented gradients.
        `difference`: root mean square difference in units of the output.
        `ssim_own`, `difference_own`: structural similarity (data range 1) and root mean square difference of
            the maps, each divided by the width of its range.
        `ssim_<name>`, `difference_<name>`: the same with both divided by the width of that range.
        None where a measure is undefined: for a constant map (only `difference` and named ranges are left),
        for a range without width, and for maps too small (below 3 pixels a side for HOG, 7 for the structural
        similarity).

    Raises:
        InputError: the maps differ in shape, or a range is not finite or is reversed.
    """
    if one.attribution.shape != other.attribution.shape:
        raise InputError(
            f"two maps of shapes {one.attribution.shape} and {other.attribution.shape} cannot be compared; "
            "compare maps of one image size"
        )
    widths = {"own": (one.maximum - one.minimum, other.maximum - other.minimum)}
    for name, (minimum, maximum) in ranges.items():
        if not (np.isfinite([minimum, maximum]).all() and minimum <= maximum):
            raise InputError(f"range {name!r} is {minimum} to {maximum}; give a finite minimum and maximum")
        widths[name] = (maximum - minimum,) * 2
    found: dict[str, float | None] = {
        "spearman": correlation(one.ranks, other.ranks),
        "spearman_abs": correlation(one.abs_ranks, other.abs_ranks),
        "hog": correlation(one.hog, other.hog),
        "difference": _difference(one, other, 1, 1),
    }
    for name, ssim in _ssim(one, other, widths).items():
        width, other_width = widths[name]
        found[f"ssim_{name}"] = ssim
        found[f"difference_{name}"] = _difference(one, other, width, other_width)
    return found


def _ssim(
    one: MapFeatures, other: MapFeatures, widths: Mapping[str, tuple[float, float]]
) -> dict[str, float | None]:
    if one.moments is None or other.moments is None:
        return dict.fromkeys(widths)
    pair = pair_moments(one.moments, other.moments, one.attribution, other.attribution)
    return {name: mean_ssim(pair, *both) if min(both) > 0 else None for name, both in widths.items()}


def _difference(one: MapFeatures, other: MapFeatures, width: float, other_width: float) -> float | None:
    if min(width, other_width) <= 0:
        return None
    gap = np.multiply(one.attribution, 1 / width, dtype=np.float64).ravel()
    gap -= np.multiply(other.attribution, 1 / other_width, dtype=np.float64).ravel()
    return float(np.sqrt(gap @ gap / gap.size))


def _hog(attribution: NDArray[np.float32], largest: float) -> NDArray[np.float32] | None:
    cell = min(CELL, min(attribution.shape) // BLOCK)
    if cell == 0 or largest == 0:
        return None
    from skimage.feature import hog  # only who compares maps waits for it

    features = hog(
        attribution.astype(np.float64) / largest,  # else the norm's epsilon of 1e-5 flattens faint maps
        orientations=ORIENTATIONS,
        pixels_per_cell=(cell, cell),
        cells_per_block=(BLOCK, BLOCK),
        block_norm="L2-Hys",
    )
    return standard(features)
