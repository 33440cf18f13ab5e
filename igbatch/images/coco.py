"""Reading boxes from COCO's JSON, its ids checked (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from igbatch.errors import InputError, one_line
from igbatch.images.boxes import MAX_EDGE, ROW_SCHEMA, SIZE_SCHEMA, BoxFile
from igbatch.images.faults import cite, shown
from igbatch.images.segmentations import parse_segmentation, to_text

_LISTS = ("images", "categories", "annotations")
_NOTHING = (math.nan,) * 4


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return _is_number(value) and value % 1 == 0 and 0 < value <= MAX_EDGE


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or (_is_number(value) and value % 1 == 0)


_PARSED = "segmentation as text"
_ABSENT = object()
"""The value of a key that an entry has not."""
_ID = "a number or text"
_PIXELS = "a whole number of pixels above 0"
_RULES: dict[str, tuple[tuple[str, Callable[[Any], bool], str], ...]] = {
    "image": (
        ("file_name", lambda name: isinstance(name, str) and name != "", "text"),
        ("width", _is_side, _PIXELS),
        ("height", _is_side, _PIXELS),
    ),
    "category": (("name", lambda name: isinstance(name, str | int) and str(name).strip() != "", "text"),),
    "annotation": (
        ("id", lambda value: value is _ABSENT or _is_id(value), _ID),
        ("iscrowd", lambda value: value in (0, 1, None, _ABSENT), "0 or 1"),  # 0 and 1 equal False and True
    ),
}
"""What has to hold of the values of an entry, each by itself, and how messages say it."""


def read_coco(uri: str, data: bytes, masks: bool = False) -> BoxFile:
    """Read the images, boxes and crowd regions of a COCO file; images without boxes are named too.

    Sizes are those that the file states. An annotation whose `bbox` is missing or is not four numbers has
    edges of NaN, and is judged with all others. Its `segmentation` is read where `masks` says so.

    Raises:
        InputError: not COCO's JSON, no annotation, an id or file_name that stands twice or is not there, or a
            size or a segmentation that is none; the first ten faults
            are named.
    """
    document = _parse(uri, data)
    faults: list[str] = []
    images = _by_id(document["images"], "image", faults)
    categories = _by_id(document["categories"], "category", faults)
    faults += _twice("file_name", (image.get("file_name") for image in images.values()))
    _refuse(uri, faults)  # what annotations lack would follow from these
    annotations: list[dict[str, Any]] = document["annotations"]
    if not annotations:
        raise InputError(f"{uri}: annotations is empty; add one")
    for place, annotation in enumerate(annotations):
        where = _name("annotation", place, annotation)
        for key, kind, known in (("image_id", "image", images), ("category_id", "category", categories)):
            faults += _reference_faults(where, annotation, key, kind, known)
        faults += _faults(where, annotation, "annotation")
        if masks and not faults:
            faults += _segmentation_faults(where, annotation, images[annotation["image_id"]])
    faults += _twice("annotation id", (annotation.get("id") for annotation in annotations))
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
        np.add(x, width),
        np.add(y, height),
        [annotation.get(_PARSED) for annotation in annotations],
        [bool(annotation.get("iscrowd")) for annotation in annotations],
    ]
    declared = [(each["file_name"], int(each["width"]), int(each["height"])) for each in images.values()]
    try:
        rows = pa.table(columns, schema=ROW_SCHEMA)
        known = pa.table(list(zip(*declared, strict=True)), schema=SIZE_SCHEMA)
    except UnicodeEncodeError as error:
        raise InputError(
            f"{uri}: not COCO JSON: name {shown(error.object)} is no text; correct it"
        ) from error
    return BoxFile(
        rows,
        known,
        uri,
        lambda places, _: [
            (_name("annotation", place, annotations[place]), _bbox(annotations[place])) for place in places
        ],
        {
            "number": "give four numbers, [x, y, width, height]",
            "width": "the box has no width",
            "height": "the box has no height",
        },
    )


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


def _refuse(uri: str, faults: list[str]) -> None:
    if not faults:
        return
    count = f"{len(faults):,} faults: " if len(faults) > 1 else ""
    raise InputError(f"{uri}: {count}{cite(faults, len(faults))}; correct the file")


def _by_id(entries: list[dict[str, Any]], kind: str, faults: list[str]) -> dict[Any, dict[str, Any]]:
    """Return entries by their ids; whatever is wrong with one is added to `faults`."""
    found: dict[Any, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        where = _name(kind, place, entry)
        if not _is_id(entry.get("id")):
            faults.append(f"{where}: id {_found(entry, 'id')}, and has to be {_ID}")
        elif entry["id"] in found:
            faults.append(f"{where}: id stands twice")
        else:
            found[entry["id"]] = entry
        faults += _faults(where, entry, kind)
    return found


def _faults(where: str, entry: dict[str, Any], kind: str) -> Iterator[str]:
    """Yield what is wrong with an entry by itself."""
    for key, is_right, right in _RULES[kind]:
        if not is_right(entry.get(key, _ABSENT)):
            yield f"{where}: {key} {_found(entry, key)}, and has to be {right}"
        elif key == "file_name":
            where += f" ({shown(entry[key])[1:-1]})"


def _reference_faults(
    where: str, annotation: dict[str, Any], key: str, kind: str, known: Mapping[Any, Any]
) -> Iterator[str]:
    value = annotation.get(key)
    if not _is_id(value):
        yield f"{where}: {key} {_found(annotation, key)}, and has to be {_ID}"
    elif value not in known:
        other = _other_kind(value)
        hint = f" ({shown(other)} is one: text and numbers differ)" if other in known else ""
        yield f"{where}: {key} {shown(value)} is no {kind}{hint}"


def _segmentation_faults(where: str, annotation: dict[str, Any], image: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the outline of an annotation, or keep it as text."""
    try:
        declared = int(image["width"]), int(image["height"])
        found = parse_segmentation(annotation.get("segmentation"), declared)
        annotation[_PARSED] = None if found is None else to_text(found)
    except ValueError as error:
        yield f"{where}: segmentation {error}"


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
    if isinstance(bbox, list) and all(_is_number(value) and abs(value) <= MAX_EDGE for value in bbox):
        return tuple(map(float, bbox)) if len(bbox) == 4 else _NOTHING
    return _NOTHING


def _other_kind(value: Any) -> Any:
    """Return an id as text where it is a number, and as a number where it is text; None where neither."""
    if not isinstance(value, str):
        return str(int(value))
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _found(entry: Mapping[str, Any], key: str) -> str:
    return f"is {shown(entry[key])}" if key in entry else "is missing"


def _name(kind: str, place: int, entry: Mapping[str, Any]) -> str:
    return f"{kind} {shown(entry['id'])}" if "id" in entry else f"{kind} number {place + 1}"


def _bbox(annotation: Mapping[str, Any]) -> str:
    return f"bbox {shown(annotation['bbox'])}" if "bbox" in annotation else "bbox is missing"
