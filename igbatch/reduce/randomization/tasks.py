"""Measuring the maps of a slice of images and a few variants: a task that runs anywhere, and what it writes.

A part holds the measures of one variant on one slice of images. Its name is a digest of all that they follow
from, the attempts whose maps were read among them: what is there need not be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from igbatch.errors import ImageError
from igbatch.images.loading import load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.reduce.randomization.comparisons import ComparedVariant, ImageComparisons, Map, Range, Rows
from igbatch.store import schemas
from igbatch.store.encoding import stored_maps
from igbatch.store.fingerprint import bytes_digest, digest
from igbatch.store.output import Output

VERSION = 1
"""Of the measures: another one computes all parts anew."""

FOLDER = "measures"
TABLES = {
    "localization": schemas.LOCALIZATION,
    "map_measures": schemas.MAP_MEASURES,
    "similarity": schemas.SIMILARITY,
}
"""Tables of a part, in the order in which they are written: the last one's presence commits it."""


@dataclass(frozen=True)
class MapFile:
    """Maps of one attempt: the attempt, whether it has boxes, and its current rows (image_id, target)."""

    shard: str
    attempt: str
    boxes: bool
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SlicedImage:
    """An image of a slice: what it is, where it is, the range of its maps of classes and of each contrast."""

    image_id: str
    etag: str
    uri: str
    models: Range
    contrasts: Mapping[str, Range]


@dataclass(frozen=True)
class MeasureTask:
    """Some variants on a slice of images.

    Attributes:
        output: of the study.
        images: the slice.
        parts: the variants to be measured, and the names of their parts.
        files: where the maps of all variants that these take lie, by variant.
        data_config: timm's, of the variants' model.
        dataset: the range of all maps of classes in the study, under "", and of those of each contrast.
    """

    output: Output
    images: tuple[SlicedImage, ...]
    parts: tuple[tuple[ComparedVariant, str], ...]
    files: Mapping[str, tuple[MapFile, ...]]
    data_config: Mapping[str, Any]
    dataset: Mapping[str, Range]


def part_names(
    of: ComparedVariant,
    images: Sequence[SlicedImage],
    files: Mapping[str, Sequence[MapFile]],
    dataset: Mapping[str, Range],
) -> tuple[str, str]:
    """Return the name of the part of one variant, and the one that it had until version 0.1.0.

    It is a digest of all that its measures follow from. Parts of the old name are found, and never written:
    maps may have been pruned since they were measured.
    """
    seen = [
        (image.image_id, image.etag, image.models, *([dict(image.contrasts)] if image.contrasts else []))
        for image in images
    ]
    whole = dataset[""] if set(dataset) == {""} else dict(dataset)  # without contrasts the digest of before
    read = {each: tuple(files.get(each, ())) for each in of.variants}
    lists = {each: list(map(asdict, own)) for each, own in read.items()}
    old = repr(of).replace("ComparedVariant", "Wanted", 1)  # its class was named so
    before = f"({VERSION}, {old}, {seen}, {whole})" + "".join(map(repr, read.items()))
    return digest([VERSION, asdict(of), seen, whole, lists]), bytes_digest(before.encode())


def part_path(output: Output, variant_id: str, part: str, table: str) -> str:
    """Return the path of a table of a part."""
    return output.path(FOLDER, variant_id, f"{part}.{table}.parquet")


def measure_slice(task: MeasureTask) -> tuple[int, int]:
    """Measure a slice and write its parts; return how many parts, and how many comparisons they hold.

    Maps of the slice are read once, and held together: 200 kB each where they are 224 x 224.
    """
    maps = {variant_id: _read_maps(task, variant_id) for variant_id in task.files}
    boxes = _read_boxes(task)
    rows: dict[str, Rows] = {part: {table: [] for table in TABLES} for _, part in task.parts}
    for image in task.images:
        of_image = {variant_id: read.get(image.image_id, {}) for variant_id, read in maps.items()}
        if not any(of_image.values()):
            continue
        seen = boxes.get(image.image_id, {}), _pixels(image.uri, task.data_config)
        models = {"": image.models, **image.contrasts}
        ranges = {each: {"models": models[each], "dataset": whole} for each, whole in task.dataset.items()}
        measured = ImageComparisons(image.image_id, of_image, ranges, *seen)
        for compared, part in task.parts:
            for table, more in measured.measure(compared).items():
                rows[part][table] += more
    for compared, part in task.parts:
        for table, schema in TABLES.items():
            path = part_path(task.output, compared.variant_id, part, table)
            task.output.put_table(path, pa.Table.from_pylist(rows[part][table], schema=schema))
    return len(task.parts), sum(len(each["similarity"]) for each in rows.values())


def _read_maps(task: MeasureTask, variant_id: str) -> dict[str, dict[str, Map]]:
    """Read the current maps of a variant, by image and target."""
    maps: dict[str, dict[str, Map]] = {}
    for file in task.files[variant_id]:
        path = task.output.data_path("attributions", variant_id, file.shard, file.attempt)
        found = _rows_of(task.output, path, {image_id for image_id, _ in file.rows})
        current = set(file.rows)
        keys = (found[name].to_pylist() for name in ("image_id", "target"))
        for image_id, target, attribution in (
            zip(*keys, stored_maps(found), strict=True) if len(found) else ()
        ):
            if (image_id, target) in current:
                maps.setdefault(image_id, {})[target] = np.ascontiguousarray(attribution)
    return {image_id: dict(sorted(targets.items())) for image_id, targets in maps.items()}


def _read_boxes(task: MeasureTask) -> dict[str, dict[str, list[list[int]]]]:
    """Read the boxes of the slice's images by label, from the first variant that has any of an image."""
    boxes: dict[str, dict[str, list[list[int]]]] = {}
    columns = ["image_id", "box_id", "box_label", "x_min", "y_min", "x_max", "y_max"]
    for variant_id in (compared.variant_id for compared, _ in task.parts):
        for file in task.files.get(variant_id, ()):
            images = {image_id for image_id, _ in file.rows} - boxes.keys()
            if file.boxes and images:
                path = task.output.data_path("box_stats", variant_id, file.shard, file.attempt)
                rows = _rows_of(task.output, path, images, columns).to_pandas()
                rows = rows.drop_duplicates(["image_id", "box_id"])  # the same in the rows of every target
                for image_id, _, label, *corners in rows.itertuples(index=False, name=None):
                    boxes.setdefault(image_id, {}).setdefault(label, []).append(corners)
    return boxes


def _rows_of(output: Output, path: str, image_ids: set[str], columns: list[str] | None = None) -> pa.Table:
    among = pc.field("image_id").isin(pa.array(sorted(image_ids), pa.string()))
    return pq.read_table(
        path, columns=columns, filters=among, filesystem=output.filesystem, partitioning=None
    )


def _pixels(uri: str, data_config: Mapping[str, Any]) -> Any:
    """Return an image as the model saw it, None where it cannot be read any more."""
    try:
        return Preprocessing.from_data_config(data_config).pixels(load_image(uri).image)
    except (ImageError, OSError):
        return None
