"""What integrals along the paths of a wave have in common, whether their places are fixed or adaptive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .passes import Values
from .rules import Quadrature
from .turns import HostCopy

__all__ = ["Integral", "Integrals", "Node"]

FloatArray = NDArray[np.float64]


class Node(NamedTuple):
    """A place that a path asks for, from 0 at the baseline to 1 at the image, and the slot of its map."""

    slot: int
    place: float


@dataclass(frozen=True, eq=False)
class Integral:
    """The integral along one path, for K targets; in units of the output where it has one.

    Attributes:
        attributions: float64 [K, ...], on the device; not rounded to float32 yet.
        scores, baseline_scores: float64 [K], the outputs at the path's ends.
        convergence_delta: float64 [K], sum of the map, multiplied by the path, - (score - baseline score).
        steps: int64 [K], nodes that the maps were computed from.
        map_error: float64 [K], a bound of the relative L2 error; NaN where it is not known.
        converged: bool [K].
        quadrature: the nodes and weights that the maps are the sums of.
        logits: float64 [classes] on the device, at the image.
    """

    attributions: Tensor
    scores: FloatArray
    baseline_scores: FloatArray
    convergence_delta: FloatArray
    steps: NDArray[np.int64]
    map_error: FloatArray
    converged: NDArray[np.bool_]
    quadrature: Quadrature
    logits: Tensor


class Integrals(Protocol):
    """Integrals along the paths of a wave, each path in a row of its own."""

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[Node]]:
        """Begin a path in a row; return the nodes that it asks for, and ends whose outputs alone it needs."""

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        """Take the integrand at nodes of paths, one batch row each."""

    def add_scores(self, rows: Sequence[int], ends: Sequence[Node], found: tuple[Tensor, Tensor]) -> None:
        """Take outputs alone, float64 [batch rows, K], and logits, float64 [batch rows, classes]."""

    def launch(self, rows: Sequence[int]) -> HostCopy:
        """Start to bring to the host what is to be known of paths that have all that they asked for."""

    def advance(self, rows: Sequence[int], numbers: FloatArray) -> list[Sequence[Node]]:
        """Look at these paths, whose numbers have come; return the next nodes of each, none if done."""

    def result(self, row: int) -> Integral:
        """Return the integral along the path in a row, which may be used for another one from then on."""
