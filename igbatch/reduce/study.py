"""Reducing a study: one scan of each variant's statistics and boxes, merged into the study's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.reduce import summary
from igbatch.reduce.boxes import VariantBoxes
from igbatch.reduce.image_scores import Best, ImagePart, ImageScores, ImageValues
from igbatch.reduce.randomization.study import MapShards, reduce_randomization
from igbatch.reduce.ranges import RangeSummary, merge
from igbatch.reduce.variant_scan import VariantScan, scan_variant
from igbatch.statistics.image_stats import allowed_error
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.provenance import NEWER_TABLES, TABLES, marked
from igbatch.store.reader import Reader
from igbatch.store.shards import with_listing

COLUMNS = (*summary.COLUMNS, "sum", "boxes_clipped", "boxes_skipped")


@dataclass(frozen=True)
class VariantPart:
    """What one variant contributes to the tables of its study, whatever the number of images.

    Attributes:
        ranges: of its maps, those of contrasts left out.
        contrasts: of the maps of each contrast.
        weights_sha256: the digests of its weights.
        aggregates, deletions: of its boxes.
        summary, shards: its rows of these tables.
    """

    variant_id: str
    ranges: RangeSummary
    contrasts: Mapping[str, RangeSummary]
    weights_sha256: list[str]
    aggregates: pd.DataFrame
    deletions: pd.DataFrame
    summary: pa.Table
    shards: pa.Table


def reduce_variant(task: tuple[Output, str]) -> tuple[VariantPart, ImagePart]:
    """Reduce one variant of an output: a pure function of (output, variant_id), which can run anywhere.

    Returns what it contributes to the tables of the study, and to the scores of images.
    """
    output, variant_id = task
    reader = Reader(output)
    settings = reader.study.attribution
    scan = scan_variant(reader, variant_id, COLUMNS)
    off = allowed_error(scan.columns, settings.tolerance, settings.atol)
    rows = list(summary.summary_rows(scan, off, reader, variant_id))
    images = _image_part(variant_id, scan, off.ratio)
    ranges, weights, shards = (scan.ranges, scan.contrasts), scan.weights_sha256, scan.shards
    del scan, off  # before boxes are read
    pa.default_memory_pool().release_unused()
    boxes = VariantBoxes.read(reader, variant_id)
    kind = reader.variants["kind"][reader.variant_ids.index(variant_id)].as_py()
    if kind == "trained":
        left_out = [reader.target_names.index(name) for name in reader.contrasts]
        images = replace(images, labels=boxes.labels, contrast=boxes.contrast(left_out))
    if kind in ("trained", "random"):
        images.values["share"] = boxes.shares()
    else:
        images.values.clear()
    for row, count in zip(rows, boxes.every.tolist(), strict=True):
        row["n_boxes"] = count
    summed = pa.Table.from_pylist(rows, schema=schemas.SUMMARY)
    aggregates = boxes.aggregates(reader, variant_id)
    return VariantPart(variant_id, *ranges, weights, *aggregates, summed, shards), images


def _image_part(variant_id: str, scan: VariantScan, ratios: np.ndarray) -> ImagePart:
    """Return what a variant's maps contribute to the scores of images; `ratios` are those of their errors."""
    size = scan.columns["abs_sum"].T
    target, place = np.nonzero(size > 0)
    net = scan.columns["sum"].T[target, place] / size[target, place]
    keys = target * len(scan.present) + place
    return ImagePart(
        variant_id,
        scan.present.sum(axis=1, dtype=np.int32),
        scan.columns["boxes_clipped"].max(axis=1),
        scan.columns["boxes_skipped"].max(axis=1),
        Best.of_grid(ratios),
        values={"net_share": ImageValues([""], keys, net)},
    )


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study as they are found; only `images` grows with the study."""

    reader: Reader
    state: str
    parts: list[VariantPart]
    images: ImageScores

    @classmethod
    def of(cls, reader: Reader, map_shards: MapShards = map) -> StudyTables:
        """Reduce all variants of a study, without its randomization."""
        found = cls(reader, reader.state, [], ImageScores(reader))
        tasks = [(reader.output, variant_id) for variant_id in reader.variant_ids]
        for part, images in map_shards(reduce_variant, tasks):
            found.parts.append(part)
            found.images.add(images)
            del images  # before the next ones are there
        return found

    def families(self) -> dict[str, RangeSummary]:
        """Return the ranges of all maps of classes, under "", and of those of each contrast."""
        return {family: merge(self._of_family(family)) for family in self.reader.families}

    def _of_family(self, family: str) -> list[RangeSummary]:
        return [part.contrasts[family] if family else part.ranges for part in self.parts]

    def write(self, name: str) -> None:
        """Write one of `TABLES`, with the state that it was made from."""
        output = self.reader.output
        output.put_table(output.path(f"{name}.parquet"), marked(self._table(name), self.state))

    def _table(self, name: str) -> pa.Table:
        """Return one of `TABLES`; the scores of images take those of a randomization study into account."""
        if name == "ranges":
            return self._ranges()
        if name in ("aggregates", "deletions"):
            frames: list[pd.DataFrame] = [getattr(part, name) for part in self.parts]
            frames = [frame for frame in frames if len(frame)] or frames[:1]
            schema = schemas.DELETIONS if name == "deletions" else schemas.AGGREGATES
            table = pa.Table.from_pandas(pd.concat(frames, ignore_index=True), schema, preserve_index=False)
            return table.replace_schema_metadata(None)
        if name == "image_summary":
            return self.images.table()
        if name == "shards":
            return with_listing(
                pa.concat_tables(part.shards for part in self.parts), self.reader.listing_digest
            )
        return pa.concat_tables(part.summary for part in self.parts)

    def _ranges(self) -> pa.Table:
        rows = []
        for family, targets in self.reader.families.items():
            found, maps = self._of_family(family), 0
            for part, own in zip(self.parts, found, strict=True):
                expected = self.reader.expected_images(part.variant_id) * len(targets)
                maps += expected
                if own.n_maps:
                    rows.append(own.row("variant", part.variant_id, expected, family))
            if (whole := merge(found)).n_maps:
                rows.append(whole.row("dataset", None, maps, family))
        return pa.Table.from_pylist(rows, schema=schemas.RANGES)


def reduce_study(
    output: Output, map_shards: MapShards = map, say: Callable[[str], None] = lambda line: None
) -> None:
    """Write the tables of a study (`TABLES`); complete `images.parquet` and `variants.parquet`.

    A study with a `randomization` section gets the tables of `igbatch.reduce.randomization` as well.

    `map_shards` applies a function to tasks: the built-in `map`, or the pipeline's, which uses the cluster.
    `say` gets a line with the number of compared maps.

    Raises:
        InputError: there is no study at this place.
    """
    _complete_images(output, Reader(output))  # whose lists are held no longer
    pa.default_memory_pool().release_unused()
    reader = Reader(output)
    found = StudyTables.of(reader, map_shards)
    for name in ("ranges", "aggregates", "deletions", "summary"):
        found.write(name)
    _complete_variants(output, reader, found.parts)
    settings = reader.study.randomization
    if settings is not None and any(each.n_maps for each in found.families().values()):
        dataset = {family: (each.minimum, each.maximum) for family, each in found.families().items()}
        measured = reduce_randomization(Reader(output), settings, dataset, map_shards)
        say(
            f"{measured.comparisons} comparisons of maps made, in {measured.new_parts} parts; "
            f"{measured.parts - measured.new_parts} parts stood from before"
        )
    found.write("image_summary")
    found.write("shards")


def update_tables(output: Output) -> bool:
    """Write the tables of a reduced study (`TABLES`) anew unless all were made from what is committed now.

    Returns whether they were written. That is so where shards were committed or deleted since, where one is
    missing, damaged or of another study, and where an earlier version wrote them. A randomization study's own
    tables stay as they are.
    """
    reader = Reader(output)
    if all(map(reader.reduced, TABLES)):
        return False
    found = StudyTables.of(reader)
    for name in (*NEWER_TABLES, *TABLES):
        found.write(name)
    return True


def _complete_variants(output: Output, reader: Reader, parts: Sequence[VariantPart]) -> None:
    """Record the digest of each variant's weights; if there are several (the hub's changed), all of them."""
    known = {part.variant_id: " ".join(part.weights_sha256) or None for part in parts}
    rows = [{**row, "weights_sha256": known[row["variant_id"]]} for row in reader.variants.to_pylist()]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))


def _complete_images(output: Output, reader: Reader) -> None:
    """Take digests and sizes of the images from the rows of the workers that read them.

    They come from the first variant that has the image, most often the first of all.
    """
    names = {"label": "label", "image_sha256": "sha256", "image_width": "width", "image_height": "height"}
    images = reader.images
    row_of = np.full(len(images), -1, dtype=np.int64)  # of the rows that are kept
    kept = [pa.schema([schemas.IMAGE_STATS.field(name) for name in names]).empty_table()]
    total = 0
    for variant_id in reader.variant_ids:
        if (row_of >= 0).all():
            break
        absent = row_of < 0
        for chunk in reader.scan_rows(variant_id, list(names)):
            places, rows = np.unique(chunk.keys[chunk.current] // len(reader.target_names), return_index=True)
            rows = np.flatnonzero(chunk.current)[rows][absent[places]]
            row_of[places[absent[places]]] = total + np.arange(len(rows))
            kept.append(chunk.rows.select(list(names)).take(rows))
            total += len(rows)
    seen = pa.concat_tables(kept).take(pa.array(row_of, mask=row_of < 0))
    for name, column in names.items():
        values = seen[name]
        if column == "label":
            values = pc.coalesce(images["label"], values)
        images = images.set_column(images.column_names.index(column), schemas.IMAGES.field(column), values)
    output.put_table(output.path("images.parquet"), images.replace_schema_metadata(None))
