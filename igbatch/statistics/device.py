"""Statistics of maps where they lie: torch, for maps on a GPU. The one module of statistics that needs torch.

`igbatch.statistics.measured` says the same of one map on the host, and names what is found here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.statistics.box_stats import InputBox, refuse_outside, statistics_of_boxes
from igbatch.statistics.histogram import FLOAT32_EDGES, N_SIDE, counts_between
from igbatch.statistics.image_stats import QUANTILES, Sums, ranks, statistics_of
from igbatch.statistics.measured import Measured

RANKS = 2 + len(QUANTILES)


def measure_maps(maps: Tensor, boxes: Sequence[InputBox]) -> list[Measured]:
    """Measure each map of an image as `igbatch.statistics.measured.measure` does, on their device.

    Counts, extremes, quantiles and places of peaks are the same. Sums are taken in float64 in another order:
    they differ by at most (pixels * 2**-52) times the absolute sum. All numbers come to the host in one copy.

    Args:
        maps: float32 [n, H, W].
        boxes: in pixels of each of the maps.

    Raises:
        InputError: a box reaches outside the maps.
    """
    shape = maps.shape[1:]
    refuse_outside(boxes, shape)
    numbers = torch.cat([part.double() for part in _numbers(maps, boxes)], 1).cpu().numpy()
    return [_measured(row, boxes, shape) for row in numbers]


def _numbers(maps: Tensor, boxes: Sequence[InputBox]) -> list[Tensor]:
    """Return columns, [n, any] each; integers among them are exact in float64."""
    flat = maps.flatten(1)
    ascending = flat.sort(1).values
    edges = _edges(maps.device).expand(len(maps), -1)
    signed = torch.stack([maps.clamp(min=0), maps.clamp(max=0)], 1).double()
    areas = [signed, *(signed[..., box.y_min : box.y_max, box.x_min : box.x_max] for box in boxes)]
    return [
        flat.isfinite().logical_not().sum(1, keepdim=True),
        flat.abs().argmax(1, keepdim=True),
        *(ascending[:, rank : rank + 1] for rank in ranks(flat.shape[1])),
        torch.searchsorted(ascending, -edges.flip(1), right=True),
        torch.searchsorted(ascending, edges.contiguous()),
        *(area.sum((2, 3)) for area in areas),
    ]


@cache
def _edges(device: torch.device) -> Tensor:
    return torch.tensor(FLOAT32_EDGES, device=device)


def _measured(row: NDArray[np.float64], boxes: Sequence[InputBox], shape: Sequence[int]) -> Measured:
    """Name the columns of one map."""
    not_finite, peak = int(row[0]), int(row[1])
    if not_finite:
        return Measured(not_finite, None, [])
    ordered, places, sums = np.split(row[2:], [RANKS, RANKS + 2 * N_SIDE])
    whole, *inside = (Sums.of(positive, negative) for positive, negative in sums.reshape(-1, 2).tolist())
    counts = counts_between(places, shape[0] * shape[1])
    statistics = statistics_of(ordered.tolist(), whole, counts)
    return Measured(0, statistics, statistics_of_boxes(boxes, inside, whole, peak, shape))
