"""How well the mass of a map lies in a known region: pointing game, mass and rank accuracy, top-k."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError

PARTS = ("positive", "negative", "absolute")
TOP = 0.02
"""Share of a map's pixels that `topk` looks at; at least one pixel."""


def localization(attribution: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[str, bool | float | None]:
    """Return how well each part of a finite map, float32 [H, W], lies in a region, bool [H, W].

    The parts are `positive`, max(a, 0); `negative`, max(-a, 0); and `absolute`, |a|. No share is of a signed
    sum: that could vanish, and the share be anything.

    Pixels that tie for the last of k places share them: each counts by the chance that it would have if lots
    were drawn. So no corner of the map is preferred, and values that are all alike score the region's share
    of the pixels. A tie for the peak goes to the first pixel by rows, as in `box_stats`.

    Returns, for each part:
        `<part>_pointing`: the largest value lies in the region (pointing game, Zhang et al. 2018).
        `<part>_mass`: mass in the region / mass of the part (relevance mass accuracy, Arras et al. 2022).
        `<part>_rank`: share of the k largest pixels that lie in the region, k being the region's pixels
            (relevance rank accuracy, Arras et al. 2022).
        `<part>_topk`: the same for k = 2 % of the map's pixels (top-k intersection, Theiner et al. 2021). A
            region of fewer pixels than k cannot reach 1.
        None where the part is 0 throughout, or the region has no pixel.

    Raises:
        InputError: the region has another shape than the map.
    """
    if attribution.shape != mask.shape:
        raise InputError(
            f"a region of shape {mask.shape} was given for a map of shape {attribution.shape}; "
            "map boxes to the model's input first"
        )
    inside = np.asarray(mask, dtype=bool).ravel()
    flat = attribution.ravel()
    parts = (np.maximum(flat, 0), np.maximum(-flat, 0), np.abs(flat))
    found: dict[str, bool | float | None] = {}
    for name, part in zip(PARTS, parts, strict=True):
        found |= {f"{name}_{measure}": value for measure, value in _measures(part, inside).items()}
    return found


def _measures(part: NDArray[np.float32], inside: NDArray[np.bool_]) -> dict[str, bool | float | None]:
    pixels = int(np.count_nonzero(inside))
    peak = int(part.argmax())
    if pixels == 0 or part[peak] == 0:
        return dict.fromkeys(("pointing", "mass", "rank", "topk"))
    top = max(1, round(TOP * part.size))
    ranked = np.partition(part, sorted({part.size - pixels, part.size - top}))
    mass_inside = float(part[inside].sum(dtype=np.float64))
    mass_outside = float(part[~inside].sum(dtype=np.float64))
    return {
        "pointing": bool(inside[peak]),
        "mass": mass_inside / (mass_inside + mass_outside),
        "rank": _share_of_largest(part, inside, pixels, ranked[part.size - pixels]),
        "topk": _share_of_largest(part, inside, top, ranked[part.size - top]),
    }


def _share_of_largest(
    part: NDArray[np.float32], inside: NDArray[np.bool_], k: int, last: np.float32
) -> float:
    """Return the share of the k largest values that lie inside, expected over the orders of tied ones.

    `last` is the k-th largest value.
    """
    above, tied = part > last, part == last
    places = k - np.count_nonzero(above)
    tied_inside = np.count_nonzero(tied & inside) / np.count_nonzero(tied)
    return float((np.count_nonzero(above & inside) + places * tied_inside) / k)
