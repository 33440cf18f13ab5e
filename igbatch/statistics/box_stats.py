"""Statistics of an attribution map within boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.statistics.image_stats import Sums, add_up


class InputBox(Protocol):
    """A box in pixels of the model's input, half-open; `igbatch.images.geometry.MappedBox` is one."""

    @property
    def box_id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def x_min(self) -> int: ...
    @property
    def y_min(self) -> int: ...
    @property
    def x_max(self) -> int: ...
    @property
    def y_max(self) -> int: ...
    @property
    def visible_fraction(self) -> float: ...


class BoxStatistics(TypedDict):
    """Columns of `box_stats` that follow from a map and a box; sums in units of the output.

    `share` is abs_sum over the map's, None where that is 0; `density_ratio` is share / (pixels / all pixels),
    1 where attributions lie as thick in the box as on average; `contains_peak` tells whether the map's
    largest absolute value (the first one, by rows, if there are several) lies in the box, None where the map
    is 0 throughout. A box that the crop removed (visible_fraction 0) has no pixels, and None for all that
    needs some.
    """

    box_id: str
    box_label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    visible_fraction: float
    pixels: int
    sum: float | None
    positive_sum: float | None
    negative_sum: float | None
    abs_sum: float | None
    share: float | None
    density_ratio: float | None
    contains_peak: bool | None


def box_statistics(
    attribution: NDArray[np.float32], boxes: Sequence[InputBox], whole: Sums | None = None
) -> list[BoxStatistics]:
    """Return the statistics of a finite map, float32 [H, W], within each box, in the order of the boxes.

    Shares are taken of absolute sums: a signed total can vanish or change sign, and give any share at all.

    Args:
        attribution: the map.
        boxes: in its pixels.
        whole: its `add_up`, where that is known already.

    Raises:
        InputError: a box reaches outside the map.
    """
    refuse_outside(boxes, attribution.shape)
    if not boxes:
        return []
    inside = [add_up(attribution[box.y_min : box.y_max, box.x_min : box.x_max]) for box in boxes]
    whole = add_up(attribution) if whole is None else whole
    peak = int(np.abs(attribution).argmax())
    return statistics_of_boxes(boxes, inside, whole, peak, attribution.shape)


def refuse_outside(boxes: Sequence[InputBox], shape: Sequence[int]) -> None:
    """Refuse boxes that reach outside a map of a shape, (H, W).

    Raises:
        InputError: one does.
    """
    height, width = shape
    for box in boxes:
        if not (0 <= box.x_min <= box.x_max <= width and 0 <= box.y_min <= box.y_max <= height):
            raise InputError(
                f"box {box.box_id} (x {box.x_min}..{box.x_max}, y {box.y_min}..{box.y_max}) reaches outside "
                f"the map of {width} x {height}; map boxes to the model's input first"
            )


def statistics_of_boxes(
    boxes: Sequence[InputBox], inside: Sequence[Sums], whole: Sums, peak: int, shape: Sequence[int]
) -> list[BoxStatistics]:
    """Return the statistics of a map within boxes from sums.

    Args:
        boxes: in pixels of the map.
        inside: the sums of each box.
        whole: the sums of the map.
        peak: number, by rows, of the pixel of the largest absolute value.
        shape: (H, W) of the map.
    """
    return [_statistics(box, sums, whole, peak, shape) for box, sums in zip(boxes, inside, strict=True)]


def _statistics(box: InputBox, sums: Sums, whole: Sums, peak: int, shape: Sequence[int]) -> BoxStatistics:
    height, width = shape
    pixels = (box.x_max - box.x_min) * (box.y_max - box.y_min)
    statistics = BoxStatistics(
        box_id=box.box_id,
        box_label=box.label,
        x_min=box.x_min,
        y_min=box.y_min,
        x_max=box.x_max,
        y_max=box.y_max,
        visible_fraction=box.visible_fraction,
        pixels=pixels,
        sum=None,
        positive_sum=None,
        negative_sum=None,
        abs_sum=None,
        share=None,
        density_ratio=None,
        contains_peak=None,
    )
    if pixels == 0:
        return statistics
    statistics["sum"] = sums.total
    statistics["positive_sum"] = sums.positive
    statistics["negative_sum"] = sums.negative
    statistics["abs_sum"] = sums.absolute
    if whole.absolute > 0:
        share = sums.absolute / whole.absolute
        y, x = divmod(peak, width)
        statistics["share"] = share
        statistics["density_ratio"] = share / (pixels / (height * width))
        statistics["contains_peak"] = box.x_min <= x < box.x_max and box.y_min <= y < box.y_max
    return statistics
