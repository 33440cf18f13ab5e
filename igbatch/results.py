"""Reading a study: `igbatch.open_study(uri)`, for notebooks, scripts and the report alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.box_counts import BoxCounts
from igbatch.images.loading import load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.reduce.images import image_ranges
from igbatch.reduce.ranges import RangeSummary, Scope
from igbatch.reduce.scopes import ScopeRange, scope_range
from igbatch.reduce.summary import Summary
from igbatch.reduce.variant_scan import scan_variant
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SCANNED_ROWS = 1 << 17
"""Rows that a scan yields at once, about."""

ROW_COLUMNS = tuple(name for name in schemas.IMAGE_STATS.names if name != "histogram")
"""Columns of `image_stats` without the histogram, which is larger than all others together."""


class StudyResults:
    """A study's committed results; tables are read once, when they are first asked for.

    `image_stats`, `box_stats` and `quarantine` hold all rows of the study. Of a study that is too large for
    that, `rows_of` and `boxes_of` read some images, `scan_rows` and `scan_boxes` one variant bit by bit.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._reader = Reader(Output(uri))
        self._summaries: dict[str, RangeSummary] = {}
        self.study: dict[str, Any] = self._reader.study
        self.target_names: list[str] = self._reader.target_names

    @property
    def output(self) -> Output:
        """Where the study's files lie."""
        return self._reader.output

    @cached_property
    def image_stats(self) -> pd.DataFrame:
        """One row per variant, image and target; `docs/results.md` lists the columns.

        Holds every histogram: 4 kB a row. `scope_range`, `image_ranges` and `complete` do without it.
        """
        return _frame(self._reader.image_stats())

    @cached_property
    def box_stats(self) -> pd.DataFrame:
        """One row per variant, image, target and box."""
        return _frame(self._reader.box_stats())

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """What is missing, and why; `target` is None where all of an image's targets are."""
        return _quarantine_frame(self._reader.quarantine())

    @cached_property
    def images(self) -> pd.DataFrame:
        """The images of the study."""
        return _frame(self._reader.images)

    @cached_property
    def variants(self) -> pd.DataFrame:
        """The variants of the study, in its order."""
        return _frame(self._reader.variants)

    @cached_property
    def ranges(self) -> pd.DataFrame:
        """The reducer's ranges, with histograms: one row per variant, and one for the whole data set.

        Raises:
            InputError: the study was not reduced yet.
        """
        return self._table("ranges.parquet")

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """Box sums over the data set, per variant, target and box label.

        Raises:
            InputError: the study was not reduced yet.
        """
        return self._table("aggregates.parquet")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Counts, errors and steps of the maps, one row per variant and target, as the reducer found them.

        Raises:
            InputError: the study was not reduced yet.
        """
        return self._table("summary.parquet")

    @cached_property
    def totals(self) -> Summary:
        """What `summary` says of all maps together."""
        return Summary.of(self.summary)

    @cached_property
    def image_summary(self) -> pd.DataFrame:
        """What the reducer found of each image, one row an image in the order of the study.

        Raises:
            InputError: the study was not reduced yet.
        """
        return _frame(self.image_scores())

    def image_scores(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns of `image_summary`, all by default; images that were listed since have nulls.

        Raises:
            InputError: the study was not reduced yet.
        """
        names = list(columns or schemas.IMAGE_SUMMARY.names)
        path = self._path("image_summary.parquet")
        found = self.output.read_table(path, [*dict.fromkeys(["image_id", *names])])
        if not found["image_id"].combine_chunks().equals(self.listed_ids):
            places = pc.index_in(self.listed_ids, value_set=found["image_id"].combine_chunks())
            found = found.take(places).set_column(0, "image_id", self.listed_ids)
        return found.select(names)

    @property
    def randomized(self) -> bool:
        """Tell whether this is a randomization study: one with a `randomization` section, and reduced."""
        output = self._reader.output
        asked = self.study["study"].get("randomization") is not None
        return asked and output.exists(output.path("significance.parquet"))

    @cached_property
    def similarity(self) -> pd.DataFrame:
        """How alike two maps are, one row a comparison of a randomization study (docs/randomization.md).

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        return self._randomization_table("similarity")

    def scan_similarity(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of `similarity`, some rows at a time.

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        path = self._randomization_path("similarity")
        with self._reader.output.filesystem.open_input_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches(SCANNED_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch])

    @cached_property
    def map_measures(self) -> pd.DataFrame:
        """Complexity of maps and their likeness to edges, one row per variant, image and target.

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        return self._randomization_table("map_measures")

    @cached_property
    def localization(self) -> pd.DataFrame:
        """How maps lie in known boxes, one row per variant, image, target and box label.

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        return self._randomization_table("localization")

    @cached_property
    def randomization(self) -> pd.DataFrame:
        """Means over images of all measures of a randomization study, with 95 % intervals.

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        return self._randomization_table("randomization")

    @cached_property
    def significance(self) -> pd.DataFrame:
        """Tests of trained models against the null of random ones, and tests of signs.

        Raises:
            InputError: the study has no `randomization` section, or was not reduced yet.
        """
        return self._randomization_table("significance")

    @property
    def pruned_at(self) -> str | None:
        """When maps were deleted on purpose (UTC; `igbatch prune`), None where they were not."""
        return self._reader.pruned_at

    @cached_property
    def faithfulness(self) -> pd.DataFrame:
        """Infidelity and maximum sensitivity of a sample's maps, one row per variant, image and target.

        Raises:
            InputError: nothing was measured (`audit.faithfulness` of the study file).
        """
        output = self._reader.output
        if not output.exists(output.path("faithfulness.parquet")):
            raise InputError(
                f"{self.uri}: there is no faithfulness.parquet; add `audit: {{faithfulness: {{}}}}` to the "
                "study file and run it again: what is computed stays"
            )
        return self._table("faithfulness.parquet")

    @property
    def reduced(self) -> bool:
        """Tell whether the reducer's tables are there."""
        output = self._reader.output
        return output.exists(output.path("aggregates.parquet"))

    @cached_property
    def expected_rows(self) -> int:
        """Rows of `image_stats` that the finished study has."""
        images = sum(self._reader.expected_images(each) for each in self._reader.variant_ids)
        return images * len(self.target_names)

    @cached_property
    def box_counts(self) -> BoxCounts | None:
        """Counts of the boxes that the study's box file has on its images; None where it names none.

        What the file alone tells is as the last run found it. Boxes that are clipped or outside are those of
        the images that the last reduction found rows of.
        """
        record = self.study.get("boxes")
        if not record:
            return None
        planned = BoxCounts(**record)
        if not self.output.exists(self.output.path("image_summary.parquet")):
            return planned
        found = self.image_scores(["boxes_clipped", "boxes_skipped"])
        clipped, outside = (pc.sum(column).as_py() for column in found.columns)
        return planned if clipped is None else replace(planned, clipped=clipped, outside=outside, unchecked=0)

    @property
    def n_images(self) -> int:
        """Number of images of the study."""
        return len(self._reader.listing.image_ids)

    def expected(self, variant_id: str) -> NDArray[np.bool_]:
        """Tell which images a variant is computed on: bool [images], in the order of the study's list."""
        return self._reader.expected(variant_id)

    def variants_of(self, image_id: str) -> list[str]:
        """Return the variants that are computed on an image, in the order of the study."""
        return self._reader.variants_of(image_id)

    @cached_property
    def n_rows(self) -> int:
        """Rows of `image_stats` that are there: a scan of each variant that changed since it was reduced."""
        return sum(self.summary_of(each).n_maps for each in self._reader.variant_ids)

    @property
    def complete(self) -> bool:
        """Tell whether every expected row is there, none missing or in quarantine."""
        return self.n_rows == self.expected_rows

    def image_ids(self, places: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """Return the ids of images by their places in the study's list, from 0."""
        return list(self._reader.listing.image_ids.take(pa.array(places, pa.int64())).to_pylist())

    @property
    def listed_ids(self) -> pa.Array:
        """The ids of all images, in the study's order."""
        return self._reader.listing.image_ids

    def places(self, image_ids: Sequence[str] | pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the places of images in the study's list, from 0; -1 where it has none of that id."""
        ids = image_ids if isinstance(image_ids, pa.ChunkedArray) else pa.array(image_ids, pa.string())
        return self._reader.listing.places(pa.table({"image_id": ids}))

    def listed(self, image_ids: Sequence[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows of `images` of some images, in the order given; unknown ids are left out."""
        return _frame(self._reader.listed(list(image_ids), columns))

    def rows_of(
        self,
        image_ids: Sequence[str],
        columns: Sequence[str] | None = None,
        variant_id: str | None = None,
    ) -> pd.DataFrame:
        """Return the rows of `image_stats` of some images, of all variants or of one, and no others.

        Columns are `ROW_COLUMNS` where none are named: the histogram is read only if it is.
        Rows are in the order of `image_stats`. Of few images of a reduced study only the files are read that
        may hold them; elsewhere the first call scans each variant once for where rows lie.
        """
        return _frame(self._reader.rows_of(image_ids, columns or ROW_COLUMNS, variant_id))

    def boxes_of(
        self,
        image_ids: Sequence[str],
        columns: Sequence[str] | None = None,
        variant_id: str | None = None,
    ) -> pd.DataFrame:
        """Return the rows of `box_stats` of some images, as `rows_of` does."""
        return _frame(self._reader.boxes_of(image_ids, columns, variant_id))

    def scan_rows(self, variant_id: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the rows of `image_stats` of a variant, `SCANNED_ROWS` at a time, in any order."""
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in columns])
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in self._reader.batches(columns, variant_id):
            waiting.append(batch)
            rows += len(batch)
            if rows >= SCANNED_ROWS:
                yield pa.Table.from_batches(waiting, schema)
                waiting, rows = [], 0
        if waiting:
            yield pa.Table.from_batches(waiting, schema)

    def scan_boxes(self, variant_id: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the rows of `box_stats` of one variant, some at a time, in any order."""
        yield from self._reader.box_batches(columns, variant_id)

    def grids(self, variant_id: str, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return numeric columns of `image_stats` of a variant: float64 [images, targets] each.

        Images and targets are in the study's order; NaN stands where there is no row or no value. One scan.
        """
        size, wide = self._reader.listing.size, len(self.target_names)
        found = {name: np.full(size, np.nan) for name in columns}
        for chunk in self._reader.claims(variant_id, columns):
            keys = chunk.keys[chunk.won]
            for name, grid in found.items():
                values = chunk.rows[name].cast(pa.float64()).to_numpy()
                grid[keys] = values[chunk.won]
        return {name: grid.reshape(-1, wide) for name, grid in found.items()}

    def scan_keyed_boxes(
        self, variant_id: str, columns: Sequence[str]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], pa.Table]]:
        """Yield what `scan_boxes` does, after the places of each row's image and target in their lists."""
        for keys, rows in self._reader.keyed_boxes(columns, variant_id):
            yield *np.divmod(keys, len(self.target_names)), rows

    def quarantine_of(self, variant_id: str) -> pd.DataFrame:
        """Return what is missing of one variant, as `quarantine` has it, in the order of image and target."""
        return _quarantine_frame(self._reader.quarantine_of(variant_id))

    def summary_of(self, variant_id: str) -> RangeSummary:
        """Return extremes, histogram and number of all maps of a variant.

        They come from `ranges`; from a scan where shards were committed since the last reduction.
        """
        known = self._reader.reduced and self.reduced and "histogram" in self.ranges
        if known and not self._summaries:
            rows = self.ranges[self.ranges["scope"] == "variant"].to_dict("records")
            self._summaries = dict.fromkeys(self._reader.variant_ids, RangeSummary())
            self._summaries |= {row["variant_id"]: RangeSummary.of_range(row) for row in rows}
        if variant_id not in self._summaries:
            self._summaries[variant_id] = scan_variant(self._reader, variant_id).ranges
        return self._summaries[variant_id]

    def attribution(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        """Return one raw map: float32 [H, W], in units of the output.

        Raises:
            KeyError: there is no such map, or it was not kept (`store.maps`).
        """
        return self._reader.attribution(variant_id, image_id, target)

    def pixels(self, image_id: str, variant_id: str | None = None) -> np.ndarray:
        """Return an image as the model saw it, before normalization: float32 [H, W, 3] in 0..1.

        `variant_id` says which model's preprocessing, the first one's by default. The image is read again.

        Raises:
            KeyError: there is no such image.
            ImageError: the image cannot be read any more.
        """
        listed = self.listed([image_id], ["uri"])
        if not len(listed):
            raise KeyError(f"no image {image_id!r} in the study")
        uri = str(listed["uri"].iloc[0])
        models = self.variants.set_index("variant_id")["model"]
        model = models[variant_id] if variant_id is not None else models.iloc[0]
        preprocessing = Preprocessing.from_data_config(self.study["models"][model]["data_config"])
        return preprocessing.pixels(load_image(uri).image)

    def scope_range(
        self,
        scope: Scope,
        *,
        variant_id: str | None = None,
        image_id: str | None = None,
        targets: Sequence[str] | None = None,
    ) -> ScopeRange:
        """Return the range that the maps of a scope share, from their statistics (`igbatch.reduce.scopes`).

        Raises:
            ValueError: the scope is unknown, or a key that it needs is missing.
            KeyError: none of its maps is there.
        """
        keys: dict[str, Any] = {"variant_id": variant_id, "image_id": image_id, "targets": targets}
        return scope_range(self._reader, self.summary_of, scope, **keys)

    def image_ranges(self, scope: str, variant_id: str | None = None) -> pd.DataFrame:
        """Return the ranges of all images at once, under a scope of theirs: image, pair, targets or models.

        One row a range: variant_id (None for models), image_id, targets, minimum, maximum, complete.

        Raises:
            ValueError: the scope is another one.
        """
        return _frame(pa.concat_tables(image_ranges(self._reader, scope, variant_id)))

    def figure(
        self,
        image_id: str,
        variants: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
        scope: str = "pair",
        *,
        rule: str | None = None,
        percentile: float | None = None,
        ends: tuple[float, float] | None = None,
        part: str = "signed",
        level: float = 1.0,
        palette: str = "red-white-blue",
        contour: float = 0.0,
        blur: int = 4,
        opacity: float = 1.0,
    ) -> Figure:
        """Return the report's figure of one image: variants are rows, targets are columns.

        Every map carries its minimum, maximum, sum and normalization. The choices are those of
        `igbatch report --format` (docs/figures.md).

        Args:
            image_id: of the study.
            variants: by default all that the study asks for on this image.
            targets: all by default; under `pair`, more than two make a row for each pair.
            scope: raw, image, pair, targets, models, variant or dataset: whose range the colours stand for.
            rule: symmetric (default), min-max, percentile or fixed: how the range becomes the ends.
            percentile: of |a|, 90 to 100, where the colours end; 99 by default, under the rule `percentile`.
            ends: where the colours end, in units of the output; this is the rule `fixed`.
            part: signed, positive, negative or absolute.
            level: 1 to 20; at 2 the end colour is reached at half of the range.
            palette: red-white-blue, orange-white-purple, brown-white-teal or gray.
            contour: a line around the strongest so many percent of a map's pixels.
            blur: pixels around each that its strength for the contour is averaged over, 0 to 16.
            opacity: of the map over the photograph, 0 to 1.

        Raises:
            InputError: a choice is wrong, or the study has no such image, variant or target.
        """
        from igbatch.report.color.style import Look
        from igbatch.report.figures.draw import study_figure

        lines = {"contour": contour, "blur": blur}
        colors = {"part": part, "level": level, "palette": palette, "opacity": opacity}
        look = Look.of(rule=rule, percentile=percentile, ends=ends, **lines, **colors)
        return study_figure(self, image_id, variants, targets, scope, look)

    def _randomization_table(self, name: str) -> pd.DataFrame:
        return _frame(self._reader.output.read_table(self._randomization_path(name)))

    def _randomization_path(self, name: str) -> str:
        if self.study["study"].get("randomization") is None:
            raise InputError(
                f"{self.uri}: the study has no `randomization` section, so there is no {name}.parquet; add "
                "`randomization: {}` to its study file and run it again: what is computed stays"
            )
        return self._path(f"{name}.parquet")

    def _table(self, name: str) -> pd.DataFrame:
        return _frame(self._reader.output.read_table(self._path(name)))

    def _path(self, name: str) -> str:
        output = self._reader.output
        if not output.exists(output.path(name)):
            raise InputError(f"{self.uri}: not reduced yet ({name} is missing); run `igbatch reduce` first")
        return output.path(name)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _quarantine_frame(table: pa.Table) -> pd.DataFrame:
    frame = _frame(table)
    return frame.astype({"target": object}).where(frame.notna(), None)


def open_study(uri: str) -> StudyResults:
    """Open a study's output for reading, at a local path or any URI that pyarrow or fsspec opens.

    Raises:
        InputError: there is no study at this place.
    """
    return StudyResults(str(uri))
