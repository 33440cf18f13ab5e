"""Ranges of the normalization scopes: extremes and quantiles that maps share when they share a colour bar.

A summary is mergeable: minima, maxima and histograms of parts give those of the whole, so that shards can be
summarised anywhere and in any order, and no map is ever read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from igbatch.statistics.histogram import N_BINS, fold, quantile, smallest_counted
from igbatch.statistics.image_stats import QUANTILES
from igbatch.store.histograms import merge_lists

Scope = Literal["raw", "image", "pair", "targets", "models", "variant", "dataset"]
"""Which maps share a range; under `raw`, which is no normalization, all of a study share one round scale."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
COLUMNS = ("minimum", "maximum", "histogram")


@dataclass(frozen=True)
class RangeSummary:
    """Extremes and value counts of some maps; `+` merges two summaries."""

    minimum: float = math.inf
    maximum: float = -math.inf
    counts: np.ndarray = field(default_factory=lambda: np.zeros(N_BINS, dtype=np.int64))
    n_maps: int = 0

    def __add__(self, other: RangeSummary) -> RangeSummary:
        return RangeSummary(
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.counts + other.counts,
            self.n_maps + other.n_maps,
        )

    @classmethod
    def of_rows(cls, rows: pd.DataFrame) -> RangeSummary:
        """Summarise rows of `image_stats` that are held already (columns `COLUMNS`): one map each."""
        return summarise(pa.Table.from_pandas(rows[[*COLUMNS]], preserve_index=False))

    @property
    def largest(self) -> float:
        """The largest |a|; 0 where no map was summarised."""
        return max(-self.minimum, self.maximum, 0.0)

    def magnitude(self, q: float) -> float:
        """Return a quantile of |a| over all pixels, q from 0 to 1: the largest |a| at 1.

        It is within `histogram.RELATIVE_ERROR` of the exact one.

        Raises:
            InputError: no map was summarised.
        """
        counts = fold(self.counts)
        smallest = smallest_counted(counts, self.largest) if counts.any() else 0.0
        return quantile(counts, q, smallest, self.largest)

    def row(self, scope: str, variant_id: str | None, expected: int) -> dict[str, Any]:
        """Return a row of `schemas.RANGES`; `expected` maps make it complete.

        Quantiles are within `histogram.RELATIVE_ERROR` of those of the maps' pixels.

        Raises:
            InputError: no map was summarised.
        """
        quantiles = {
            name: quantile(self.counts, q, self.minimum, self.maximum) for name, q in QUANTILES.items()
        }
        return {
            "scope": scope,
            "variant_id": variant_id,
            "minimum": self.minimum,
            "maximum": self.maximum,
            **quantiles,
            "n_maps": self.n_maps,
            "complete": self.n_maps == expected,
            "histogram": self.counts,
        }

    @classmethod
    def of_range(cls, row: Mapping[Any, Any]) -> RangeSummary:
        """Return the summary that a row of `schemas.RANGES` was made from."""
        counts = np.asarray(row["histogram"], dtype=np.int64)
        return cls(float(row["minimum"]), float(row["maximum"]), counts, int(row["n_maps"]))


def summarise(table: pa.Table) -> RangeSummary:
    """Summarise rows of `image_stats` (columns `COLUMNS`): one map each."""
    if not len(table):
        return RangeSummary()
    counts = merge_lists(table["histogram"])
    minima, maxima = table["minimum"].to_numpy(), table["maximum"].to_numpy()
    return RangeSummary(float(minima.min()), float(maxima.max()), counts, len(table))


def merge(summaries: Iterable[RangeSummary]) -> RangeSummary:
    """Merge any number of summaries."""
    return sum(summaries, RangeSummary())
