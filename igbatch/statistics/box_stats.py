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


def box_statistics(attribution: NDArray[np.float32], boxes: Sequence[InputBox]) -> list[BoxStatistics]:
    """Return the statistics of a finite map, float32 [H, W], within each box, in the order of the boxes.

    Shares are taken of absolute sums: a signed total can vanish or change sign, and give any share at all.

    Raises:
        InputError: a box reaches outside the map.
    """
    whole = add_up(attribution)
    magnitude = np.abs(attribution)
    peak_y, peak_x = np.unravel_index(int(magnitude.argmax()), magnitude.shape)
    peak = (int(peak_x), int(peak_y)) if magnitude[peak_y, peak_x] > 0 else None
    return [_statistics(attribution, box, whole, peak) for box in boxes]


def _statistics(
    attribution: NDArray[np.float32], box: InputBox, whole: Sums, peak: tuple[int, int] | None
) -> BoxStatistics:
    height, width = attribution.shape
    if not (0 <= box.x_min <= box.x_max <= width and 0 <= box.y_min <= box.y_max <= height):
        raise InputError(
            f"box {box.box_id} (x {box.x_min}..{box.x_max}, y {box.y_min}..{box.y_max}) reaches outside "
            f"the map of {width} x {height}; map boxes to the model's input first"
        )
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
    sums = add_up(attribution[box.y_min : box.y_max, box.x_min : box.x_max])
    statistics["sum"] = sums.total
    statistics["positive_sum"] = sums.positive
    statistics["negative_sum"] = sums.negative
    statistics["abs_sum"] = sums.absolute
    if whole.absolute > 0:
        share = sums.absolute / whole.absolute
        statistics["share"] = share
        statistics["density_ratio"] = share / (pixels / attribution.size)
    if peak is not None:
        x, y = peak
        statistics["contains_peak"] = box.x_min <= x < box.x_max and box.y_min <= y < box.y_max
    return statistics
