"""How a map and its sums in boxes depend on the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.image_stats import NamedColumns

BOX_COLUMNS = ("sum_spread", "sign_agreement")
"""Those of `box_stats` that say how a sum depends on the baseline."""


@dataclass(frozen=True)
class MapSpread:
    """How the maps under several baselines differ whose mean is a map.

    Attributes:
        deviation: float32 [H, W], the standard deviation of each pixel over the baselines; None where it is
            not kept.
        ratio: its L2 norm over that of the map; not finite where that is 0.
        sums: float64 [baselines, boxes], the sums in each box.
    """

    deviation: NDArray[np.float32] | None
    ratio: float
    sums: NDArray[np.float64]

    def columns(self) -> dict[str, float | None]:
        """Return the column of `image_stats`."""
        return {"spread": self.ratio if math.isfinite(self.ratio) else None}

    def box_columns(self, boxes: Sequence[Mapping[str, Any]]) -> list[dict[str, float | None]]:
        """Return the columns of `box_stats`; None for boxes without a visible pixel.

        `sum_spread` is the standard deviation of a box's sum over the baselines, `sign_agreement` the share
        of those baselines under which the sum is not 0 that give it the sign of the mean, None where they are
        fewer than two. The sum is 0 where the baseline is the image itself, which may be drawn: that says
        nothing.
        """
        return [
            dict.fromkeys(BOX_COLUMNS) if box["sum"] is None else _box_columns(own, box["sum"])
            for box, own in zip(boxes, self.sums.T, strict=True)
        ]


def _box_columns(sums: NDArray[np.float64], mean: float) -> dict[str, float | None]:
    signed = sums[sums != 0]
    agreement = float((np.sign(signed) == np.sign(mean)).mean()) if len(signed) > 1 else None
    return dict(zip(BOX_COLUMNS, (float(sums.std()), agreement), strict=True))


def sign_depends(rows: NamedColumns) -> NDArray[np.bool_]:
    """Tell of rows of `box_stats` whether the sum's sign depends on the baseline; unknown counts as no."""
    agreement: NDArray[np.bool_] = np.asarray(rows["sign_agreement"], np.float64) < 1
    return agreement
