"""Adaptive integrals: node maps are kept on the device, and the rule runs on their inner products.

When all requested nodes of a path are evaluated, one matrix product extends the path's Gram matrix. A second
one computes its map, whose norms the error estimate needs. One copy a round brings the numbers of all such
paths to the host. When a path has no free slot, its leftmost intervals are summed into one map and their node
maps are freed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from .adaptive import (
    EXACT_BELOW,
    FIRST_NODES,
    MAX_HALVED,
    MIN_WIDTH,
    ErrorEstimate,
    Goal,
    Intervals,
    Known,
    count_foldable,
    estimate_errors,
    masses,
)
from .device_sharing import HostCopy
from .integral import Integral, Node
from .passes import Values
from .path_state import MAX_KEPT, SLOTS, PathState
from .precision import tensorfloat32
from .rules import FloatArray

MIN_UNIT = 1e-300
"""What stands for a unit of 0, of which all factors are 0."""
RESERVE = 5 - round(np.log2(MIN_WIDTH))
"""Slots that are left for halving the first interval that is not folded until it is as narrow as can be."""


class AdaptiveIntegrals:
    """Adaptive integrals along the paths of a wave.

    Args:
        goal: when a map is good enough.
        targets: of every path, K.
    """

    def __init__(self, goal: Goal, targets: int) -> None:
        self._goal = goal
        self._targets = targets
        self._exact = bool(goal.left(np.ones(targets)).max() < EXACT_BELOW)
        self._paths: dict[int, PathState] = {}
        self._shape: tuple[int, ...] = ()
        self._dtype = torch.float32
        self._fresh: list[Tensor] = []  # scores, scales and slopes: float64 [3, batch rows, K] each
        self._order: list[tuple[PathState, slice, int]] = []  # of these rows: path, slots, and the first row
        self._intervals: Intervals  # of the paths whose numbers are on their way
        self._parts: list[torch.Size] = []  # what these numbers are

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[Node]]:
        """Begin a path in a row; both ends are among its first nodes."""
        self._paths[row] = PathState(self._targets, exact=self._exact)
        return self._paths[row].request(FIRST_NODES), ()

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        """Keep the integrand at nodes; those of a path follow each other as they were requested."""
        self._shape, self._dtype = values.maps.shape[2:], values.maps.dtype
        maps = values.maps.flatten(2)
        first, held = 0, sum(each.shape[1] for each in self._fresh)
        for row, group in groupby(rows):
            own = slice(first, first + len(list(group)))
            slots = slice(nodes[own.start].slot, nodes[own.stop - 1].slot + 1)
            self._paths[row].put(slots, maps[own])
            self._order.append((self._paths[row], slots, held + first))
            first = own.stop
        self._fresh.append(torch.stack([values.scores, values.scales, values.slopes]))
        for index, (row, node) in enumerate(zip(rows, nodes, strict=True)):
            if node.place == 1.0:
                self._paths[row].logits = values.logits[index].clone()  # else it holds the whole batch's

    def add_scores(self, rows: Sequence[int], ends: Sequence[Node], found: tuple[Tensor, Tensor]) -> None:
        """Take no outputs alone: every node tells its own."""
        raise AssertionError("an adaptive integral asks for no outputs alone")

    def launch(self, rows: Sequence[int]) -> HostCopy:
        """Start to bring the numbers of paths to the host that have all requested nodes."""
        paths = [self._paths[row] for row in rows]
        count = max(path.used for path in paths) + 1
        self._intervals = Intervals.of(
            np.stack([path.nodes[:count] for path in paths]), np.array([path.folded for path in paths])
        )
        fresh = torch.cat(self._fresh, 1)
        factors, units = self._factors(paths, self._intervals.total, fresh[1])
        with tensorfloat32(False):  # whatever the caller allows
            products = [path.products() for path in paths]
            maps = torch.stack(
                [path.weighted(own[:, : path.used + 1]) for path, own in zip(paths, factors, strict=True)]
            )
        norms = [torch.linalg.vector_norm(maps, ord=order, dim=2) for order in (1, 2)]
        lowered = torch.cat([each.flatten() for each in (*products, *norms)])
        self._fresh = []
        self._parts = [each.shape for each in (fresh, units, *products, *norms)]
        return HostCopy(torch.cat([fresh.flatten(), units.flatten(), lowered.to(fresh)]))

    def advance(self, rows: Sequence[int], numbers: FloatArray) -> list[Sequence[Node]]:
        """Judge these paths by their numbers; return what each asks for next."""
        paths, intervals = [self._paths[row] for row in rows], self._intervals
        count = intervals.total.shape[1]
        abs_sum, norm = self._take(paths, numbers)
        for path in paths:
            if path.steps == len(FIRST_NODES):
                path.ends = path.scores[[1, path.used]]
        known = Known(
            scores=np.stack([path.scores[:count] for path in paths]),
            slopes=np.stack([path.slopes[:count] for path in paths]),
            gram=np.stack([path.gram[:, :count, :count] for path in paths]),
            norm=norm,
            abs_sum=abs_sum,
            exact=np.array([path.exact for path in paths]),
            steps=np.array([path.steps for path in paths]),
            folds=np.stack([path.folds[:4] for path in paths], 1),
        )
        estimate = estimate_errors(intervals, known, self._goal)
        requested = []
        for index, path in enumerate(paths):
            path.map_error, path.converged = estimate.map_error[index], estimate.converged[index]
            path.weights = intervals.total[index, : path.used + 1]
            if estimate.inexact[index]:  # which is so as long as the path is not exact
                path.exact, path.known = True, 1
            places = estimate.halved[index]
            if len(places) and path.used + len(places) > MAX_KEPT:
                places = self._fold(path, index, intervals, known, estimate)
            requested.append(path.request(places[: self._goal.max_steps - path.steps]))
        return requested

    def result(self, row: int) -> Integral:
        """Return the integral along the path in a row."""
        path = self._paths.pop(row)
        maps, (starts, ends) = path.combined(path.weights), path.ends
        sums = path.weights[1:] @ path.slopes[1 : len(path.weights)] + path.folds[4]
        return Integral(
            attributions=maps.reshape(len(maps), *self._shape),
            scores=ends,
            baseline_scores=starts,
            convergence_delta=sums - (ends - starts),
            steps=np.full(len(sums), path.steps),
            map_error=path.map_error,
            converged=path.converged,
            quadrature=path.quadrature(),
            logits=path.logits,
        )

    def _take(self, paths: Sequence[PathState], numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Put the numbers that `launch` requested where they belong.

        Returns:
            the absolute sums and the norms of the paths' maps, float64 [A, K] both.
        """
        ends = np.cumsum([math.prod(part) for part in self._parts])[:-1]
        split = zip(np.split(numbers, ends), self._parts, strict=True)
        (scores, scales, slopes), unit, *inner, sums, squares = (part.reshape(shape) for part, shape in split)
        for path, slots, first in self._order:
            own = slice(first, first + slots.stop - slots.start)
            path.scores[slots], path.scales[slots] = scores[own], scales[own]
            path.slopes[slots] = slopes[own] * scales[own]
        self._order, self._parts = [], []
        for path, found in zip(paths, inner, strict=True):
            path.take(found)
        return sums * unit, squares * unit

    def _factors(self, paths: Sequence[PathState], total: FloatArray, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """Return the slots' factors in the maps, [A, K, slots], of size 1 at most in units [A, K].

        The host knows the scales of nodes from earlier rounds, the device those of fresh ones, float64
        [batch, K].
        """
        numbers = {id(path): number for number, path in enumerate(paths)}
        parts = [
            (numbers[id(path)], slot, first + slot - slots.start)
            for path, slots, first in self._order
            if id(path) in numbers
            for slot in range(slots.start, slots.stop)
        ]
        places = np.array(parts).T
        host = np.stack([path.scales[: total.shape[1]] for path in paths]) * total[:, :, None]
        weights = total[places[0], places[1]]
        factors, own = (torch.from_numpy(each).to(fresh.device) for each in (host, weights))
        path, slot, position = torch.from_numpy(places).to(fresh.device)
        factors[path, slot] = fresh[position] * own[:, None]
        units = torch.linalg.vector_norm(factors, ord=math.inf, dim=1)
        factors = factors / units.clamp(min=MIN_UNIT)[:, None]
        return factors.mT.to(self._dtype), units

    def _fold(
        self, path: PathState, index: int, intervals: Intervals, known: Known, estimate: ErrorEstimate
    ) -> FloatArray:
        """Fold the leftmost intervals that are good enough, and return the middles of those that follow.

        The fewer slots are free, the fewer follow. The first one's halves, quarters and so on always have
        some, so that it ends as good enough, or too narrow to be halved.
        """
        valid = np.flatnonzero(intervals.valid[index])
        count = count_foldable(intervals, estimate, index)
        gone, rest = valid[:count], valid[count:]
        # two nodes left of the boundary belong to the next interval's quartic
        left = intervals.lows[index, gone[-2:][0]] if count else 0.0
        free_slots = SLOTS - 1 - int((path.nodes[1 : path.used + 1] >= left).sum())
        places: FloatArray = intervals.middles[index, rest[: max(1, min(MAX_HALVED, free_slots - RESERVE))]]
        places = places[np.isfinite(places)]
        if count and len(places):  # a path that asks for nothing more is done as it is
            weights = np.zeros(path.used + 1)
            np.add.at(weights, intervals.stencil[index, gone], intervals.weights[index, gone])
            mass, rise = (each[index, gone].sum(0) for each in masses(intervals, known))
            error = np.sqrt((estimate.errors[index, gone] ** 2).sum(0))
            gap = estimate.gaps[index, gone].sum(0)
            before = path.folds
            folds = np.stack(
                [np.hypot(before[0], error), before[1] + gap, before[2] + mass, before[3] + rise]
            )
            path.fold(weights, left, folds, (intervals.lows + intervals.widths)[index, gone[-1]])
        return places
