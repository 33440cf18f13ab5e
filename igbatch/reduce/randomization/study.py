"""Reducing a randomization study: from its stored maps and statistics to the tables that its report shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.choice import chosen
from igbatch.reduce.randomization.kept import kept_path, summary_of, values_of
from igbatch.reduce.randomization.nulls import data_set_rows, image_rows
from igbatch.reduce.randomization.planning import MeasurePlan
from igbatch.reduce.randomization.summary import SummaryTask, summary_rows
from igbatch.reduce.randomization.tasks import FOLDER, TABLES, measure_slice, part_path
from igbatch.reduce.randomization.values import values_tasks
from igbatch.store import schemas
from igbatch.store.reader import Reader
from igbatch.study import Randomization

MapShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Measured:
    """How many parts there are, how many of them were measured now, and the comparisons of maps in these."""

    parts: int
    new_parts: int
    comparisons: int


def reduce_randomization(
    reader: Reader, settings: Randomization, dataset: tuple[float, float], map_shards: MapShards = map
) -> Measured:
    """Write `similarity.parquet`, `map_measures.parquet`, `localization.parquet`, `randomization.parquet` and
    `significance.parquet`; measure only what was not measured before.

    Args:
        reader: of a study whose ranges are reduced.
        settings: its `randomization` section.
        dataset: the range of all its maps.
        map_shards: the built-in `map`, or the pipeline's, which uses the cluster.
    """
    images = compared_images(reader, settings)
    plan = MeasurePlan(reader, images, dataset, settings.random_pairs)
    counts = list(map_shards(measure_slice, plan.tasks()))
    variants = reader.variants.to_pandas()
    _write_tables(reader, plan.parts)
    ids = tuple(reader.listing.image_ids.take(images).to_pylist())
    tasks = [
        SummaryTask(reader.output, variant_id, tuple(plan.parts.get(variant_id, ())), ids)
        for variant_id in reader.variant_ids
    ]
    summaries = list(map_shards(summary_of, tasks))
    _put(reader, "randomization.parquet", summary_rows(summaries, variants), schemas.RANDOMIZATION)
    asked = values_tasks(reader)
    values = list(map_shards(values_of, asked))
    output = reader.study.attribution.output
    rows = data_set_rows(values, variants, reader.target_names, output)
    rows += image_rows(reader, variants, output)
    _put(reader, "significance.parquet", rows, schemas.SIGNIFICANCE)
    _sweep(reader, plan.parts, {task.variant_id: task.name for task in tasks},
           {task.variant_id: task.name for task in asked})  # fmt: skip
    new_parts, comparisons = np.sum(counts, axis=0, dtype=int).tolist() if counts else (0, 0)
    return Measured(sum(map(len, plan.parts.values())), new_parts, comparisons)


def compared_images(reader: Reader, settings: Randomization) -> NDArray[np.int64]:
    """Return the places of the images whose maps are kept and compared, in the study's list."""
    ids = reader.listing.image_ids
    places = np.flatnonzero(chosen(reader.study.store.maps, ids))
    return places[chosen(settings.images, ids.take(places))]


def _write_tables(reader: Reader, parts: Mapping[str, list[str]]) -> None:
    """Join the parts of every table in the order of the study's variants; a part is held at a time."""
    output = reader.output
    for table, schema in TABLES.items():
        paths = [
            part_path(output, variant_id, part, table)
            for variant_id in reader.variant_ids
            for part in parts.get(variant_id, ())
        ]
        output.put_tables(output.path(f"{table}.parquet"), schema, map(output.read_table, paths))


def _sweep(
    reader: Reader, parts: Mapping[str, list[str]], summaries: Mapping[str, str], values: Mapping[str, str]
) -> None:
    """Delete what was measured of maps, ranges or pairs that are no longer so, and what was made of it."""
    output = reader.output
    named = {
        part_path(output, variant_id, part, table)
        for variant_id, names in parts.items()
        for part in names
        for table in TABLES
    }
    named |= {kept_path(output, each, name, "summary") for each, name in summaries.items()}
    named |= {kept_path(output, each, name, kind) for each, name in values.items()
              for kind in ("values", "signs")}  # fmt: skip
    for info in output.files(FOLDER):
        if info.path not in named:
            output.delete(info.path)


def _put(reader: Reader, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    reader.output.put_table(reader.output.path(name), pa.Table.from_pylist(rows, schema=schema))
