"""Ranges as the page's script gets them: extremes, and high quantiles of |a| for the percentile rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge
from igbatch.results import StudyResults

PERCENTILES = tuple(round(90 + step / 10, 1) for step in range(101))
"""Of |a|: those that the percentile rule offers, 90.0 to 100.0."""


def page_range(summary: RangeSummary, expected: int) -> dict[str, Any] | None:
    """Return a `Range` of the page's script; None where no map is there.

    Quantiles of |a| come from the histogram, within `histogram.RELATIVE_ERROR`; the last one is exact.
    """
    if not summary.n_maps:
        return None
    return {
        "minimum": summary.minimum,
        "maximum": summary.maximum,
        "n_maps": summary.n_maps,
        "complete": summary.n_maps == expected,
        "quantiles": [summary.magnitude(percentile / 100) for percentile in PERCENTILES],
    }


class StudyRanges:
    """The ranges that a study's maps share: of the whole study, and of one image at a time."""

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self._every = len(results.target_names)

    def raw(self) -> dict[str, Any] | None:
        """Return the ends of the raw scale as a range: every quantile is the end."""
        try:
            scale = self.results.scope_range("raw")
        except KeyError:
            return None
        return {
            "minimum": scale.minimum,
            "maximum": scale.maximum,
            "n_maps": scale.n_maps,
            "complete": scale.complete,
            "quantiles": [scale.maximum] * len(PERCENTILES),
        }

    def variant(self, variant_id: str) -> dict[str, Any] | None:
        """Return the range of all maps of a variant."""
        return page_range(self.results.range_of(variant_id), self._every * self._images(variant_id))

    def dataset(self) -> dict[str, Any] | None:
        """Return the range of all maps of the study."""
        variants = [str(each) for each in self.results.variants["variant_id"]]
        return page_range(merge(map(self.results.range_of, variants)), self.results.expected_rows)

    def image(self, image_id: str) -> ImageRanges:
        """Read the statistics of one image, histograms among them: 4 kB a map."""
        columns = ["variant_id", *COLUMNS]
        return ImageRanges(
            self.results.rows_of([image_id], columns), self._every, self.results.reader.variants_of(image_id)
        )

    def _images(self, variant_id: str) -> int:
        return int(np.count_nonzero(self.results.reader.expected(variant_id)))


class ImageRanges:
    """The ranges that the maps of one image share, within a variant and over all variants."""

    def __init__(self, rows: pd.DataFrame, every: int, variants: list[str]) -> None:
        self.rows, self.every, self.variants = rows, every, variants

    def targets(self, variant_id: str) -> dict[str, Any] | None:
        """Return the range of all targets' maps of a variant."""
        return page_range(RangeSummary.of_rows(self.rows[self.rows["variant_id"] == variant_id]), self.every)

    def models(self) -> dict[str, Any] | None:
        """Return the range of all variants' and targets' maps."""
        return page_range(RangeSummary.of_rows(self.rows), self.every * len(self.variants))


def finite(value: Any) -> float | None:
    """Return a number that JSON can hold: None where there is none, or where it is not finite."""
    return None if value is None or pd.isna(value) or not math.isfinite(value) else float(value)
