"""Reading boxes from the files people keep them in: CSV, and COCO's JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.boxes import BOX_SCHEMA, SIZE_SCHEMA, BoxTable, default_box_ids
from igbatch.images.csv_table import CsvTable, read_csv, read_table_bytes

SNAP = 0.01
"""Fraction of a pixel by which an edge may pass a whole number and still be taken for it.

COCO's files keep two decimals, so that x + width of a box at the image's edge often passes it by 0.01.
"""

_EDGES = ("x_min", "y_min", "x_max", "y_max")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_FARTHEST = 10**9


def read_boxes(uri: str) -> BoxTable:
    """Read the boxes of a data set from CSV, or from COCO's JSON where the name ends in ``.json``.

    A CSV has columns image, label, x_min, y_min, x_max, y_max and may have box_id; others are ignored. The
    image is named by its id (the path relative to the image root), for COCO by `file_name`. Edges are
    half-open, in pixels of the upright original image; fractions are rounded outwards, except that `SNAP` of
    a pixel is forgiven. Without box_id, boxes are named ``<label>-<k>``, counted from 1 for each image and
    label in the order of the file.

    Raises:
        InputError: no such file, too large, malformed, a cell empty or not a number, a negative coordinate, a
            maximum that is not above its minimum, a box id twice in one image, or (COCO) a box outside its
            image; file, line and value are named.
    """
    return _read_coco(uri) if uri.lower().endswith(".json") else _read_csv(uri)


def _read_csv(uri: str) -> BoxTable:
    table = read_csv(uri, ("image", "label", *_EDGES), ("box_id",))
    for column in ("image", "label"):
        table.refuse_where(pc.equal(table.rows[column], ""), column, "give a name")
    edges = {column: _numbers(table, column) for column in _EDGES}
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        table.refuse_where(_mask(edges[high] <= edges[low]), high, f"it must be greater than {low}")
    image, label = table.rows["image"], table.rows["label"]
    box_id = default_box_ids(image, label)
    if table.has("box_id"):
        box_id = pc.if_else(pc.equal(table.rows["box_id"], ""), box_id, table.rows["box_id"])
    boxes = _assemble(image, box_id, label, edges)
    twice = _first_repeated(boxes) if table.has("box_id") else None
    if twice is not None:
        table.refuse(twice, f"box_id {boxes['box_id'][twice]} stands twice in {image[twice]}; rename one")
    return BoxTable(boxes.sort_by("image"), SIZE_SCHEMA.empty_table(), uri)


def _numbers(table: CsvTable, column: str) -> NDArray[np.float64]:
    text = table.rows[column]
    table.refuse_where(pc.invert(pc.match_substring_regex(text, _NUMBER)), column, "give a number of pixels")
    values: NDArray[np.float64] = pc.cast(pc.utf8_ltrim(text, "+"), pa.float64()).to_numpy()
    table.refuse_where(_mask(values < -SNAP), column, "give pixels from the left or upper edge, 0 or more")
    table.refuse_where(_mask(values > _FARTHEST), column, "give pixels; no image is as large")
    return values


def _mask(wrong: NDArray[np.bool_]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(wrong)])


def _read_coco(uri: str) -> BoxTable:
    data = read_table_bytes(uri)
    try:
        table = _parse_coco(uri, json.loads(data))
    except KeyError as error:
        raise InputError(f"{uri}: not COCO JSON: key {error} is missing; add it") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{uri}: not COCO JSON ({reason}); give images, categories, annotations") from error
    table.check_sizes()
    return table


def _parse_coco(uri: str, document: dict[str, Any]) -> BoxTable:
    images = {image["id"]: image for image in document["images"]}
    names = {category["id"]: str(category["name"]) for category in document["categories"]}
    rows = [_coco_row(uri, annotation, images, names) for annotation in document["annotations"]]
    if not rows:
        raise InputError(f"{uri}: annotations is empty; add one")
    image_names, labels, *edges = zip(*rows, strict=True)
    image, label = (pa.chunked_array([column], pa.string()) for column in (image_names, labels))
    columns = {name: np.array(column) for name, column in zip(_EDGES, edges, strict=True)}
    boxes = _assemble(image, default_box_ids(image, label), label, columns)
    sizes = [
        {"image": str(image["file_name"]), "width": int(image["width"]), "height": int(image["height"])}
        for image in images.values()
    ]
    known = pa.Table.from_pylist(sizes, schema=SIZE_SCHEMA)
    return BoxTable(boxes.sort_by("image"), known.sort_by("image"), uri)


def _coco_row(
    uri: str, annotation: dict[str, Any], images: dict[Any, dict[str, Any]], names: dict[Any, str]
) -> tuple[str, str, float, float, float, float]:
    where = f"{uri}: annotation {annotation.get('id')!r}"
    if annotation["image_id"] not in images:
        raise InputError(f"{where}: image_id {annotation['image_id']!r} is no image; add it")
    if annotation["category_id"] not in names:
        raise InputError(f"{where}: category_id {annotation['category_id']!r} is no category; add it")
    bbox = annotation["bbox"]
    x, y, width, height = (float(value) for value in bbox)
    if not (-SNAP <= x <= _FARTHEST and -SNAP <= y <= _FARTHEST):
        raise InputError(f"{where}: bbox {bbox}: x and y must be 0 or more; correct or remove it")
    if not (0 < width <= _FARTHEST and 0 < height <= _FARTHEST):
        raise InputError(f"{where}: bbox {bbox}: width and height must be above 0; correct or remove it")
    image = images[annotation["image_id"]]
    return str(image["file_name"]), names[annotation["category_id"]], x, y, x + width, y + height


def _assemble(
    image: pa.ChunkedArray,
    box_id: pa.ChunkedArray,
    label: pa.ChunkedArray,
    edges: dict[str, NDArray[np.float64]],
) -> pa.Table:
    columns: list[pa.ChunkedArray | pa.Array] = [image, box_id, label]
    rounded = {}
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        rounded[low] = np.floor(edges[low] + SNAP).astype(np.int64)
        rounded[high] = np.maximum(np.ceil(edges[high] - SNAP).astype(np.int64), rounded[low] + 1)
    columns += [pa.array(rounded[name]) for name in _EDGES]
    return pa.Table.from_arrays([_one_chunk(column) for column in columns], schema=BOX_SCHEMA)


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _first_repeated(boxes: pa.Table) -> int | None:
    """Row of the first box whose image and box id stood before, null where there is none."""
    keyed = boxes.select(["image", "box_id"]).append_column("row", pa.array(np.arange(len(boxes))))
    firsts = keyed.group_by(["image", "box_id"]).aggregate([("row", "min")])["row_min"].to_numpy()
    later = np.setdiff1d(np.arange(len(boxes)), firsts)
    return int(later[0]) if len(later) else None
