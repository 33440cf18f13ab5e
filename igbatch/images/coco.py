"""Reading boxes from COCO's JSON, its ids checked (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import pyarrow as pa

from igbatch.errors import InputError, one_line
from igbatch.images.box_rows import FARTHEST, ROW_SCHEMA, BoxFile
from igbatch.images.boxes import SIZE_SCHEMA
from igbatch.images.faults import named, shown

_LISTS = ("images", "categories", "annotations")
_NOTHING = (math.nan,) * 4


def read_coco(uri: str, data: bytes) -> BoxFile:
    """Read the images, boxes and crowd regions of a COCO file; images without boxes are named too.

    Sizes are those that the file tells. An annotation whose `bbox` is missing or is not four numbers has
    edges of NaN, and is judged with all others.

    Raises:
        InputError: not COCO's JSON, no annotation, an id or file_name that stands twice or is not there, or a
            size that is none; the first ten faults are named.
    """
    document = _parse(uri, data)
    faults: list[str] = []
    images = _by_id(document["images"], "image", faults, _image_faults)
    categories = _by_id(document["categories"], "category", faults, _category_faults)
    faults += _twice("file_name", (image.get("file_name") for image in images.values()))
    if faults:
        _refuse(uri, faults)  # what annotations lack would follow from these
    annotations: list[dict[str, Any]] = document["annotations"]
    if not annotations:
        raise InputError(f"{uri}: annotations is empty; add one")
    for place, annotation in enumerate(annotations):
        for fault in _annotation_faults(annotation, images, categories):
            faults.append(f"{_name(place, annotation)}: {fault}")
    faults += _twice("annotation id", (annotation.get("id") for annotation in annotations))
    if faults:
        _refuse(uri, faults)
    return _as_box_file(uri, images, categories, annotations)


def _as_box_file(
    uri: str, images: Mapping[Any, Any], categories: Mapping[Any, Any], annotations: list[dict[str, Any]]
) -> BoxFile:
    x, y, width, height = zip(*map(_numbers, annotations), strict=True)
    columns = [
        [images[annotation["image_id"]]["file_name"] for annotation in annotations],
        [None] * len(annotations),
        [str(categories[annotation["category_id"]]["name"]) for annotation in annotations],
        x,
        y,
        [start + length for start, length in zip(x, width, strict=True)],
        [start + length for start, length in zip(y, height, strict=True)],
        [bool(annotation.get("iscrowd")) for annotation in annotations],
    ]
    declared = [(each["file_name"], int(each["width"]), int(each["height"])) for each in images.values()]
    try:
        rows, known = _table(columns, ROW_SCHEMA), _table(list(zip(*declared, strict=True)), SIZE_SCHEMA)
    except UnicodeEncodeError as error:
        raise InputError(
            f"{uri}: not COCO JSON: name {shown(error.object)} is no text; correct it"
        ) from error
    return BoxFile(
        rows,
        known,
        uri,
        lambda places, _: [
            (_name(int(place), annotations[place]), _bbox(annotations[place])) for place in places
        ],
        {
            "number": "give four numbers, [x, y, width, height]",
            "width": "the box has no width",
            "height": "the box has no height",
        },
    )


def _table(columns: list[Any], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _parse(uri: str, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{uri}: not COCO JSON ({one_line(error, 200)}); correct it") from error
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else shown(document)
        raise InputError(f"{uri}: not COCO JSON: it is {kind}; give {', '.join(_LISTS)}")
    for key in _LISTS:
        if key not in document:
            raise InputError(f"{uri}: not COCO JSON: key '{key}' is missing; give {', '.join(_LISTS)}")
        entries = document[key]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{uri}: not COCO JSON: {key} is not a list of mappings; correct it")
    return document


def _refuse(uri: str, faults: list[str]) -> NoReturn:
    count = f"{len(faults):,} faults: " if len(faults) > 1 else ""
    raise InputError(f"{uri}: {count}{named(faults, len(faults))}; correct the file")


def _by_id(
    entries: list[dict[str, Any]],
    kind: str,
    faults: list[str],
    check: Callable[[str, dict[str, Any]], Iterator[str]],
) -> dict[Any, dict[str, Any]]:
    """Return entries by their ids; whatever is wrong with one is added to `faults`."""
    found: dict[Any, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        where = f"{kind} {shown(entry['id'])}" if "id" in entry else f"{kind} number {place + 1}"
        if not _is_id(entry.get("id")):
            faults.append(f"{where}: id {_found(entry, 'id')}, and has to be a number or text")
        elif entry["id"] in found:
            faults.append(f"{where}: id stands twice")
        else:
            found[entry["id"]] = entry
        faults += check(where, entry)
    return found


def _image_faults(where: str, image: dict[str, Any]) -> Iterator[str]:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        yield f"{where}: file_name {_found(image, 'file_name')}, and has to be text"
    where += f" ({shown(name)[1:-1]})" if isinstance(name, str) else ""
    for key in ("width", "height"):
        value: Any = image.get(key)
        if not _is_number(value) or value % 1 or not 0 < value <= FARTHEST:
            yield f"{where}: {key} {_found(image, key)}, and has to be a whole number of pixels above 0"


def _category_faults(where: str, category: dict[str, Any]) -> Iterator[str]:
    name = category.get("name")
    if not isinstance(name, str | int) or not str(name).strip():
        yield f"{where}: name {_found(category, 'name')}, and has to be text"


def _annotation_faults(
    annotation: dict[str, Any], images: Mapping[Any, Any], categories: Mapping[Any, Any]
) -> Iterator[str]:
    for key, kind, known in (("image_id", "image", images), ("category_id", "category", categories)):
        value = annotation.get(key)
        if not _is_id(value):
            yield f"{key} {_found(annotation, key)}, and has to be a number or text"
        elif value not in known:
            other = _other_kind(value)
            hint = f" ({shown(other)} is one: text and numbers differ)" if other in known else ""
            yield f"{key} {shown(value)} is no {kind}{hint}"
    if "id" in annotation and not _is_id(annotation["id"]):
        yield f"id {_found(annotation, 'id')}, and has to be a number or text"
    if annotation.get("iscrowd") not in (0, 1, None):  # True and False are equal to these
        yield f"iscrowd {_found(annotation, 'iscrowd')}, and has to be 0 or 1"


def _twice(kind: str, values: Iterator[Any]) -> list[str]:
    seen: set[Any] = set()
    faults: list[str] = []
    for value in values:
        if value is None or isinstance(value, list | dict):
            continue
        if value in seen:
            faults.append(f"{kind} {shown(value)} stands twice")
        seen.add(value)
    return faults


def _numbers(annotation: Mapping[str, Any]) -> tuple[float, ...]:
    """Return x, y, width and height of an annotation, NaN where its bbox is not four numbers."""
    bbox = annotation.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        return _NOTHING
    if not all(_is_number(value) and abs(value) <= FARTHEST for value in bbox):
        return _NOTHING
    return tuple(map(float, bbox))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or (_is_number(value) and value % 1 == 0)


def _other_kind(value: Any) -> Any:
    """Return an id as text where it is a number, and as a number where it is text; None where neither."""
    if not isinstance(value, str):
        return str(int(value))
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _found(entry: Mapping[str, Any], key: str) -> str:
    return f"is {shown(entry[key])}" if key in entry else "is missing"


def _name(place: int, annotation: Mapping[str, Any]) -> str:
    return f"annotation {shown(annotation['id'])}" if "id" in annotation else f"annotation number {place + 1}"


def _bbox(annotation: Mapping[str, Any]) -> str:
    return f"bbox {shown(annotation['bbox'])}" if "bbox" in annotation else "bbox is missing"
