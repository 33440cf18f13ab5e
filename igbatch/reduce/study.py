"""Reducing a study: one pass over each variant's statistics, merged into ranges and aggregates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.reduce.randomization.study import MapShards, reduce_randomization
from igbatch.reduce.ranges import RangeSummary, merge
from igbatch.reduce.survey import survey
from igbatch.statistics.aggregates import aggregate_box_sums
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader

BOX_COLUMNS = (
    "variant_id", "image_id", "target", "box_label", "sum", "share", "density_ratio", "pixels",
)  # fmt: skip


@dataclass(frozen=True)
class VariantPart:
    """What one variant contributes: its summary, its box-sum aggregates, and the digests of its weights."""

    variant_id: str
    summary: RangeSummary
    aggregates: pd.DataFrame
    weights_sha256: list[str]


def reduce_variant(task: tuple[Output, str]) -> VariantPart:
    """Summarise one variant of an output: a pure function of (output, variant_id), which can run anywhere."""
    output, variant_id = task
    reader = Reader(output)
    found = survey(reader, variant_id)
    boxes = reader.box_stats(variant_id, BOX_COLUMNS).to_pandas()
    return VariantPart(variant_id, found.summary, aggregate_box_sums(boxes), found.weights_sha256)


def reduce_study(
    output: Output, map_shards: MapShards = map, say: Callable[[str], None] = lambda line: None
) -> None:
    """Write `ranges.parquet` and `aggregates.parquet`; complete `images.parquet` and `variants.parquet`.

    A study with a `randomization` section gets the tables of `igbatch.reduce.randomization` as well.

    `map_shards` applies a function to tasks: the built-in `map`, or the pipeline's, which uses the cluster.
    `say` is told how many maps were compared.

    Raises:
        InputError: there is no study at this place.
    """
    reader = Reader(output)
    parts = list(map_shards(reduce_variant, [(output, variant_id) for variant_id in reader.variant_ids]))
    targets = len(reader.target_names)
    expected = {part.variant_id: reader.expected_images(part.variant_id) * targets for part in parts}
    rows = [
        part.summary.row("variant", part.variant_id, expected[part.variant_id])
        for part in parts
        if part.summary.n_maps
    ]
    whole = merge(part.summary for part in parts)
    if whole.n_maps:
        rows.append(whole.row("dataset", None, sum(expected.values())))
    output.put_table(output.path("ranges.parquet"), pa.Table.from_pylist(rows, schema=schemas.RANGES))
    aggregates = [part.aggregates for part in parts if len(part.aggregates)] or [parts[0].aggregates]
    table = pa.Table.from_pandas(pd.concat(aggregates, ignore_index=True), preserve_index=False)
    output.put_table(output.path("aggregates.parquet"), table.replace_schema_metadata(None))
    _complete_variants(output, reader, parts)
    _complete_images(output, reader)
    settings = reader.study.randomization
    if settings is not None and whole.n_maps:
        dataset = whole.minimum, whole.maximum
        measured = reduce_randomization(Reader(output), settings, dataset, map_shards)
        say(
            f"{measured.comparisons} comparisons of maps made, in {measured.new_parts} parts; "
            f"{measured.parts - measured.new_parts} parts stood from before"
        )


def _complete_variants(output: Output, reader: Reader, parts: list[VariantPart]) -> None:
    """Record the digest of each variant's weights; if there are several (the hub's changed), all of them."""
    digests = {part.variant_id: " ".join(part.weights_sha256) or None for part in parts}
    rows = [{**row, "weights_sha256": digests[row["variant_id"]]} for row in reader.variants.to_pylist()]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))


def _complete_images(output: Output, reader: Reader) -> None:
    """Take digests and sizes of the images from the rows of the workers that read them.

    The first variant that has an image tells; most often that is the first variant of all.
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
        for chunk in reader.claims(variant_id, list(names)):
            places, rows = np.unique(chunk.keys[chunk.won] // len(reader.target_names), return_index=True)
            rows = np.flatnonzero(chunk.won)[rows][absent[places]]
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
