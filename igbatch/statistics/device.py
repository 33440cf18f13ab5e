"""Computes map statistics on the device, without copying maps to the host. The one such module with torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.images.geometry import MappedBox
from igbatch.statistics.blur import BLURRED, blur_matrix
from igbatch.statistics.box_stats import MeasuredMap, refuse_outside, statistics_of_boxes
from igbatch.statistics.histogram import EDGES, FLOAT32_EDGES, N_SIDE, counts_between
from igbatch.statistics.image_stats import QUANTILES, Sums, ranks, statistics_of
from igbatch.statistics.partitions import SEGMENTS, LabelMap
from igbatch.statistics.patches import PATCH_SIZES, patch_entry

RANKS = 2 + len(QUANTILES)
_PLACES = 2 * N_SIDE
"""Of the numbers of a map: values at `ranks`, places of edges, and both of its regions; sums are last."""
SEGMENTS_AT_ONCE = 64
"""Regions of a label map that are added up at a time: 26 MB on the device for maps of 224 x 224 pixels."""


def launch_map_statistics(
    maps: Tensor, boxes: Sequence[MappedBox], label_maps: Sequence[LabelMap] = ()
) -> Tensor:
    """Launch the statistics of an image's maps: float64 [n, numbers] on their device, to be unpacked below.

    Nothing waits for the device. Counts, extremes, quantiles and places of peaks are those that `measure`
    finds on the host; integers are exact in float64. Sums, those of patches too, are taken in float64 in
    another order: they differ by at most (pixels * 2**-52) times the absolute sum.

    Args:
        maps: float32 [n, H, W].
        boxes: in pixels of each of the maps.
        label_maps: of the image, whose regions the maps are summed over too.

    Raises:
        InputError: a box reaches outside the maps.
    """
    refuse_outside(boxes, maps.shape[1:])
    flat = maps.flatten(1)
    ascending = flat.sort(1).values
    signed = torch.stack([maps.clamp(min=0), maps.clamp(max=0)], 1).double()
    areas = [signed, *(signed[..., box.y_min : box.y_max, box.x_min : box.x_max] for box in boxes)]
    columns = [
        flat.isfinite().logical_not().sum(1, keepdim=True),
        flat.abs().argmax(1, keepdim=True),
        *(ascending[:, rank : rank + 1] for rank in ranks(flat.shape[1])),
        *_places(ascending),
        *_patch_numbers(maps),
        *_segment_numbers(maps, label_maps),
        *(area.sum((2, 3)) for area in areas),
    ]
    return torch.cat([column.double() for column in columns], 1)


def _patch_numbers(maps: Tensor) -> Iterator[Tensor]:
    """Yield minimum, maximum and `_places` of each map blurred, and of its sums over patches."""
    sums, side = maps.double(), 1
    rows, columns = (_blur_matrix(each, maps.device) for each in maps.shape[1:])
    yield from _ends_and_places(rows @ sums @ columns)
    for size in PATCH_SIZES:
        sums, side = _added(sums, size // side), size  # of the next smaller ones, which they are made of
        yield from _ends_and_places(sums)


@cache
def _blur_matrix(side: int, device: torch.device) -> Tensor:
    return torch.tensor(blur_matrix(side), device=device)


def _ends_and_places(values: Tensor) -> list[Tensor]:
    ascending = values.flatten(1).sort(1).values
    return [ascending[:, :1], ascending[:, -1:], *_places(ascending)]


def _segment_numbers(maps: Tensor, label_maps: Sequence[LabelMap]) -> Iterator[Tensor]:
    """Yield what `_patch_numbers` does, of the regions of each label map.

    Products with ones and zeros, some regions at a time: adding up by index would take another order each
    time, and with it another sum.
    """
    values = maps.double().flatten(1)
    for each in label_maps:
        labels = _sent(each.labels, maps.device)
        parts = []
        for first in range(0, each.regions, SEGMENTS_AT_ONCE):
            numbers = torch.arange(first, min(first + SEGMENTS_AT_ONCE, each.regions), device=maps.device)
            parts.append(values @ (labels[:, None] == numbers).double())
        yield from _ends_and_places(torch.cat(parts, 1))


def _sent(labels: NDArray[np.uint16], device: torch.device) -> Tensor:
    """Send labels, of less than 2**15 regions, to a device; nothing waits for what it has to do before."""
    flat = torch.from_numpy(labels.astype(np.int16).ravel())
    return flat.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else flat.to(device)


def _added(values: Tensor, size: int) -> Tensor:
    """Add up values, [n, H, W], over patches of a size."""
    height, width = values.shape[1:]
    rows, columns = -(-height // size), -(-width // size)
    whole = torch.nn.functional.pad(values, (0, columns * size - width, 0, rows * size - height))
    return whole.reshape(-1, rows, size, columns, size).sum(4).sum(2)


def _places(ascending: Tensor) -> list[Tensor]:
    """Return where the edges of `histogram` part each row of values, as `counts_between` takes it."""
    edges = _edges(ascending.device, ascending.dtype).expand(len(ascending), -1)
    below = torch.searchsorted(ascending, -edges.flip(1), right=True)
    return [below, torch.searchsorted(ascending, edges.contiguous())]


@cache
def _edges(device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(FLOAT32_EDGES if dtype == torch.float32 else EDGES[:-1], device=device)


def unpack_map_statistics(
    numbers: NDArray[np.float64],
    boxes: Sequence[MappedBox],
    shape: Sequence[int],
    label_maps: Sequence[LabelMap] = (),
) -> list[MeasuredMap]:
    """Say what the numbers of maps mean that `launch_map_statistics` found, once they are on the host.

    Args:
        numbers: [n, numbers].
        boxes: that were measured.
        shape: (H, W) of the maps.
        label_maps: that they were summed over.
    """
    sizes = {BLURRED: math.prod(shape)}
    sizes |= {size: math.prod(-(-side // size) for side in shape) for size in PATCH_SIZES}
    sizes |= {SEGMENTS[each.segments]: each.regions for each in label_maps}
    lengths = (RANKS, _PLACES, len(sizes) * (2 + _PLACES))
    found = []
    for row in numbers:
        not_finite, peak = int(row[0]), int(row[1])
        if not_finite:
            found.append(MeasuredMap(not_finite, None, []))
            continue
        ordered, places, patches, sums = np.split(row[2:], np.cumsum(lengths))
        whole, *inside = (Sums.of(positive, negative) for positive, negative in sums.reshape(-1, 2).tolist())
        counts = counts_between(places, shape[0] * shape[1])
        statistics = statistics_of(ordered.tolist(), whole, counts, _unpack_patches(patches, sizes))
        found.append(MeasuredMap(0, statistics, statistics_of_boxes(boxes, inside, whole, peak, shape)))
    return found


def _unpack_patches(numbers: NDArray[np.float64], sizes: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return the `patches` of a map: what was found for each size, of so many regions; sizes ascend."""
    found = []
    for size, (low, high, *places) in zip(sizes, numbers.reshape(len(sizes), -1), strict=True):
        found.append(patch_entry(size, low, high, counts_between(np.array(places), sizes[size])))
    return sorted(found, key=lambda entry: int(entry["size"]))
