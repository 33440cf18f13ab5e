"""An opened study: its tables, its scans, its maps, and the ranges that maps share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.box_counts import BoxCounts
from igbatch.images.loading import load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.reduce.image_ranges import image_ranges
from igbatch.reduce.ranges import RangeSummary, Regions, Scope, region_size
from igbatch.reduce.scopes import ScopeRange, scope_range
from igbatch.reduce.variant_scan import grids, scan_variant
from igbatch.results.image_regions import ImageRegions
from igbatch.results.stored_maps import StoredMap, maps_of
from igbatch.results.tables import SCANNED_ROWS, frame_of
from igbatch.statistics.partitions import SEGMENTS, Partition
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.store.row_index import Listing
from igbatch.store.scan import gathered
from igbatch.text import listing, several


class NotebookView(Protocol):
    """What a notebook shows of a study: `igbatch.report.page.viewer.EmbeddedViewer`."""

    def _repr_html_(self) -> str: ...

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it to a local file, and return its path."""


class Scans:
    """A study read bit by bit: each scan reads a variant's rows once, some rows and few columns at a time."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._summaries: dict[str, dict[str, RangeSummary]] = {}

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

    def summary(self, variant_id: str, contrast: str = "") -> RangeSummary:
        """Return extremes, histogram and number of all maps of a variant, of classes or of one contrast."""
        if variant_id not in self._summaries:
            found = scan_variant(self.reader, variant_id)
            self._summaries[variant_id] = {"": found.ranges, **found.contrasts}
        return self._summaries[variant_id][contrast]


class StudyResults(ImageRegions):
    """A study's committed results.

    Attributes:
        uri: where the study lies, as it was opened.
        reader: the same as Arrow tables, and the index of current rows.
        record: the content of `study.json`: what the study resolved to, and what it ran on.
        target_names: values of the `target` column, in the study's order.
        scans: rows and boxes of one variant bit by bit, of a study that is too large for its tables.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(Reader(Output(uri)))
        self.uri = uri
        self.record: dict[str, Any] = self.reader.record
        self.target_names = self.reader.target_names
        self.scans = Scans(self.reader)

    @property
    def listing(self) -> Listing:
        """The ids of the images, in the study's order, and places in their list."""
        return self.reader.listing

    @property
    def n_images(self) -> int:
        """Number of images of the study."""
        return len(self.listing.image_ids)

    @cached_property
    def expected_rows(self) -> int:
        """Rows of `image_stats` that the finished study has."""
        images = sum(self.reader.expected_images(each) for each in self.reader.variant_ids)
        return images * len(self.target_names)

    @cached_property
    def n_rows(self) -> int:
        """Rows of `image_stats` that are there."""
        return sum(
            self.range_of(*key).n_maps for key in product(self.reader.variant_ids, self.reader.families)
        )

    @property
    def complete(self) -> bool:
        """Tell whether every expected row is there, none missing or in quarantine."""
        return self.n_rows == self.expected_rows

    @property
    def reduced(self) -> bool:
        """Tell whether the reducer's tables are there."""
        return self.has("aggregates")

    @property
    def randomized(self) -> bool:
        """Tell whether this is a randomization study: one with a `randomization` section, and reduced."""
        return self.has("significance")

    @cached_property
    def box_counts(self) -> BoxCounts | None:
        """Counts of the boxes that the study's box file has on its images; None where it names none.

        What the file alone tells is as the last run found it; boxes that are clipped or outside are those of
        the images that the last reduction found maps of.
        """
        record = self.record.get("boxes")
        planned = BoxCounts(**record) if record else None
        if planned is None or not self.has("image_summary"):
            return planned
        found = self.image_scores(["boxes_clipped", "boxes_skipped"])
        clipped, outside = (pc.sum(column).as_py() for column in found.columns)
        return planned if clipped is None else replace(planned, clipped=clipped, outside=outside, unchecked=0)

    @cached_property
    def _ranges(self) -> dict[tuple[str, str], RangeSummary]:
        """The ranges of all variants, where those of the last reduction still hold."""
        if not self.reader.reduced("ranges"):
            return {}
        rows = self.read("ranges").to_pylist()
        found = {
            (row["variant_id"], row.get("target") or ""): RangeSummary.of_range(row)
            for row in rows
            if row["scope"] == "variant"
        }
        return dict.fromkeys(product(self.reader.variant_ids, self.reader.families), RangeSummary()) | found

    @property
    def contrasts(self) -> dict[str, tuple[str, str]]:
        """The names of the two classes of each target that is a contrast."""
        return self.reader.contrasts

    def range_of(self, variant_id: str, contrast: str = "") -> RangeSummary:
        """Return extremes, histogram and number of all maps of a variant, of classes or of one contrast.

        They come from `ranges`; from a scan where shards were committed since the last reduction.
        """
        if contrast not in self.reader.families:  # of a study of contrasts alone
            return RangeSummary()
        return self._ranges.get((variant_id, contrast)) or self.scans.summary(variant_id, contrast)

    def attribution(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        """Return one raw map: float32 [H, W], in units of the output.

        Raises:
            KeyError: there is no such map, or it was not kept (`store.maps`).
        """
        return self.reader.attribution(variant_id, image_id, target)

    def spread(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        """Return how a map depends on the baseline: float32 [H, W], in units of the output.

        It is the standard deviation of each pixel over the maps of all baselines, whose mean the map is.

        Raises:
            KeyError: there is no such map, it was not kept (`store.maps`), or the study has one baseline.
        """
        return self.reader.attribution(variant_id, image_id, target, "spread")

    def maps_of(self, variant_id: str, image_ids: Sequence[str]) -> Iterator[StoredMap]:
        """Return the maps of a variant on some images, in any order: (image_id, target, float32 [H, W]) each.

        They are read as they are taken, each file once, a row group at a time. Maps that are not there are
        passed over.

        Raises:
            InputError: the study has no such variant or image, or a file of maps is gone or damaged.
        """
        chosen = several(image_ids)
        if variant_id not in (known := self.reader.variant_ids):
            raise InputError(f"variant {variant_id!r} is not in the study; it has {listing(list(known))}")
        for name, place in zip(chosen, self.listing.places_of(chosen), strict=True):
            if place < 0:
                raise InputError(f"image {name!r} is not in the study; `images` lists its ids")
        return maps_of(self.reader, variant_id, chosen)

    def mean_map(
        self,
        variant_id: str,
        target: str,
        image_ids: Sequence[str] | None = None,
        regions: Regions = "pixel",
    ) -> tuple[NDArray[np.float64], int]:
        """Return the mean of the maps of a variant and target, and of how many maps it is.

        The mean is float64 [H, W], or [H / size, W / size] of sums over regions. Maps are read one after the
        other (`maps_of`).

        Args:
            variant_id, target: of the maps.
            image_ids: of the maps; None: all images.
            regions: what is added up of a map before.

        Raises:
            KeyError: none of the maps is there.
            InputError: there are no such regions, they differ between images, the study has no such variant
                or image, or a file of maps is gone or damaged.
        """
        if regions in SEGMENTS:
            raise InputError(f"regions {regions!r} differ between images; take the mean by pixel or patches")
        squares, total, count = Partition(region_size(regions)), np.zeros(()), 0
        chosen = self.listing.image_ids.to_pylist() if image_ids is None else image_ids
        for _, of, values in self.maps_of(variant_id, chosen):
            if of == target:
                total, count = total + squares.sums(values), count + 1
        if not count:
            raise KeyError(f"no map of variant {variant_id!r} and target {target!r} on these images")
        return total / count, count

    def region_sums(self, variant_id: str, image_id: str, target: str, regions: Regions) -> np.ndarray:
        """Return the sums of a map over regions, which add up to its sum.

        Of patches they are float64 [H / size, W / size], rounded up; of superpixels and objects [regions], by
        the numbers of `label_map`.

        Raises:
            KeyError: there is no such map, or it was not kept (`store.maps`).
            InputError: there are no such regions, or the study kept none.
        """
        values = self.attribution(variant_id, image_id, target)
        return self.partition(variant_id, image_id, regions).sums(values)

    def view(self, images: str | Sequence[str], **choices: Any) -> NotebookView:
        """Return the report page's viewer of some images, for a notebook or a file: `igbatch.view`.

        Raises:
            InputError: a choice is wrong, or the study has no such image.
        """
        package: Any = import_module("igbatch")  # which knows the report; results do not
        shown: NotebookView = package.view(self, images, **choices)
        return shown

    def pixels(self, image_id: str, variant_id: str | None = None) -> np.ndarray:
        """Return an image as the model saw it, before normalization: float32 [H, W, 3] in 0..1.

        `variant_id` says which model's preprocessing, the first one's by default. The image is read again.

        Raises:
            KeyError: there is no such image.
            ImageError: the image cannot be read any more.
        """
        uris = self.reader.listed([image_id], ["uri"])["uri"].to_pylist()
        if not uris:
            raise KeyError(f"no image {image_id!r} in the study")
        model = self._model_of(str(self.variants["variant_id"].iloc[0]) if variant_id is None else variant_id)
        preprocessing = Preprocessing.from_data_config(self.record["models"][model]["data_config"])
        return preprocessing.pixels(load_image(uris[0]).image)

    def scope_range(
        self,
        scope: Scope,
        *,
        variant_id: str | None = None,
        image_id: str | None = None,
        targets: Sequence[str] | None = None,
        regions: Regions = "pixel",
    ) -> ScopeRange:
        """Return the range that the maps of a scope share, from their statistics (`igbatch.reduce.scopes`).

        Raises:
            ValueError: the scope is unknown, or a key that it needs is missing.
            KeyError: none of its maps is there.
            InputError: there are no such regions, or their ranges were not kept when the study was computed.
        """
        names = None if targets is None else several(targets)
        keys: dict[str, Any] = {"variant_id": variant_id, "image_id": image_id, "targets": names}
        return scope_range(self.reader, self.range_of, scope, regions=regions, **keys)

    def image_ranges(self, scope: str, variant_id: str | None = None) -> pd.DataFrame:
        """Return the ranges of all images at once, under a scope of theirs: image, pair, targets or models.

        One row a range: variant_id (None for models), image_id, targets, minimum, maximum, complete.

        Raises:
            ValueError: the scope is another one.
        """
        return frame_of(pa.concat_tables(image_ranges(self.reader, scope, variant_id)))


def open_study(uri: str) -> StudyResults:
    """Open a study's output for reading, at a local path or any URI that pyarrow or fsspec opens.

    Raises:
        InputError: there is no study at this place.
    """
    return StudyResults(str(uri))
