"""Outlines of objects as COCO has them: polygons and run-length codes (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 10**9
"""Pixels beyond which no coordinate is believed."""

Segmentation = list[list[float]] | dict[str, list[int]]
"""Polygons, [x, y, x, y, ...] each, or `{"size": [height, width], "counts": [...]}`, runs of columns that are
outside and inside in turn; in pixels of the upright original image."""


def parse_segmentation(value: Any, declared: tuple[int, int]) -> Segmentation | None:
    """Return the `segmentation` of an annotation, codes as text being decoded; None where it has none.

    Args:
        value: as the file has it; None where the key is not there.
        declared: (width, height) of the image, as the file states it.

    Raises:
        ValueError: it is neither polygons nor a run-length code; the message says what is wrong.
    """
    if value is None or value == []:
        return None
    if isinstance(value, list):
        return [_ring(each) for each in value]
    if not isinstance(value, dict) or not {"size", "counts"} <= value.keys():
        raise ValueError("is neither a list of polygons nor a run-length code with size and counts")
    width, height = declared
    if value["size"] != [height, width]:
        raise ValueError(f"has the size {value['size']}, the image is [{height}, {width}] (height, width)")
    counts = _decoded(value["counts"]) if isinstance(value["counts"], str) else value["counts"]
    whole = isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts)
    if not whole or sum(counts) != width * height:
        raise ValueError(f"has counts that do not add up to the {width * height:,} pixels of the image")
    return {"size": [height, width], "counts": counts}


def filled(code: dict[str, list[int]]) -> NDArray[np.bool_]:
    """Return the pixels of a run-length code that `parse_segmentation` gave: bool [height, width]."""
    height, width = code["size"]
    runs = np.arange(len(code["counts"])) % 2 == 1
    pixels: NDArray[np.bool_] = np.repeat(runs, code["counts"]).reshape(width, height).T
    return pixels


def to_text(segmentation: Segmentation) -> str:
    """Write a segmentation as text, which tables hold."""
    return json.dumps(segmentation, separators=(",", ":"))


def from_text(text: str) -> Segmentation:
    """Read what `to_text` wrote."""
    found: Segmentation = json.loads(text)
    return found


def _ring(value: Any) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
        and abs(each) <= MAX_SIDE for each in value
    )  # fmt: skip
    if not numbers or len(value) < 6 or len(value) % 2:
        raise ValueError("has a polygon that is no list of three or more x, y")
    return [float(each) for each in value]


def _decoded(text: str) -> list[int]:
    """Decode the counts of COCO's compressed codes, five bits a character, the lowest first.

    Each count from the fourth on is the difference to the one two before (pycocotools, `rleFrString`).
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"has counts with the character {character!r}, which no code has")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            if shift > 60:
                raise ValueError("has counts with a number of more than 60 bits")
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("has counts that end within a number")
    return counts
