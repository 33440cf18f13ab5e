"""Means over images under resamples that all variants share, and the intervals that follow from them.

The draws follow from the number of images and a seed alone. So variants may be averaged in tasks of their
own, and differences between them still know that the images are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.statistics.significance import resampled_means

RESAMPLES = 1_000
MANY_IMAGES, FEWER_RESAMPLES = 10_000, 200
"""Above so many images fewer resamples do: their interval is narrow."""

SEED = 0
CONFIDENCE = 0.95
FEWEST_IMAGES = 3
"""Images below which no interval is given."""


def image_means(
    columns: Sequence[pd.Series], image_ids: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Average columns of values over images.

    Args:
        columns: values by image id, each of some of the images.
        image_ids: the images that are resampled, in their order.

    Returns:
        how many images have a value, int64 [columns]; means, float64 [1 + resamples, columns], the plain ones
        first.
    """
    places = pd.Index(image_ids)
    matrix = np.full((len(places), len(columns)), np.nan)
    for number, values in enumerate(columns):
        matrix[places.get_indexer(values.index), number] = values.to_numpy(dtype=np.float64)
    resamples = RESAMPLES if len(places) <= MANY_IMAGES else FEWER_RESAMPLES
    return np.isfinite(matrix).sum(axis=0), resampled_means(matrix, resamples, SEED)


def interval(resampled: NDArray[np.float64], images: int) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval of resampled values, NaN being left out."""
    told = resampled[np.isfinite(resampled)]
    if images < FEWEST_IMAGES or not len(told):
        return None, None
    low, high = np.quantile(told, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
