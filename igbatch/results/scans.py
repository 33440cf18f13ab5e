"""A study read bit by bit, one variant at a time: for what is too large to be held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.images.box_counts import BoxCounts
from igbatch.reduce.ranges import RangeSummary
from igbatch.reduce.survey import survey
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
        return self.reader.box_batches(columns, variant_id)

    def grids(self, variant_id: str, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return numeric columns of `image_stats` of a variant: float64 [images, targets] each.

        Images and targets are in the study's order; NaN stands where there is no row or no value. One scan.
        """
        found = {name: np.full(self.reader.listing.size, np.nan) for name in columns}
        for chunk in self.reader.claims(variant_id, columns):
            keys = chunk.keys[chunk.won]
            for name, grid in found.items():
                values = chunk.rows[name].cast(pa.float64()).to_numpy()
                grid[keys] = values[chunk.won]
        wide = len(self.reader.target_names)
        return {name: grid.reshape(-1, wide) for name, grid in found.items()}

    def summary(self, variant_id: str) -> RangeSummary:
        """Return extremes, histogram and number of all maps of a variant."""
        if variant_id not in self._summaries:
            self._summaries[variant_id] = survey(self.reader, variant_id).summary
        return self._summaries[variant_id]

    def n_rows(self, variant_id: str) -> int:
        """Return how many rows of `image_stats` a variant has."""
        if variant_id in self._summaries:
            return self._summaries[variant_id].n_maps
        return int(np.count_nonzero(self.reader.winners(variant_id).owner >= 0))

    @cached_property
    def computed(self) -> NDArray[np.bool_]:
        """Which images have any map: bool [images], in the order of the study's list."""
        found = np.zeros(len(self.reader.listing.image_ids), dtype=bool)
        for each in self.reader.variant_ids:
            self.summary(each)  # the same scan tells both
            found |= self.reader.winners(each).images
        return found

    def count_boxes(self, planned: BoxCounts) -> BoxCounts:
        """Complete the counts of a study's boxes by what became of those of the images that were read.

        They come from a scan of the first variant, and of others until every image is met.
        """
        read = np.zeros(len(self.reader.listing.image_ids), dtype=bool)
        found = {"boxes_clipped": 0, "boxes_skipped": 0}  # null in rows of before, which had neither
        for variant_id in self.reader.variant_ids:
            for rows in self.rows(variant_id, ["image_id", *found]):
                places, firsts = np.unique(self.reader.listing.places_of(rows["image_id"]), return_index=True)
                new = pa.array(firsts[~read[places]])
                read[places] = True
                for name in found:
                    found[name] += pc.sum(rows[name].take(new)).as_py() or 0
            if read.all():
                break
        if not read.any():
            return planned
        return replace(planned, clipped=found["boxes_clipped"], outside=found["boxes_skipped"], unchecked=0)
