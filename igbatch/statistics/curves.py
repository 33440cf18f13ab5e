"""Curves of deletion and insertion over images: mean areas, what they are against random orders, and bands.

An image counts once: of its random orders the mean is taken first. Intervals are over images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.statistics.aggregates import CONFIDENCE, MIN_IMAGES, mean_interval
from igbatch.statistics.significance import resampled_means

OF = ["variant_id", "target", "kind", "regions", "fill"]
"""What areas are averaged over; those under other fills or regions do not compare."""
RESAMPLES = 1_000
SEED = 0


def curve_areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Average areas over images, for each of `OF`, in the order in which these come first.

    Args:
        curves: rows of `schemas.CURVES`; fractions and outputs are not needed.

    Returns:
        One row each of `OF`: n_images; area, the mean in order of attribution, with area_low and area_high
        (95 % interval over images, see `mean_interval`); random_area, the mean of random orders, and
        random_spread, the standard deviation between an image's random orders, averaged (null of one
        order); gain with gain_low and gain_high, the mean of how much better the order of attribution is:
        random less own area of deletion, own less random of insertion; gain_share, the share of images in
        which it is above 0.
    """
    own = curves[curves["order"] == "attribution"].set_index([*OF, "image_id"])["area"]
    drawn = curves[curves["order"] == "random"].groupby([*OF, "image_id"], sort=False)["area"]
    images = pd.DataFrame({"own": own, "random": drawn.mean(), "spread": drawn.std()}).loc[own.index]
    sign = np.where(images.index.get_level_values("kind") == "deletion", -1.0, 1.0)
    images["gain"] = sign * (images["own"] - images["random"])
    return pd.DataFrame(
        [
            dict(zip(OF, names, strict=True)) | _averaged(group)
            for names, group in images.groupby(OF, sort=False)
        ]
    )


def _averaged(images: pd.DataFrame) -> dict[str, Any]:
    own, gain = images["own"].to_numpy(np.float64), images["gain"].to_numpy(np.float64)
    area_low, area_high = mean_interval(own, SEED)
    gain_low, gain_high = mean_interval(gain, SEED)
    return {
        "n_images": len(images),
        "area": own.mean(), "area_low": area_low, "area_high": area_high,
        "random_area": images["random"].mean(), "random_spread": images["spread"].mean(),
        "gain": gain.mean(), "gain_low": gain_low, "gain_high": gain_high,
        "gain_share": float((gain > 0).mean()),
    }  # fmt: skip


def mean_curve(
    fractions: list[NDArray[np.float64]], outputs: list[NDArray[np.float64]], image_ids: list[str]
) -> NDArray[np.float64]:
    """Return the mean of curves over images, with its band: float64 [4, S + 1].

    Rows are fractions, means, and the lower and upper ends of pointwise 95 % intervals (percentile bootstrap
    over images, `RESAMPLES` times; NaN below `MIN_IMAGES`). Curves of one image are averaged first. Between
    its points a curve is a straight line, as its area has it: they are read at the fractions of the first.
    """
    at = fractions[0]
    values = [np.interp(at, *each) for each in zip(fractions, outputs, strict=True)]
    images = pd.DataFrame(values).groupby(np.asarray(image_ids, dtype=object), sort=False).mean()
    means = resampled_means(images.to_numpy(), RESAMPLES, SEED)
    ends = np.full((2, len(at)), np.nan)
    if len(images) >= MIN_IMAGES:
        ends = np.quantile(means[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return np.vstack([at, means[0], ends])
