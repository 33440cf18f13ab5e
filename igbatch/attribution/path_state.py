"""What is kept of one adaptive path: its node maps on the device, and their numbers on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .adaptive import MAX_HALVED
from .integral import Node
from .rules import FloatArray, Quadrature

MAX_KEPT = 128
"""Nodes of a path whose maps are kept before its leftmost intervals are folded."""
SLOTS = MAX_KEPT + 2 * MAX_HALVED + 1
"""Slots of a path, what bounds its memory: kept nodes, requested ones, and the folded map."""
SLOTS_AT_A_TIME = 16
"""By so many slots the buffer of maps grows: most of a path's memory is maps, so little is spare."""
COLUMNS = 1 << 14
"""Pixels of maps that are taken to float64 at a time."""


class PathState:
    """The maps of one path's nodes, for K targets; numbers are in units of the output.

    Slot 0 holds the integral over what was folded, as one map; the others hold nodes as they came.

    Attributes:
        nodes: float64 [slots], infinite where a slot is empty.
        used: the last slot that is not empty.
        exact: whether inner products are in float64.
        known: the first slot whose inner products the host does not know yet.
        steps: nodes that were requested.
        scores, slopes, scales: float64 [slots, K]; maps on the device are in units of the scales.
        gram: float64 [K, slots, slots], inner products of nodes' maps; slot 0 has none.
        folded: the place up to which intervals are folded.
        folds: float64 [5, K], of these: error (as a norm), gap, the integrals of norm and of |slope|, sum.
        ends: float64 [2, K], the scores at both ends of the path.
        logits: float64 [classes], at the image, on the device.
        weights: float64 [used + 1], of the slots in the map, as it was judged last.
        map_error, converged: [K] each, what that came to.
    """

    def __init__(self, targets: int, exact: bool = False) -> None:
        self.nodes = np.full(SLOTS, np.inf)
        self.used, self.known, self.steps = 0, 1, 0
        self.exact = exact
        self.scores, self.slopes, self.scales = np.zeros((3, SLOTS, targets))
        self.gram = np.zeros((targets, SLOTS, SLOTS))
        self.folded = 0.0
        self.folds = np.zeros((5, targets))
        self.ends: FloatArray
        self.logits: Tensor
        self.weights: FloatArray
        self.map_error: FloatArray
        self.converged: NDArray[np.bool_]
        self._past: dict[float, float] = {}  # weights of nodes in what is folded, by place
        self._maps = torch.zeros(0)  # [K, slots, pixels]

    def request(self, places: Sequence[float] | FloatArray) -> Sequence[Node]:
        """Give places their slots, and return them as the next requests."""
        first = self.used + 1
        self.nodes[first : first + len(places)] = places
        self.used, self.steps = self.used + len(places), self.steps + len(places)
        return [
            Node(slot, place) for slot, place in enumerate(self.nodes[first : self.used + 1].tolist(), first)
        ]

    def put(self, slots: slice, maps: Tensor) -> None:
        """Keep maps, [n, K, pixels], in slots that follow each other."""
        held = self._maps.shape[1] if self._maps.ndim == 3 else 0
        if held < slots.stop:
            size = min(SLOTS, math.ceil(slots.stop / SLOTS_AT_A_TIME) * SLOTS_AT_A_TIME)
            larger = maps.new_zeros(maps.shape[1], size, maps.shape[2])
            if held:
                larger[:, :held] = self._maps
            self._maps = larger
        self._maps[:, slots] = maps.transpose(0, 1)

    def products(self) -> Tensor:
        """Return the inner products that the host does not know: of new nodes' maps with those of all nodes.

        [K, new, nodes], on the device, in units of the scales.
        """
        maps = self._maps[:, 1 : self.used + 1]
        new = self.known - 1
        if not self.exact:
            return maps[:, new:] @ maps.mT
        parts = [some.double() for some in torch.split(maps, COLUMNS, 2)]
        return torch.stack([some[:, new:] @ some.mT for some in parts]).sum(0)

    def weighted(self, factors: Tensor) -> Tensor:
        """Return the sum of the first slots' maps with factors, [K, slots], as [K, pixels] of their type."""
        return (factors[:, None] @ self._maps[:, : factors.shape[1]])[:, 0]

    def take(self, products: FloatArray) -> None:
        """Put the numbers of `products` into the Gram matrix; the scales are there."""
        new, nodes = slice(self.known, self.used + 1), slice(1, self.used + 1)
        scales = self.scales.T
        products = products * scales[:, new, None] * scales[:, None, nodes]
        self.gram[:, new, nodes] = products
        self.gram[:, nodes, new] = products.transpose(0, 2, 1)
        self.known = self.used + 1

    def combined(self, weights: FloatArray) -> Tensor:
        """Return the sum of the maps with weights for the first slots, float64 [K, pixels]."""
        factors = torch.from_numpy(np.ascontiguousarray((weights[:, None] * self.scales[: len(weights)]).T))
        factors = factors.to(self._maps.device)[:, None]
        maps = self._maps[:, : len(weights)]
        return torch.cat([factors @ some.double() for some in torch.split(maps, COLUMNS, 2)], 2)[:, 0]

    def quadrature(self) -> Quadrature:
        """Return all nodes of the path, with weights for the slots in use and those of what is folded."""
        counted = sorted(self._counted(self.weights).items())
        return Quadrature(*np.array(counted).T)

    def fold(self, weights: FloatArray, left: float, folds: FloatArray, until: float) -> None:
        """Put a sum of maps into slot 0, and move the nodes that are still needed behind it.

        Args:
            weights: of the slots in use, in the integral over what is folded now; slot 0 is added.
            left: nodes from here on are still needed.
            folds: what `folds` is from now on, but for the sum.
            until: the place up to which everything is folded then.
        """
        used = self.used + 1
        weights = np.concatenate([[self.folded > 0], weights[1:used]])
        self._past = self._counted(weights)
        self.folds[:4], self.folds[4] = folds, self.folds[4] + weights[1:] @ self.slopes[1:used]
        order = 1 + np.argsort(self.nodes[1:used], kind="stable")
        kept = order[self.nodes[order] >= left]
        size = 1 + len(kept)
        scale = np.abs(weights[:, None] * self.scales[:used]).max(0)
        scale = np.where(scale > 0, scale, 1.0)
        whole = self.combined(weights) / torch.from_numpy(scale).to(self._maps.device)[:, None]
        self._maps[:, 1:size] = self._maps[:, torch.from_numpy(kept).to(self._maps.device)]
        self._maps[:, 0] = whole
        for each in (self.scores, self.slopes, self.scales):
            each[1:size] = each[kept]
            each[size:] = 0.0
        self.scales[0] = scale
        self.nodes[1:size], self.nodes[size:] = self.nodes[kept], np.inf
        gram = self.gram[:, kept[:, None], kept]
        self.gram[:] = 0.0
        self.gram[:, 1:size, 1:size] = gram
        self.used, self.folded, self.known = size - 1, until, min(self.known, size)

    def _counted(self, weights: FloatArray) -> dict[float, float]:
        """Return the weight of each node, by place: that of its slot and that in what is folded."""
        counted = dict(self._past)
        for place, weight in zip(self.nodes[1 : len(weights)].tolist(), weights[1:].tolist(), strict=True):
            counted[place] = counted.get(place, 0.0) + weight
        return counted
