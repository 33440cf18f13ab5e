"""Statistics of one attribution map, as a whole and within boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.geometry import MappedBox
from igbatch.statistics.image_stats import Sums, add_up, map_statistics
from igbatch.statistics.partitions import LabelMap, segment_statistics


def box_statistics(
    attribution: NDArray[np.float32], boxes: Sequence[MappedBox], whole: Sums | None = None
) -> list[dict[str, Any]]:
    """Return the statistics of a finite map, float32 [H, W], within each box, in the order of the boxes.

    Args:
        attribution: the map.
        boxes: in its pixels.
        whole: its `add_up`, where that is known already.

    Returns:
        as `statistics_of_boxes` does.

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


def refuse_outside(boxes: Sequence[MappedBox], shape: Sequence[int]) -> None:
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
    boxes: Sequence[MappedBox], inside: Sequence[Sums], whole: Sums, peak: int, shape: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the columns of `box_stats` that follow from a map and its boxes; sums in units of the output.

    Shares are taken of absolute sums: a signed total can vanish or change sign, and give any share at all.

    Args:
        boxes: in pixels of the map.
        inside: the sums of each box.
        whole: the sums of the map.
        peak: number, by rows, of the pixel of the largest absolute value, the first one of several.
        shape: (H, W) of the map.

    Returns:
        of each box its label, edges and visible_fraction, `pixels` and `Sums`; `share`, abs_sum over the
        map's; `density_ratio`, share / (pixels / all pixels), 1 where attributions lie as thick in the box as
        on average; `contains_peak`, whether the peak lies in it. These three are None where the map is 0
        throughout, and so are the sums where the crop removed the box (visible_fraction 0): it has no pixels.
    """
    height, width = shape
    y, x = divmod(peak, width)
    rows = []
    for box, sums in zip(boxes, inside, strict=True):
        pixels = (box.x_max - box.x_min) * (box.y_max - box.y_min)
        seen, some = pixels > 0, pixels > 0 and whole.abs_sum > 0
        share = sums.abs_sum / whole.abs_sum if some else None
        rows.append(
            {
                "box_id": box.box_id,
                "box_label": box.label,
                **{name: getattr(box, name) for name in ("x_min", "y_min", "x_max", "y_max")},
                "visible_fraction": box.visible_fraction,
                "pixels": pixels,
                **(sums._asdict() if seen else dict.fromkeys(Sums._fields)),
                "share": share,
                "density_ratio": None if share is None else share / (pixels / (height * width)),
                "contains_peak": box.x_min <= x < box.x_max and box.y_min <= y < box.y_max if some else None,
            }
        )
    return rows


@dataclass(frozen=True)
class MeasuredMap:
    """The statistics of one map.

    Attributes:
        not_finite: how many of its values are NaN or infinite.
        statistics: of the map; None where it is not finite.
        boxes: its statistics within boxes, in their order; none where it is not finite.
    """

    not_finite: int
    statistics: dict[str, Any] | None
    boxes: list[dict[str, Any]]


def measure(
    attribution: NDArray[np.float32], boxes: Sequence[MappedBox], label_maps: Sequence[LabelMap] = ()
) -> MeasuredMap:
    """Measure a map, float32 [H, W], what of it lies within boxes, and its sums over regions of label maps.

    Raises:
        InputError: a box reaches outside the map.
    """
    not_finite = attribution.size - int(np.count_nonzero(np.isfinite(attribution)))
    if not_finite:
        return MeasuredMap(not_finite, None, [])
    statistics = map_statistics(attribution)
    entries = [*segment_statistics(attribution, label_maps), *statistics["patches"]]
    statistics["patches"] = sorted(entries, key=lambda entry: int(entry["size"]))
    whole = Sums.of(statistics["positive_sum"], statistics["negative_sum"])
    return MeasuredMap(0, statistics, box_statistics(attribution, boxes, whole))
