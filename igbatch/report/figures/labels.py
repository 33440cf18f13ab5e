"""Where the labels of boxes go: beside their boxes, inside the picture, and off each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from igbatch.report.figures.image_data import Box


class Spot(NamedTuple):
    """The upper left corner of a label, in the units that it was placed in."""

    x: float
    y: float


def place_labels(
    boxes: Sequence[Box],
    widths: Sequence[float],
    height: float,
    area: tuple[float, float],
    scale: float = 1.0,
) -> list[Spot]:
    """Place one label a box: above it, below it, or inside, wherever it covers no earlier label.

    Args:
        boxes: in pixels of the model's input.
        widths: of the labels, in pixels of the figure.
        height: of a label, in pixels of the figure.
        area: width and height of the picture, in pixels of the figure.
        scale: pixels of the figure for one of the input.
    """
    spots: list[Spot] = []
    for box, width in zip(boxes, widths, strict=True):
        left, right = box.x_min * scale, box.x_max * scale - width
        above, below = box.y_min * scale - height - 1, box.y_max * scale + 1
        inside, foot = box.y_min * scale + 2, box.y_max * scale - height - 2
        tries = [Spot(x, y) for y in (above, below, inside, foot) for x in (left, right)]
        kept = [_within(spot, width, height, area) for spot in tries]
        free = [
            spot
            for spot in kept
            if not any(
                _overlap(spot, width, other, taken, height)
                for other, taken in zip(spots, widths, strict=False)
            )
        ]
        unmoved = [spot for spot in free if spot in tries]
        spots.append((unmoved or free or kept)[0])
    return spots


def _within(spot: Spot, width: float, height: float, area: tuple[float, float]) -> Spot:
    return Spot(min(max(spot.x, 0), max(area[0] - width, 0)), min(max(spot.y, 0), max(area[1] - height, 0)))


def _overlap(one: Spot, width: float, other: Spot, other_width: float, height: float) -> bool:
    apart = one.x + width <= other.x or other.x + other_width <= one.x
    return not (apart or one.y + height <= other.y or other.y + height <= one.y)
