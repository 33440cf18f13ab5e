"""Reducing a study: one pass over each variant's statistics, merged into ranges and aggregates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge, summarise
from igbatch.statistics.aggregates import aggregate_box_sums
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader

MapShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


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
    stats = reader.image_stats([*COLUMNS, "weights_sha256"], variant_id)
    boxes = reader.box_stats(variant_id).to_pandas()
    digests = sorted(stats["weights_sha256"].unique().to_pylist())
    return VariantPart(variant_id, summarise(stats), aggregate_box_sums(boxes), digests)


def reduce_study(output: Output, map_shards: MapShards = map) -> None:
    """Write `ranges.parquet` and `aggregates.parquet`; complete `images.parquet` and `variants.parquet`.

    `map_shards` applies a function to tasks: the built-in `map`, or the pipeline's, which uses the cluster.

    Raises:
        InputError: there is no study at this place.
    """
    reader = Reader(output)
    parts = list(map_shards(reduce_variant, [(output, variant_id) for variant_id in reader.variant_ids]))
    expected = len(reader.images) * len(reader.target_names)
    rows = [part.summary.row("variant", part.variant_id, expected) for part in parts if part.summary.n_maps]
    whole = merge(part.summary for part in parts)
    if whole.n_maps:
        rows.append(whole.row("dataset", None, expected * len(parts)))
    output.put_table(output.path("ranges.parquet"), pa.Table.from_pylist(rows, schema=schemas.RANGES))
    aggregates = [part.aggregates for part in parts if len(part.aggregates)] or [parts[0].aggregates]
    table = pa.Table.from_pandas(pd.concat(aggregates, ignore_index=True), preserve_index=False)
    output.put_table(output.path("aggregates.parquet"), table.replace_schema_metadata(None))
    _complete_variants(output, reader, parts)
    _complete_images(output, reader)


def _complete_variants(output: Output, reader: Reader, parts: list[VariantPart]) -> None:
    """Record the digest of each variant's weights; if there are several (the hub's changed), all of them."""
    digests = {part.variant_id: " ".join(part.weights_sha256) or None for part in parts}
    rows = [{**row, "weights_sha256": digests[row["variant_id"]]} for row in reader.variants.to_pylist()]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))


def _complete_images(output: Output, reader: Reader) -> None:
    """Take digests and sizes of the images from the rows of the workers that read them."""
    columns = ["image_id", "label", "image_sha256", "image_width", "image_height"]
    seen = reader.image_stats(columns).to_pandas().drop_duplicates("image_id").set_index("image_id")
    images = reader.images.to_pandas()
    found = seen.reindex(images["image_id"])
    images["label"] = images["label"].where(images["label"].notna(), found["label"].to_numpy())
    for name in ("sha256", "width", "height"):
        images[name] = found[f"image_{name}"].to_numpy()
    for name in ("width", "height"):
        images[name] = images[name].astype("Int32")
    table = pa.Table.from_pandas(images, schema=schemas.IMAGES, preserve_index=False)
    output.put_table(output.path("images.parquet"), table.replace_schema_metadata(None))
