"""Integrals by a quadrature whose nodes are known beforehand: maps are added up as they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from .device_sharing import HostCopy
from .integral import Integral, Node
from .passes import Values
from .rules import FloatArray, Quadrature

ENDS = (Node(0, 0.0), Node(1, 1.0))


class FixedIntegrals:
    """Integrals along the paths of a wave by one quadrature.

    A map has converged where the completeness gap is small beside the output's rise; errors that cancel are
    not seen.

    Args:
        quadrature: nodes and weights.
        tolerance: relative completeness gap that is allowed.
        atol: in units of the output, added to it.
    """

    def __init__(self, quadrature: Quadrature, tolerance: float, atol: float) -> None:
        self._quadrature = quadrature
        self._tolerance, self._atol = tolerance, atol
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}  # by row: maps and slopes, float64 [K, ...] and [K]
        self._ends: dict[tuple[int, Node], Tensor] = {}  # scores
        self._logits: dict[int, Tensor] = {}  # at the image
        self._numbers: dict[int, FloatArray] = {}

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[Node]]:
        """Begin a path in a row; its outputs at both ends are needed besides the nodes."""
        return [Node(slot, float(place)) for slot, place in enumerate(self._quadrature.nodes)], ENDS

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        """Add up the integrand at nodes; those of a path follow each other."""
        weights = torch.tensor([self._quadrature.weights[node.slot] for node in nodes], dtype=torch.float64)
        factors = weights.to(values.scales.device)[:, None] * values.scales  # [batch, K]
        maps = values.maps.flatten(2).transpose(0, 1)  # [K, batch rows, pixels]
        slopes = factors * values.slopes
        first = 0
        for row, group in groupby(rows):
            own = slice(first, first + len(list(group)))
            part = (factors[own].T[:, None] @ maps[:, own].double())[:, 0].reshape(-1, *values.maps.shape[2:])
            slope = slopes[own].sum(0)
            if row in self._sums:
                part, slope = (held + new for held, new in zip(self._sums[row], (part, slope), strict=True))
            self._sums[row] = part, slope
            first = own.stop

    def add_scores(self, rows: Sequence[int], ends: Sequence[Node], found: tuple[Tensor, Tensor]) -> None:
        """Take the outputs at ends of paths."""
        for row, end, scores, logits in zip(rows, ends, *found, strict=True):
            self._ends[row, end] = scores
            if end.place == 1.0:
                self._logits[row] = logits.clone()  # else it holds the whole batch's

    def launch(self, rows: Sequence[int]) -> HostCopy:
        """Start to bring what is known of paths to the host."""
        numbers = ([self._sums[row][1], *(self._ends[row, end] for end in ENDS)] for row in rows)
        return HostCopy(torch.stack([torch.stack(each) for each in numbers]))

    def advance(self, rows: Sequence[int], numbers: FloatArray) -> list[Sequence[Node]]:
        """Take the numbers of paths; all are done."""
        self._numbers.update(zip(rows, numbers, strict=True))
        return [() for _ in rows]

    def result(self, row: int) -> Integral:
        """Return the integral along the path in a row."""
        sums, starts, ends = self._numbers.pop(row)
        maps, _ = self._sums.pop(row)
        for end in ENDS:
            del self._ends[row, end]
        delta = sums - (ends - starts)
        return Integral(
            attributions=maps,
            scores=ends,
            baseline_scores=starts,
            convergence_delta=delta,
            steps=np.full(len(sums), len(self._quadrature.weights)),
            map_error=np.full(len(sums), np.nan),
            converged=np.abs(delta) <= self._tolerance * np.abs(ends - starts) + self._atol,
            quadrature=self._quadrature,
            logits=self._logits.pop(row),
        )
