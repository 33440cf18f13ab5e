"""How integrals are taken, what goes in, and what comes out: the data that the engine's calls exchange."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .adaptive import FIRST_NODES, Goal
from .errors import AttributionError
from .integral import Integrals
from .kept import KeptMaps
from .outputs import output_named
from .precision import precision_named
from .rules import Quadrature, rule_nodes
from .summed import SummedMaps

__all__ = ["DEFAULT_MAX_STEPS", "Attributed", "Example", "Settings"]

DEFAULT_MAX_STEPS = 2000


@dataclass(frozen=True)
class Settings:
    """How integrals are taken; the arguments of `integrated_gradients` say what each means.

    Attributes:
        arithmetic_error: the part of a map's relative L2 error that is due to a precision below float32.
        together: nodes of several images may share a micro-batch; where not, an image's bits do not depend on
            the others of a stream, whatever the machine.
        multiply: multiply by the path, as Integrated Gradients does.
        nodes: nodes and weights to be taken instead of those of a rule.
    """

    rule: str = "gauss-legendre"
    steps: int | Literal["auto"] = 50
    tolerance: float = 0.01
    atol: float = 1e-6
    max_steps: int = DEFAULT_MAX_STEPS
    output: str = "probability"
    precision: str = "float32"
    arithmetic_error: float = 0.0
    micro_batch: int | None = None
    keep_channels: bool = False
    together: bool = True
    multiply: bool = True
    nodes: Quadrature | None = None

    def __post_init__(self) -> None:
        for name in ("tolerance", "atol", "arithmetic_error"):
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and value >= 0):
                raise AttributionError(f"{name}={value!r}: give a finite number of 0 or more")
        if self.steps == "auto" and self.nodes is None and self.tolerance == 0:
            raise AttributionError(
                "tolerance=0 is reached by no number of nodes: give one above 0, or a number of steps"
            )
        least = len(FIRST_NODES)
        if isinstance(self.max_steps, bool) or not isinstance(self.max_steps, int) or self.max_steps < least:
            raise AttributionError(f"max_steps={self.max_steps!r}: give a whole number of {least} or more")
        precision_named(self.precision)
        output_named(self.output)
        if self.steps != "auto":
            _rule(self.rule, self.steps)

    def integrals(self, targets: int) -> Integrals:
        """Return new integrals for the paths of a wave, all with so many targets."""
        if self.nodes is not None or self.steps != "auto":
            quadrature = self.nodes or _rule(self.rule, self.steps)
            return SummedMaps(quadrature, self.tolerance, self.atol)
        left = self.tolerance - self.arithmetic_error
        tolerance = left if left > 0 else self.tolerance / 2
        rounding = precision_named(self.precision).rounding
        return KeptMaps(Goal(tolerance, self.atol, self.max_steps, rounding, complete=self.multiply), targets)


@lru_cache(maxsize=64)
def _rule(rule: str, steps: int | str) -> Quadrature:
    return rule_nodes(rule, steps)  # type: ignore[arg-type]  # which refuses what is no number


@dataclass(frozen=True, eq=False)
class Example:
    """An image to be explained: image and baseline [...] floating on one device, targets int64 [K].

    Targets may lie on the host: the engine asks a device for nothing then.
    """

    image: Tensor
    baseline: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class Attributed:
    """The maps of one example; as in `AttributionResult`, for the example `index` of the stream.

    Attributes:
        attributions: float64 [K, ...] on the example's device, not rounded to float32 yet.
        scores, baseline_scores, convergence_delta, steps, map_error, converged: [K] each.
        micro_batch: the most rows that went through the model together.
        quadrature: the nodes and weights that the maps are the sums of; of the first eight targets.
        logits: float64 [classes] on the example's device, at the image.
    """

    index: int
    attributions: Tensor
    scores: NDArray[np.float64]
    baseline_scores: NDArray[np.float64]
    convergence_delta: NDArray[np.float64]
    steps: NDArray[np.int64]
    map_error: NDArray[np.float64]
    converged: NDArray[np.bool_]
    micro_batch: int
    quadrature: Quadrature
    logits: Tensor
