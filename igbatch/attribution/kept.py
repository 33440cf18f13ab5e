"""Adaptive integrals: node maps are kept on the device, and the rule runs on their inner products.

When all nodes that a path asked for have come, one product extends its Gram matrix and another one makes its
map, whose absolute sum is needed; one copy a round brings the numbers of all such paths to the host. A path
whose slots run out folds its leftmost intervals into one map.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .adaptive import (
    FIRST_NODES,
    MAX_HALVED,
    Goal,
    Intervals,
    Judgement,
    Known,
    fitting,
    judge,
    masses,
    middles,
)
from .integral import Integral, Node
from .passes import Values
from .path_maps import MAX_KEPT, SLOTS, PathMaps
from .rules import Quadrature

__all__ = ["KeptMaps"]

FloatArray = NDArray[np.float64]
EXACT_BELOW = 1e-3
"""Tolerances below this need inner products in float64: changes are small differences of large maps."""


class KeptMaps:
    """Adaptive integrals along the paths of a wave.

    Args:
        goal: when a map is good enough.
        targets: of every path, K.
    """

    def __init__(self, goal: Goal, targets: int) -> None:
        self._goal = goal
        self._targets = targets
        self._paths: dict[int, PathMaps] = {}
        self._shape: tuple[int, ...] = ()
        self._fresh: list[Tensor] = []  # scores, scales and slopes: float64 [3, batch rows, K] each
        self._order: list[tuple[PathMaps, int]] = []  # path and slot of these batch rows
        self._ends: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._logits: dict[int, Tensor] = {}
        self._judged: dict[int, tuple[FloatArray, NDArray[np.bool_]]] = {}

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[float]]:
        """Begin a path in a row; both ends are among its first nodes."""
        self._paths[row] = PathMaps(self._targets)
        return self._paths[row].ask(FIRST_NODES), ()

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        """Keep the integrand at nodes; those of a path follow each other as they were asked for."""
        self._shape = values.maps.shape[2:]
        maps = values.maps.flatten(2)
        scales = values.scales.T.to(maps)
        first = 0
        for row, group in groupby(rows):
            own = slice(first, first + len(list(group)))
            slots = slice(nodes[own.start].slot, nodes[own.stop - 1].slot + 1)
            self._paths[row].put(slots, maps[own], scales[:, own])
            first = own.stop
        self._fresh.append(torch.stack([values.scores, values.scales, values.slopes]))
        for index, (row, node) in enumerate(zip(rows, nodes, strict=True)):
            self._order.append((self._paths[row], node.slot))
            if node.place == 1.0:
                self._logits[row] = values.logits[index]

    def add_scores(
        self, rows: Sequence[int], places: Sequence[float], scores: Tensor, logits: Tensor
    ) -> None:
        """Take no outputs alone: every node tells its own."""
        raise AssertionError("an adaptive integral asks for no outputs alone")

    def advance(self, rows: Sequence[int]) -> list[Sequence[Node]]:
        """Judge paths that have all nodes that they asked for; return what each asks for next."""
        paths = [self._paths[row] for row in rows]
        count = max(path.used for path in paths) + 1
        intervals = Intervals.of(
            np.stack([path.nodes[:count] for path in paths]), np.array([path.folded for path in paths])
        )
        abs_sum = self._fetch(paths, intervals.total)
        for row, path in zip(rows, paths, strict=True):
            if path.steps == len(FIRST_NODES):
                self._ends[row] = path.scores[1].copy(), path.scores[path.used].copy()
        known = Known(
            scores=np.stack([path.scores[:count] for path in paths]),
            slopes=np.stack([path.slopes[:count] for path in paths]),
            gram=np.stack([path.gram[:, :count, :count] for path in paths]),
            abs_sum=abs_sum,
            steps=np.array([path.steps for path in paths]),
            folds=np.stack([path.folds[:4] for path in paths], 1),
        )
        judgement = judge(intervals, known, self._goal)
        asked = []
        for index, (row, path) in enumerate(zip(rows, paths, strict=True)):
            self._judged[row] = judgement.map_error[index], judgement.converged[index]
            path.total[:count], path.total[count:] = intervals.total[index], 0.0
            places = judgement.halved[index]
            if len(places) and path.used + len(places) > MAX_KEPT:
                places = self._fold(path, index, intervals, known, judgement)
            asked.append(path.ask(places[: self._goal.max_steps - path.steps]))
        return asked

    def result(self, row: int) -> Integral:
        """Return the integral along the path in a row."""
        path = self._paths.pop(row)
        used = path.used + 1
        weights = path.total[:used]
        maps = path.combined(weights)
        order = 1 + np.argsort(path.nodes[1:used], kind="stable")
        starts, ends = self._ends.pop(row)
        return Integral(
            maps.reshape(len(maps), *self._shape), ends, starts,
            weights[1:] @ path.slopes[1:used] + path.folds[4], path.steps, *self._judged.pop(row),
            Quadrature(path.nodes[order], weights[order]), self._logits.pop(row),
        )  # fmt: skip

    def _fetch(self, paths: Sequence[PathMaps], total: FloatArray) -> FloatArray:
        """Bring what the device knows of paths to the host, and return their maps' absolute sums, [A, K]."""
        first = self._fresh[0]
        exact = self._goal.tolerance < EXACT_BELOW
        weights = torch.from_numpy(total).to(first.device)
        products = [path.products(exact) for path in paths]
        sums = [path.abs_sum(own) for path, own in zip(paths, weights.to(products[0]), strict=True)]
        parts = [part.flatten() for part in (*self._fresh, *products, *sums)]
        pieces = np.split(
            torch.cat([part.to(first) for part in parts]).cpu().numpy(),
            np.cumsum([len(part) for part in parts]),
        )
        fresh = [piece.reshape(each.shape) for piece, each in zip(pieces, self._fresh, strict=False)]
        for (path, slot), numbers in zip(self._order, np.concatenate(fresh, 1).swapaxes(0, 1), strict=True):
            score, scale, slope = numbers
            path.scores[slot], path.scales[slot], path.slopes[slot] = score, scale, slope * scale
        pieces = pieces[len(self._fresh) :]
        self._fresh, self._order = [], []
        for path, piece, each in zip(paths, pieces, products, strict=False):
            path.take(piece.reshape(each.shape))
        return np.stack(pieces[len(paths) : 2 * len(paths)])

    def _fold(
        self, path: PathMaps, index: int, intervals: Intervals, known: Known, judgement: Judgement
    ) -> FloatArray:
        """Fold the leftmost intervals that are good enough, and return the middles of those that follow.

        Where not one is and no slot is left, the first is folded as it is: its error counts.
        """
        valid = np.flatnonzero(intervals.valid[index])
        count = fitting(intervals, judgement, index)
        if count == 0 and path.used + MAX_HALVED >= SLOTS:
            count = 1
        gone, rest = valid[:count], valid[count:]
        if count:
            weights = np.zeros(path.used + 1)
            np.add.at(weights, intervals.stencil[index, gone], intervals.weights[index, gone])
            mass, rise = (each[index, gone].sum(0) for each in masses(intervals, known))
            error = np.sqrt((judgement.errors[index, gone] ** 2).sum(0))
            gap = judgement.gaps[index, gone].sum(0)
            before = path.folds
            folds = np.stack(
                [np.hypot(before[0], error), before[1] + gap, before[2] + mass, before[3] + rise]
            )
            left = intervals.lows[
                index, gone[-1]
            ]  # one node left of the boundary belongs to the next stencil
            path.fold(weights, left, folds, left + intervals.widths[index, gone[-1]])
        return middles(intervals, index, rest[:MAX_HALVED])
