"""Read the boxes of a CSV file or COCO's JSON, in the file's own order and units."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from igbatch.images.boxes import EDGES, MAX_EDGE, ROW_SCHEMA, SIZE_SCHEMA, BoxFile
from igbatch.images.coco import read_coco
from igbatch.images.csv_table import CsvTable, read_csv
from igbatch.images.text_file import read_table_bytes

FORMATS = "CSV or COCO JSON"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def read_boxes(uri: str, masks: bool = False) -> BoxFile:
    """Read the boxes of a data set from CSV, or from COCO's JSON where that is what the file holds.

    A CSV has columns image, label, x_min, y_min, x_max, y_max and may have box_id; others are ignored. In
    COCO images are named by `file_name`; outlines (`segmentation`) are read where `masks` says so. What the
    boxes mean is judged by `igbatch.images.box_checks`.

    Raises:
        InputError: no such file, too large, neither format, an empty name, or (COCO) an id that stands twice
            or is not there; file, place and value are named.
    """
    data = read_table_bytes(uri, FORMATS)
    if uri.lower().endswith(".json") or data.lstrip()[:1] in (b"{", b"["):
        return read_coco(uri, data, masks)
    return _read_csv(uri, data)


def _read_csv(uri: str, data: bytes) -> BoxFile:
    table = read_csv(uri, ("image", "label", *EDGES), ("box_id",), data)
    for column in ("image", "label"):
        table.refuse_where(pc.equal(table.rows[column], ""), column, "give a name")
    names = table.rows["image"].unique()
    columns = [*table.rows.select(["image", "box_id", "label"]), *(_numbers(table, edge) for edge in EDGES)]
    none, unknown = pa.nulls(len(table.rows), pa.string()), pa.nulls(len(names), pa.int64())
    crowd = pa.repeat(pa.scalar(False), len(table.rows))
    return BoxFile(
        pa.table([*columns, none, crowd], schema=ROW_SCHEMA),
        pa.table([names, unknown, unknown], schema=SIZE_SCHEMA),
        uri,
        lambda rows, edges: [
            (f"line {line}", f"{edge} is {table.cell(row, edge)}")
            for line, row, edge in zip(table.lines(rows), rows, edges, strict=True)
        ],
        {
            "number": "give a number, with a point before its decimals",
            "width": "it must be greater than x_min, or the box has no width",
            "height": "it must be greater than y_min, or the box has no height",
        },
    )


def _numbers(table: CsvTable, column: str) -> pa.ChunkedArray:
    text = table.rows[column]
    number = pc.match_substring_regex(text, _NUMBER)
    values = pc.cast(pc.if_else(number, pc.utf8_ltrim(text, "+"), "nan"), pa.float64())
    return pc.if_else(pc.greater(pc.abs(values), MAX_EDGE), float("nan"), values)
