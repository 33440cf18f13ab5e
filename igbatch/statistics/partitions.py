"""Sums of a map over regions of any shape: superpixels, objects, or squares, a partition each time.

A label map says of each pixel which region it is in. Regions add up to the map's sum, since every pixel is in
one: completeness (Sundararajan et al. 2017, proposition 1) holds for any partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.blur import BLURRED, blur
from igbatch.statistics.patches import over_pixels, patch_sums, statistics_of_patches

Segments = Literal["superpixels", "objects"]

SEGMENTS: Mapping[str, int] = {"superpixels": 0, "objects": -1}
"""What stands for them where squares have the side: in `patches` of a row, and in `RangeSummary.patches`."""

CODES: Mapping[str, int] = {**SEGMENTS, "blurred": BLURRED}
"""The same, of all that is no square."""


class LabelMap(NamedTuple):
    """Which region each pixel of an image is in, as a model sees it.

    Attributes:
        segments: what the regions are.
        labels: uint16 [H, W], numbers of regions from 0 on, each of which has a pixel.
        names: of the regions by their numbers; none of superpixels.
    """

    segments: Segments
    labels: NDArray[np.uint16]
    names: tuple[str, ...] = ()

    @property
    def regions(self) -> int:
        """How many regions there are."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True)
class Partition:
    """Regions that the pixels of a map are cut into, or that the map is blurred instead.

    Attributes:
        size: the side of square patches, 1 of pixels, `BLURRED`; without meaning where there are labels.
        labels: uint16 [H, W], the number of each pixel's region; None of squares.
    """

    size: int = 1
    labels: NDArray[np.uint16] | None = None

    def sums(self, attribution: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Add up a map, [H, W], over the regions: float64, [rows, columns] of squares, else [regions].

        A blurred map has its shape.
        """
        if self.labels is not None:
            return label_sums(attribution, self.labels)
        return blur(attribution) if self.size == BLURRED else patch_sums(attribution, self.size)

    def over_pixels(self, sums: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        """Give each pixel of a map of a shape, (H, W), the value of its region: [H, W]."""
        if self.labels is None:
            return np.asarray(over_pixels(sums, self.side, shape))
        spread: NDArray[np.float64] = sums[self.labels]
        return spread

    @property
    def largest(self) -> int:
        """Pixels of the largest region."""
        return self.side**2 if self.labels is None else int(np.bincount(self.labels.ravel()).max())

    @property
    def side(self) -> int:
        """The side of the squares of one value: a pixel of a blurred map."""
        return max(self.size, 1)


def label_sums(attribution: NDArray[np.floating[Any]], labels: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Add up a map, [H, W], over the regions of a label map of its shape: float64 [regions].

    Raises:
        ValueError: they are not of one shape.
    """
    if attribution.shape != labels.shape:
        raise ValueError(f"a map of {attribution.shape} and labels of {labels.shape} differ in shape")
    sums: NDArray[np.float64] = np.bincount(labels.ravel(), weights=attribution.ravel()).astype(np.float64)
    return sums


def segment_statistics(
    attribution: NDArray[np.float32], label_maps: Iterable[LabelMap]
) -> list[dict[str, Any]]:
    """Return the entries of `patches` of a finite map that label maps give, in the order of their codes."""
    found = [
        statistics_of_patches(SEGMENTS[each.segments], label_sums(attribution, each.labels))
        for each in label_maps
    ]
    return sorted(found, key=lambda entry: entry["size"])
