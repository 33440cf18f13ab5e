"""The integral along one path by a rule of so many nodes, all of them known beforehand."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .integrand import NodeValue
from .rules import Quadrature

__all__ = ["FixedIntegral"]


class FixedIntegral:
    """The sum over a quadrature's nodes for K targets; a node's map is added as it comes and not kept."""

    def __init__(self, quadrature: Quadrature, tolerance: float, atol: float) -> None:
        self.scored: tuple[float, ...] = (0.0, 1.0)
        self.steps = 0
        self.map_error = np.array([])
        self.quadrature = quadrature
        self._wave = tuple(quadrature.nodes.tolist())
        self._weights = quadrature.weights.tolist()
        self._tolerance, self._atol = tolerance, atol
        self._ends: list[NDArray[np.float64]] = []
        self._sum: Tensor | None = None

    @property
    def wanted(self) -> tuple[float, ...]:
        """The nodes to be evaluated; none once they are all in."""
        return self._wave if self.steps < len(self._weights) else ()

    @property
    def done(self) -> bool:
        """Whether all nodes and both ends are in."""
        return self.steps == len(self._weights) and len(self._ends) == len(self.scored)

    def add(self, node: float, value: NodeValue) -> None:
        """Take the integrand at a node; nodes come in the order in which they were wanted."""
        if self._sum is None:
            self._sum = torch.zeros_like(value.map, dtype=torch.float64)
            self.map_error = np.full(len(value.scale), np.nan)
        factors = torch.from_numpy(self._weights[self.steps] * value.scale).to(self._sum.device)
        self._sum.addcmul_(value.map, factors.reshape(-1, *[1] * (self._sum.ndim - 1)))
        self.steps += 1

    def add_score(self, score: NDArray[np.float64]) -> None:
        """Take the outputs at an end, float64 [K]; ends come in the order of `scored`."""
        self._ends.append(score)

    @property
    def scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The outputs at the baseline and at the image, float64 [K] each."""
        return self._ends[0], self._ends[1]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether the completeness gap is small beside the output's rise; errors that cancel are not seen."""
        rise = self._ends[1] - self._ends[0]
        gap = self.result().flatten(1).sum(1).cpu().numpy() - rise
        return np.asarray(np.abs(gap) <= self._tolerance * np.abs(rise) + self._atol)

    def result(self) -> Tensor:
        """Return the map, float64 [K, ...]."""
        assert self._sum is not None
        return self._sum
