"""A study read bit by bit, one variant at a time: for what is too large to be held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.reduce.ranges import RangeSummary
from igbatch.reduce.variant_scan import grids, scan_variant
from igbatch.results.tables import SCANNED_ROWS
from igbatch.store import schemas
from igbatch.store.reader import Reader
from igbatch.store.scan import gathered


class Scans:
    """The scans of a study. Each reads a variant's statistics once, some rows and few columns at a time."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._summaries: dict[str, RangeSummary] = {}

    def rows(self, variant_id: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the rows of `image_stats` of a variant, `SCANNED_ROWS` at a time, in any order."""
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in columns])
        batches = (("", batch) for batch in self.reader.batches(columns, variant_id))
        for found in gathered(batches, SCANNED_ROWS):
            yield pa.Table.from_batches([batch for _, batch in found], schema)

    def boxes(self, variant_id: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the rows of `box_stats` of one variant, some at a time, in any order."""
        return (rows for _, rows in self.reader.keyed_boxes(columns, variant_id))

    def grids(self, variant_id: str, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return numeric columns of `image_stats` of a variant: float64 [images, targets] each.

        Images and targets are in the study's order; NaN stands where there is no row or no value. One scan.
        """
        return grids(self.reader, variant_id, columns)

    def summary(self, variant_id: str) -> RangeSummary:
        """Return extremes, histogram and number of all maps of a variant."""
        if variant_id not in self._summaries:
            self._summaries[variant_id] = scan_variant(self.reader, variant_id).ranges
        return self._summaries[variant_id]
