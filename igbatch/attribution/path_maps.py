"""What is kept of one adaptive path: its node maps on the device, and their numbers on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .adaptive import MAX_HALVED
from .integral import Node

__all__ = ["MAX_KEPT", "PathMaps"]

FloatArray = NDArray[np.float64]
MAX_KEPT = 128
"""Nodes of a path whose maps are kept before its leftmost intervals are folded: what bounds its memory."""
SLOTS = MAX_KEPT + 2 * MAX_HALVED + 1
"""Slots of a path: what is kept, what is asked for meanwhile, and the folded map."""
FIRST_SLOTS = 32
COLUMNS = 1 << 14
"""Pixels of maps that are taken to float64 at a time."""


class PathMaps:
    """The maps of one path's nodes, for K targets; numbers are in units of the output.

    Slot 0 holds the integral over what was folded, as one map; the others hold nodes as they came.

    Attributes:
        nodes: float64 [slots], infinite where a slot is empty.
        used: the last slot that is not empty.
        asked: the first slot whose inner products the host does not know yet.
        steps: nodes that were asked for.
        scores, slopes, scales: float64 [slots, K]; maps on the device are in units of the scales.
        gram: float64 [K, slots, slots], inner products of maps.
        folded: the place up to which intervals are folded.
        folds: float64 [5, K], of these: error (as a norm), gap, the integrals of norm and of |slope|, sum.
        total: float64 [slots], the weights of the slots in the integral, as it was judged last.
    """

    def __init__(self, targets: int) -> None:
        self.nodes = np.full(SLOTS, np.inf)
        self.used, self.asked, self.steps = 0, 1, 0
        self.scores, self.slopes, self.scales = np.zeros((3, SLOTS, targets))
        self.gram = np.zeros((targets, SLOTS, SLOTS))
        self.folded = 0.0
        self.folds = np.zeros((5, targets))
        self.total = np.zeros(SLOTS)
        self._maps = torch.zeros(0)  # [K, slots, pixels]
        self._scales = torch.zeros(0)  # [K, slots], on the device

    def ask(self, places: Sequence[float] | FloatArray) -> Sequence[Node]:
        """Give places their slots, and return them as what is asked for next."""
        first = self.used + 1
        self.nodes[first : first + len(places)] = places
        self.asked, self.used, self.steps = first, self.used + len(places), self.steps + len(places)
        return [Node(first + index, float(place)) for index, place in enumerate(places)]

    def put(self, slots: slice, maps: Tensor, scales: Tensor) -> None:
        """Keep maps, [n, K, pixels], and their scales, [K, n], in slots that follow each other."""
        held = self._maps.shape[1] if self._maps.ndim == 3 else 0
        if held < slots.stop:
            size = min(SLOTS, max(slots.stop, FIRST_SLOTS, 2 * held))
            larger = maps.new_zeros(maps.shape[1], size, maps.shape[2])
            larger_scales = maps.new_zeros(maps.shape[1], size)
            if held:
                larger[:, :held], larger_scales[:, :held] = self._maps, self._scales
            self._maps, self._scales = larger, larger_scales
        self._maps[:, slots] = maps.transpose(0, 1)
        self._scales[:, slots] = scales

    def products(self, exact: bool) -> Tensor:
        """Return the inner products of the maps that were asked for with all, [K, new, slots], on the device.

        Args:
            exact: in float64, where the differences of maps that count are small.
        """
        maps = self._maps[:, : self.used + 1]
        if not exact:
            return maps[:, self.asked :] @ maps.mT
        parts = (some.double() for some in torch.split(maps, COLUMNS, 2))
        return torch.stack([some[:, self.asked :] @ some.mT for some in parts]).sum(0)

    def abs_sum(self, weights: Tensor) -> Tensor:
        """Return the sum of absolute values, [K], of the maps' sum with weights for the slots in use."""
        used = self.used + 1
        factors = weights[:used] * self._scales[:, :used]
        whole = factors[:, None] @ self._maps[:, :used]
        found: Tensor = torch.linalg.vector_norm(whole[:, 0], ord=1, dim=1)
        return found

    def take(self, products: FloatArray) -> None:
        """Put the numbers of `products` into the Gram matrix; scores, slopes and scales are there."""
        new, count = slice(self.asked, self.used + 1), self.used + 1
        scales = self.scales[:count].T
        products = products * scales[:, new, None] * scales[:, None]
        self.gram[:, new, :count] = products
        self.gram[:, :count, new] = products.transpose(0, 2, 1)

    def combined(self, weights: FloatArray) -> Tensor:
        """Return the sum of the maps with weights for the first slots, float64 [K, pixels]."""
        factors = torch.from_numpy(np.ascontiguousarray((weights[:, None] * self.scales[: len(weights)]).T))
        factors = factors.to(self._maps.device)[:, None]
        maps = self._maps[:, : len(weights)]
        return torch.cat([factors @ some.double() for some in torch.split(maps, COLUMNS, 2)], 2)[:, 0]

    def fold(self, weights: FloatArray, left: float, folds: FloatArray, until: float) -> None:
        """Put a sum of maps into slot 0, and move the nodes that are still needed behind it.

        Args:
            weights: of the slots in use, in the integral over what is folded now; slot 0 is added.
            left: nodes from here on are still needed.
            folds: what `folds` is from now on, but for the sum.
            until: the place up to which everything is folded then.
        """
        weights = weights.copy()
        weights[0] = self.folded > 0
        used = self.used + 1
        sums = self.folds[4] + weights[1:] @ self.slopes[1:used]
        order = 1 + np.argsort(self.nodes[1:used], kind="stable")
        kept = order[self.nodes[order] >= left]
        size = 1 + len(kept)
        moved = np.zeros((size, used))
        moved[0], moved[np.arange(1, size), kept] = weights, 1.0
        gram = moved @ self.gram[:, :used, :used] @ moved.T
        scale = np.abs(weights[:, None] * self.scales[:used]).max(0)
        scale = np.where(scale > 0, scale, 1.0)
        device_scale = torch.from_numpy(scale).to(self._maps.device)
        whole = self.combined(weights) / device_scale[:, None]
        index = torch.from_numpy(kept).to(self._maps.device)
        self._maps[:, 1:size], self._scales[:, 1:size] = self._maps[:, index], self._scales[:, index]
        self._maps[:, 0], self._scales[:, 0] = whole, device_scale
        for each in (self.scores, self.slopes, self.scales):
            each[1:size] = each[kept]
            each[size:] = 0.0
        self.scales[0] = scale
        self.nodes[1:size], self.nodes[size:] = self.nodes[kept], np.inf
        self.gram[:] = 0.0
        self.gram[:, :size, :size] = gram
        self.used, self.folded = size - 1, until
        self.folds[:4], self.folds[4] = folds, sums
