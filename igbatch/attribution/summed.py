"""Integrals by a quadrature whose nodes are known beforehand: maps are added up as they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .integral import Integral, Node
from .passes import Values
from .rules import Quadrature
from .turns import HostCopy

__all__ = ["SummedMaps"]

FloatArray = NDArray[np.float64]


class SummedMaps:
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
        self._sums: dict[int, Tensor] = {}  # by row, float64 [K, ...]
        self._slopes: dict[int, Tensor] = {}  # float64 [K]
        self._scores: dict[int, dict[float, Tensor]] = {}
        self._logits: dict[int, Tensor] = {}
        self._numbers: dict[int, FloatArray] = {}

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[float]]:
        """Begin a path in a row; its outputs at both ends are needed besides the nodes."""
        self._scores[row] = {}
        return [Node(slot, float(place)) for slot, place in enumerate(self._quadrature.nodes)], (0.0, 1.0)

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        """Add up the integrand at nodes; those of a path follow each other."""
        weights = torch.tensor([self._quadrature.weights[node.slot] for node in nodes], dtype=torch.float64)
        factors = weights.to(values.scales.device)[:, None] * values.scales  # [batch rows, K]
        maps = values.maps.flatten(2).transpose(0, 1)  # [K, batch rows, pixels]
        slopes = factors * values.slopes
        first = 0
        for row, group in groupby(rows):
            own = slice(first, first + len(list(group)))
            part = (factors[own].T[:, None] @ maps[:, own].double())[:, 0].reshape(-1, *values.maps.shape[2:])
            slope = slopes[own].sum(0)
            self._sums[row] = self._sums[row] + part if row in self._sums else part
            self._slopes[row] = self._slopes[row] + slope if row in self._slopes else slope
            first = own.stop

    def add_scores(
        self, rows: Sequence[int], places: Sequence[float], scores: Tensor, logits: Tensor
    ) -> None:
        """Take the outputs at ends of paths."""
        for index, (row, place) in enumerate(zip(rows, places, strict=True)):
            self._scores[row][place] = scores[index]
            if place == 1.0:
                self._logits[row] = logits[index].clone()  # else it holds the whole batch's

    def launch(self, rows: Sequence[int]) -> HostCopy:
        """Start to bring what is known of paths to the host."""
        device_numbers = [
            torch.stack([self._slopes.pop(row), *(self._scores[row][end] for end in (0.0, 1.0))])
            for row in rows
        ]
        return HostCopy(torch.stack(device_numbers))

    def advance(self, rows: Sequence[int], numbers: FloatArray) -> list[Sequence[Node]]:
        """Take the numbers of paths; all are done."""
        self._numbers.update(zip(rows, numbers, strict=True))
        return [() for _ in rows]

    def result(self, row: int) -> Integral:
        """Return the integral along the path in a row."""
        sums, starts, ends = self._numbers.pop(row)
        del self._scores[row]
        converged = np.abs(sums - (ends - starts)) <= self._tolerance * np.abs(ends - starts) + self._atol
        return Integral(
            self._sums.pop(row), ends, starts, sums, len(self._quadrature.weights),
            np.full(len(sums), np.nan), converged, self._quadrature, self._logits.pop(row),
        )  # fmt: skip
