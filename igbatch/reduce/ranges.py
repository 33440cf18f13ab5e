"""Ranges of the normalization scopes: extremes and quantiles that maps share when they share a colour bar.

A summary is mergeable: minima, maxima and histograms of parts give those of the whole, so that shards can be
summarised anywhere and in any order, and no map is ever read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from igbatch.errors import InputError
from igbatch.statistics.histogram import N_BINS, fold, quantiles, smallest_counted
from igbatch.statistics.image_stats import QUANTILES
from igbatch.statistics.partitions import CODES
from igbatch.store import schemas
from igbatch.store.histograms import merge_lists, merge_patches

Scope = Literal["raw", "image", "pair", "targets", "models", "variant", "dataset"]
"""Which maps share a range; under `raw`, which is no normalization, all of a study share one round scale."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
COLUMNS = ("minimum", "maximum", "histogram")

Regions = Literal["pixel", "patch 4", "patch 8", "patch 16", "patch 32", "superpixels", "objects", "blurred"]
"""What of a map is one value: a pixel, or the sum over a square patch of so many pixels a side, a superpixel,
or an object; or a pixel of the map `blurred`, which moves attributions (`statistics.blur`)."""

REGIONS: tuple[Regions, ...] = get_args(Regions)


def region_size(regions: str) -> int:
    """Return the side of regions in pixels, 1 of `pixel`; of all others what stands for it.

    Raises:
        InputError: there are no such regions.
    """
    if regions not in REGIONS:
        raise InputError(f"regions {regions!r} are unknown; use one of {', '.join(REGIONS)}")
    return CODES[regions] if regions in CODES else int(regions.partition(" ")[2] or 1)


def columns_of(regions: Regions) -> tuple[str, ...]:
    """Return the columns of `image_stats` that `summarise` takes for regions."""
    return COLUMNS if regions == "pixel" else (*COLUMNS, "patches")


@dataclass(frozen=True)
class RangeSummary:
    """Extremes and value counts of some maps; `+` merges two summaries.

    `patches` are those of sums over patches, by their size, and of all else by its code (`partitions.CODES`):
    of as many maps as have them.
    """

    minimum: float = math.inf
    maximum: float = -math.inf
    counts: np.ndarray = field(default_factory=lambda: np.zeros(N_BINS, dtype=np.int64))
    n_maps: int = 0
    patches: Mapping[int, RangeSummary] = field(default_factory=dict)

    def __add__(self, other: RangeSummary) -> RangeSummary:
        return RangeSummary(
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.counts + other.counts,
            self.n_maps + other.n_maps,
            {size: self.of(size) + other.of(size) for size in sorted({*self.patches, *other.patches})},
        )

    def of(self, size: int) -> RangeSummary:
        """Return the summary of sums over regions of a size (`region_size`); of pixels where it is 1."""
        return self if size == 1 else self.patches.get(size, RangeSummary())

    @classmethod
    def of_rows(cls, rows: pd.DataFrame) -> RangeSummary:
        """Summarise rows of `image_stats` that are held already, as `summarise` does."""
        names = [name for name in (*COLUMNS, "patches") if name in rows]
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in names])
        return summarise(pa.Table.from_pandas(rows[names], schema, preserve_index=False))

    @property
    def largest(self) -> float:
        """The largest |a|; 0 where no map was summarised."""
        return max(-self.minimum, self.maximum, 0.0)

    def magnitude(self, q: float) -> float:
        """Return a quantile of |a| over all pixels, as `magnitudes` does."""
        return self.magnitudes([q])[0]

    def magnitudes(self, qs: Sequence[float]) -> list[float]:
        """Return quantiles of |a| over all pixels, each q from 0 to 1: the largest |a| at 1.

        They are within `histogram.RELATIVE_ERROR` of the exact ones.

        Raises:
            InputError: no map was summarised.
        """
        counts = fold(self.counts)
        smallest = smallest_counted(counts, self.largest) if counts.any() else 0.0
        return quantiles(counts, qs, smallest, self.largest)

    def row(self, scope: str, variant_id: str | None, expected: int, contrast: str = "") -> dict[str, Any]:
        """Return a row of `schemas.RANGES`; `expected` maps make it complete, all of one contrast or none.

        Quantiles are within `histogram.RELATIVE_ERROR` of those of the maps' pixels.

        Raises:
            InputError: no map was summarised.
        """
        found = quantiles(self.counts, list(QUANTILES.values()), self.minimum, self.maximum)
        return {
            "scope": scope,
            "variant_id": variant_id,
            "target": contrast or None,
            "minimum": self.minimum,
            "maximum": self.maximum,
            **dict(zip(QUANTILES, found, strict=True)),
            "n_maps": self.n_maps,
            "complete": self.n_maps == expected,
            "histogram": self.counts,
            "patches": [
                {
                    "size": size, "minimum": each.minimum, "maximum": each.maximum, "histogram": each.counts,
                    "n_maps": each.n_maps,
                }
                for size, each in self.patches.items()
            ],
        }  # fmt: skip

    @classmethod
    def of_range(cls, row: Mapping[Any, Any]) -> RangeSummary:
        """Return the summary that a row of `schemas.RANGES`, or an entry of its `patches`, was made from."""
        counts = np.asarray(row["histogram"], dtype=np.int64)
        patches = row.get("patches")  # not there in ranges of before
        return cls(
            float(row["minimum"]),
            float(row["maximum"]),
            counts,
            int(row["n_maps"]),
            patch_summaries(() if patches is None else patches),
        )


def summarise(table: pa.Table) -> RangeSummary:
    """Summarise rows of `image_stats`: one map each, columns `COLUMNS`, and `patches` where it is there."""
    if not len(table):
        return RangeSummary()
    counts = merge_lists(table["histogram"])
    minima, maxima = table["minimum"].to_numpy(), table["maximum"].to_numpy()
    merged = merge_patches(table["patches"]) if "patches" in table.column_names else []
    return RangeSummary(float(minima.min()), float(maxima.max()), counts, len(table), patch_summaries(merged))


def patch_summaries(entries: Iterable[Mapping[Any, Any]]) -> dict[int, RangeSummary]:
    """Return the summaries of sums over patches by size, from entries of `patches`."""
    return {int(entry["size"]): RangeSummary.of_range(entry) for entry in entries}


def merge(summaries: Iterable[RangeSummary]) -> RangeSummary:
    """Merge any number of summaries."""
    return sum(summaries, RangeSummary())
