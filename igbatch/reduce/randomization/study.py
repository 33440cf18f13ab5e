"""Reducing a randomization study: from its stored maps and statistics to the tables that its report shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.selection import select_images
from igbatch.reduce.randomization.comparisons import Range
from igbatch.reduce.randomization.nulls import data_set_rows, image_rows
from igbatch.reduce.randomization.planning import MeasurePlan
from igbatch.reduce.randomization.summary import SummaryTask, summary_of, summary_rows
from igbatch.reduce.randomization.tasks import FOLDER, TABLES, measure_slice, part_path
from igbatch.reduce.randomization.values import values_of, values_tasks
from igbatch.statistics.aggregates import named_classes
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study import Randomization

MapShards = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class MeasureCounts:
    """How many parts there are, how many of them were measured now, and the comparisons of maps in these."""

    parts: int
    new_parts: int
    comparisons: int


def reduce_randomization(
    reader: Reader, settings: Randomization, dataset: Mapping[str, Range], map_shards: MapShards = map
) -> MeasureCounts:
    """Write `similarity.parquet`, `map_measures.parquet`, `localization.parquet`, `randomization.parquet` and
    `significance.parquet`; measure only what was not measured before.

    Args:
        reader: of a study whose ranges are reduced.
        settings: its `randomization` section.
        dataset: the range of all its maps of classes, under "", and of those of each contrast.
        map_shards: the built-in `map`, or the pipeline's, which uses the cluster.
    """
    output, variants = reader.output, reader.variants.to_pandas()
    images = compared_images(reader, settings)
    plan = MeasurePlan(reader, images, dataset, settings.random_pairs)
    counts = list(map_shards(measure_slice, plan.tasks()))
    paths = {
        table: [
            part_path(output, variant_id, part, table)
            for variant_id in reader.variant_ids
            for part in plan.parts.get(variant_id, ())
        ]
        for table in TABLES
    }
    for table, schema in TABLES.items():  # a part is held at a time
        output.put_tables(output.path(f"{table}.parquet"), schema, map(output.read_table, paths[table]))
    ids = tuple(reader.listing.ids(images))
    tasks = [
        SummaryTask(output, variant_id, tuple(plan.parts.get(variant_id, ())), ids)
        for variant_id in reader.variant_ids
    ]
    summaries = dict(zip(reader.variant_ids, map_shards(summary_of, tasks), strict=True))
    _put(output, "randomization", summary_rows(summaries, variants), schemas.RANDOMIZATION)
    value_tasks = list(values_tasks(reader))
    values = dict(zip(reader.variant_ids, map_shards(values_of, value_tasks), strict=True))
    unit = reader.study.attribution.output
    classes = named_classes(reader.target_names, reader.contrasts)
    rows = data_set_rows(values, variants, classes, unit)
    _put(output, "significance", rows + image_rows(reader, variants, unit), schemas.SIGNIFICANCE)
    kept = {path for of_table in paths.values() for path in of_table} | {task.path for task in tasks}
    kept |= {task.path(kind) for task in value_tasks for kind in ("values", "signs")}
    for info in output.files(FOLDER):
        if info.path not in kept:  # of maps, ranges or pairs that are no longer so
            output.delete(info.path)
    new_parts, comparisons = np.sum(counts, axis=0, dtype=int).tolist() if counts else (0, 0)
    return MeasureCounts(len(paths["similarity"]), new_parts, comparisons)


def compared_images(reader: Reader, settings: Randomization) -> NDArray[np.int64]:
    """Return the places of the images whose maps are kept and compared, in the study's list."""
    ids = reader.listing.image_ids
    places = np.flatnonzero(select_images(reader.study.store.maps, ids))
    return places[select_images(settings.images, ids.take(places))]


def _put(output: Output, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    output.put_table(output.path(f"{name}.parquet"), pa.Table.from_pylist(rows, schema=schema))
