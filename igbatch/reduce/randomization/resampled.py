"""Means over images under resamples that all variants share, their intervals, and how they are kept.

The draws follow from the number of images and a seed alone. So variants may be averaged in tasks of their
own, and differences between them are still paired by image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.statistics.significance import resampled_means
from igbatch.store.fingerprint import bytes_digest
from igbatch.store.output import Output

RESAMPLES = 1_000
MANY_IMAGES, FEWER_RESAMPLES = 10_000, 200
"""Above so many images fewer resamples do: their interval is narrow."""

SEED = 0
KEPT = 2
"""Of the means that are kept: another one works all out anew."""

CONFIDENCE = 0.95
MIN_IMAGES = 3
"""Images below which no interval is given."""

Key = TypeVar("Key", bound=tuple[Any, ...])


class Resampled(NamedTuple):
    """A mean over so many images: float64 [1 + resamples], the plain one first.

    `which` is a digest of the images: means over the same ones have the same.
    """

    images: int
    means: NDArray[np.float64]
    which: str = ""

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The 95 % interval of the mean."""
        return interval(self.means[1:], self.images)


def image_means(columns: Mapping[Key, pd.Series], image_ids: Sequence[str]) -> dict[Key, Resampled]:
    """Average columns of values over images; a column without any has no mean.

    Args:
        columns: values by image id, each of some of the images.
        image_ids: the images that are resampled, in their order.
    """
    places = pd.Index(image_ids)
    matrix = np.full((len(places), len(columns)), np.nan)
    for number, values in enumerate(columns.values()):
        matrix[places.get_indexer(values.index), number] = values.to_numpy(dtype=np.float64)
    resamples = RESAMPLES if len(places) <= MANY_IMAGES else FEWER_RESAMPLES
    seen, means = np.isfinite(matrix).T, resampled_means(matrix, resamples, SEED).T
    return {
        key: Resampled(int(of.sum()), mean, bytes_digest(np.packbits(of).tobytes()))
        for key, of, mean in zip(columns, seen, means, strict=True)
        if of.any()
    }


def interval(resampled: NDArray[np.float64], images: int) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval of resampled values, NaN being left out."""
    finite = resampled[np.isfinite(resampled)]
    if images < MIN_IMAGES or not len(finite):
        return None, None
    low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def keep_means(output: Output, path: str, means: Mapping[Any, Resampled], names: Sequence[str]) -> None:
    """Write a row a mean: the texts of its key, of these names, then images, means and which images."""
    schema = pa.schema([*((name, pa.string()) for name in names), ("images", pa.int64()),
                        ("means", pa.list_(pa.float64())), ("which", pa.string())])  # fmt: skip
    rows = [dict(zip(schema.names, (*key, *mean), strict=True)) for key, mean in means.items()]
    output.put_table(path, pa.Table.from_pylist(rows, schema=schema))


def kept_means(output: Output, path: str) -> dict[tuple[Any, ...], Resampled]:
    """Read what `keep_means` wrote: the same bits."""
    *names, images, means, which = output.read_table(path).columns
    keys = zip(*(name.to_pylist() for name in names), strict=True)
    found = map(Resampled, images.to_pylist(), means.to_numpy(), which.to_pylist())
    return dict(zip(keys, found, strict=True))
