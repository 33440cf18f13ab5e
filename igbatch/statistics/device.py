"""Computes map statistics on the device, without copying maps to the host. The one such module with torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import MeasuredMap, refuse_outside, statistics_of_boxes
from igbatch.statistics.histogram import FLOAT32_EDGES, N_SIDE, counts_between
from igbatch.statistics.image_stats import QUANTILES, Sums, ranks, statistics_of

RANKS = 2 + len(QUANTILES)


def launch_map_statistics(maps: Tensor, boxes: Sequence[MappedBox]) -> Tensor:
    """Launch the statistics of an image's maps: float64 [n, numbers] on their device, to be unpacked below.

    Nothing waits for the device. Counts, extremes, quantiles and places of peaks are those that `measure`
    finds on the host; integers are exact in float64. Sums are taken in float64 in another order: they differ
    by at most (pixels * 2**-52) times the absolute sum.

    Args:
        maps: float32 [n, H, W].
        boxes: in pixels of each of the maps.

    Raises:
        InputError: a box reaches outside the maps.
    """
    refuse_outside(boxes, maps.shape[1:])
    flat = maps.flatten(1)
    ascending = flat.sort(1).values
    edges = _edges(maps.device).expand(len(maps), -1)
    signed = torch.stack([maps.clamp(min=0), maps.clamp(max=0)], 1).double()
    areas = [signed, *(signed[..., box.y_min : box.y_max, box.x_min : box.x_max] for box in boxes)]
    columns = [
        flat.isfinite().logical_not().sum(1, keepdim=True),
        flat.abs().argmax(1, keepdim=True),
        *(ascending[:, rank : rank + 1] for rank in ranks(flat.shape[1])),
        torch.searchsorted(ascending, -edges.flip(1), right=True),
        torch.searchsorted(ascending, edges.contiguous()),
        *(area.sum((2, 3)) for area in areas),
    ]
    return torch.cat([column.double() for column in columns], 1)


@cache
def _edges(device: torch.device) -> Tensor:
    return torch.tensor(FLOAT32_EDGES, device=device)


def unpack_map_statistics(
    numbers: NDArray[np.float64], boxes: Sequence[MappedBox], shape: Sequence[int]
) -> list[MeasuredMap]:
    """Say what the numbers of maps mean that `launch_map_statistics` found, once they are on the host.

    Args:
        numbers: [n, numbers].
        boxes: that were measured.
        shape: (H, W) of the maps.
    """
    found = []
    for row in numbers:
        not_finite, peak = int(row[0]), int(row[1])
        if not_finite:
            found.append(MeasuredMap(not_finite, None, []))
            continue
        ordered, places, sums = np.split(row[2:], [RANKS, RANKS + 2 * N_SIDE])
        whole, *inside = (Sums.of(positive, negative) for positive, negative in sums.reshape(-1, 2).tolist())
        statistics = statistics_of(ordered.tolist(), whole, counts_between(places, shape[0] * shape[1]))
        found.append(MeasuredMap(0, statistics, statistics_of_boxes(boxes, inside, whole, peak, shape)))
    return found
