"""Reads a study's tables as pandas frames: whole ones once, rows of some images on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from igbatch.errors import InputError, one_line
from igbatch.reduce.summary import Summary
from igbatch.store import schemas
from igbatch.store.reader import Reader
from igbatch.store_errors import UNREADABLE, is_damage
from igbatch.study import Study
from igbatch.text import several

SCANNED_ROWS = 1 << 17
"""Rows that a scan yields at once, about."""
FRAME_COLUMNS = tuple(name for name in schemas.IMAGE_STATS.names if name not in ("patches", "label_maps"))
RANGE_COLUMNS = [name for name in schemas.RANGES.names if name != "patches"]
ROW_COLUMNS = tuple(name for name in FRAME_COLUMNS if name != "histogram")
"""Columns of `image_stats` without the histograms, which are larger than all others together."""

RANDOMIZATION_TABLES = ("similarity", "map_measures", "localization", "randomization", "significance")
SAMPLED_TABLES = ("faithfulness", "curves")


class _Reduced(cached_property[pd.DataFrame]):
    """The table of the reducer that has the attribute's name, read on first use; some columns, or all."""

    def __init__(self, words: str, columns: list[str] | None = None) -> None:
        super().__init__(lambda tables: frame_of(tables.read(self.attrname, columns)))
        self.__doc__ = f"{words} Raises InputError where it is not there, or damaged."


