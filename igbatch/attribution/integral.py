"""The nodes that an integral along a path requests, and its result; for fixed and adaptive rules alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .rules import FloatArray, Quadrature


class Node(NamedTuple):
    """A requested place of a path, from 0 at the baseline to 1 at the image, and the slot of its map."""

    slot: int
    place: float


@dataclass(frozen=True, eq=False, kw_only=True)
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
