"""All that is measured of a map, by itself and within boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import Sums, map_statistics


@dataclass(frozen=True)
class Measured:
    """What one map says.

    Attributes:
        not_finite: how many of its values are NaN or infinite.
        statistics: of the map; None where it is not finite.
        boxes: its statistics within boxes, in their order; none where it is not finite.
    """

    not_finite: int
    statistics: dict[str, Any] | None
    boxes: list[dict[str, Any]]


def measure(attribution: NDArray[np.float32], boxes: Sequence[MappedBox]) -> Measured:
    """Measure a map, float32 [H, W], and what of it lies within boxes.

    Raises:
        InputError: a box reaches outside the map.
    """
    not_finite = attribution.size - int(np.count_nonzero(np.isfinite(attribution)))
    if not_finite:
        return Measured(not_finite, None, [])
    statistics = map_statistics(attribution)
    whole = Sums.of(statistics["positive_sum"], statistics["negative_sum"])
    return Measured(0, statistics, box_statistics(attribution, boxes, whole))