class Tables:
    """All tables of a study, read once, on first use; current rows only.

    `image_stats`, `box_stats` and `quarantine` hold all rows of the study. `rows_of`, `boxes_of` and
    `quarantine_of` hold some of them.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @cached_property
    def study(self) -> Study:
        """The study file: every key with its value or default.

        Raises:
            InputError: a value is none that this igbatch knows.
        """
        return self.reader.study

    @cached_property
    def image_stats(self) -> pd.DataFrame:
        """One row per variant, image and target; `docs/results.md` lists the columns.

        Holds the histogram of every map, 4 kB a row: `scope_range`, `image_ranges` and `complete` do without.
        The ranges of patches, four times as large, are left out: `scope_range` and `rows_of` read them.
        """
        return frame_of(self.reader.image_stats(FRAME_COLUMNS))

    @cached_property
    def box_stats(self) -> pd.DataFrame:
        """One row per variant, image, target and box."""
        return frame_of(self.reader.box_stats())

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """What is missing, and why; `target` is None where all of an image's targets are."""
        return _quarantine_frame(self.reader.quarantine())

    @cached_property
    def images(self) -> pd.DataFrame:
        """The images of the study."""
        return frame_of(self.reader.images)

    @cached_property
    def variants(self) -> pd.DataFrame:
        """The variants of the study, in its order."""
        return frame_of(self.reader.variants)

    @cached_property
    def ranges(self) -> pd.DataFrame:
        """Ranges: one row per variant, and one for the whole data set; of contrasts likewise.

        Raises InputError where it is not there, or damaged. Tables of earlier versions know no contrasts.
        """
        table = self.read("ranges")
        if "target" not in table.column_names:
            table = table.append_column("target", pa.nulls(len(table), pa.string()))
        return frame_of(table.select(RANGE_COLUMNS))

    aggregates = _Reduced("Box sums over the data set, per variant, target and box label.")

    @cached_property
    def deletions(self) -> pd.DataFrame:
        """How removing boxes and the sums in them agree, per variant, target and box label.

        It has no row where nothing was removed, as in outputs of earlier versions.
        """
        if not self.has("deletions"):
            return frame_of(schemas.DELETIONS.empty_table())
        return frame_of(self.read("deletions"))

    summary = _Reduced("Counts, errors and steps of the maps, one row per variant and target.")
    image_summary = _Reduced("What was found of each image, one row an image.")
    similarity = _Reduced("How alike two maps are, a row a comparison of a randomization study.")
    map_measures = _Reduced("Complexity of maps, likeness to edges, one row per variant, image and target.")
    localization = _Reduced("How maps lie in known boxes, one row per variant, image, target and box label.")
    randomization = _Reduced("Means over images of a randomization study's measures, with 95 % intervals.")
    significance = _Reduced("Tests of trained models against the null of random ones, and tests of signs.")
    faithfulness = _Reduced("Infidelity and sensitivity of a sample, one row per variant, image and target.")
    curves = _Reduced("Deletion and insertion curves of a sample, one row a curve (docs/results.md).")

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
        return frame_of(self.reader.rows_of(several(image_ids), several(columns or ROW_COLUMNS), variant_id))

    def boxes_of(
        self,
        image_ids: Sequence[str],
        columns: Sequence[str] | None = None,
        variant_id: str | None = None,
    ) -> pd.DataFrame:
        """Return the rows of `box_stats` of some images, as `rows_of` does."""
        return frame_of(self.reader.boxes_of(several(image_ids), columns and several(columns), variant_id))

    def quarantine_of(self, variant_id: str) -> pd.DataFrame:
        """Return what is missing of one variant, as `quarantine` has it, in the order of image and target."""
        return _quarantine_frame(self.reader.quarantine_of(variant_id))

    @cached_property
    def totals(self) -> Summary:
        """The `summary` of all maps together. Raises InputError where it is not there."""
        return Summary.of(self.summary)

    def image_scores(self, columns: Sequence[str]) -> pa.Table:
        """Return columns of `image_summary` in the order of the study; of images listed since, NaN or 0.

        Raises:
            InputError: the study was not reduced yet.
        """
        names = [*dict.fromkeys(["image_id", *columns])]
        found = self.read("image_summary", names)
        listed = self.reader.listing.image_ids
        if not found["image_id"].combine_chunks().equals(listed):
            found = found.take(pc.index_in(listed, value_set=found["image_id"].combine_chunks()))
        return found.select(list(columns))

    def scan_table(self, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of a table of the reducer, such as `similarity`, some rows at a time.

        Raises:
            InputError: it is not there.
        """
        with self.reader.output.filesystem.open_input_file(self.path_of(name)) as file:
            for batch in pq.ParquetFile(file).iter_batches(SCANNED_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch])

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Read a table of the reducer.

        Raises:
            InputError: it is not there, or damaged.
        """
        try:
            return self.reader.output.read_table(self.path_of(name), columns)
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            place = f"{self.reader.output.uri}: {name}.parquet cannot be read ({one_line(error, limit=100)})"
            raise InputError(f"{place}; run `igbatch reduce` to make it again") from error

    def has(self, name: str) -> bool:
        """Tell whether a table of the reducer is there; not where it is left of a section that is gone."""
        output = self.reader.output
        return self._has_section(name) and output.exists(output.path(f"{name}.parquet"))

    def path_of(self, name: str) -> str:
        """Return where a table of the reducer lies.

        Raises:
            InputError: it is not there; the line says why, and what to do.
        """
        file, again = f"{name}.parquet", "and run it again: what is computed stays"
        if name in RANDOMIZATION_TABLES and not self._has_section(name):
            why = f"the study has no `randomization` section, so there is no {file}; "
            why += f"add `randomization: {{}}` to its study file {again}"
        elif self.has(name):
            return self.reader.output.path(file)
        elif name in SAMPLED_TABLES:
            why = f"the study has no {file}; add `audit: {{{name}: {{}}}}` to the study file {again}"
        else:
            why = f"not reduced yet ({file} is missing); run `igbatch reduce` first"
        raise InputError(f"{self.reader.output.uri}: {why}")

    def _has_section(self, name: str) -> bool:
        """Tell whether the study has the section that a table is of: without, it is of an earlier study."""
        if name in RANDOMIZATION_TABLES:
            return self.study.randomization is not None
        return name not in SAMPLED_TABLES or getattr(self.study.audit, name) is not None


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a frame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _quarantine_frame(table: pa.Table) -> pd.DataFrame:
    frame = frame_of(table)
    return frame.astype({"target": object}).where(frame.notna(), None)


def quarantined_maps(lost: pd.DataFrame, n_targets: int) -> int:
    """Count the maps of a variant in quarantine; a row without a target stands for all of its image."""
    named = lost["target"].notna()
    whole = lost.loc[~named, "image_id"]
    return n_targets * whole.nunique() + int((named & ~lost["image_id"].isin(whole)).sum())
