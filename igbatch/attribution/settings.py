"""How integrals are taken, what goes in, and what comes out: the data that the engine's calls exchange."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor

from .adaptive import FIRST_NODES, Goal
from .adaptive_integrals import AdaptiveIntegrals
from .contrasts import Differences
from .errors import AttributionError, is_whole, require_known
from .fixed_integrals import FixedIntegrals
from .integral import Integral
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .rules import FloatArray, Quadrature, rule_nodes

DEFAULT_MAX_STEPS = 2000
_rule = lru_cache(maxsize=64)(rule_nodes)


@dataclass(frozen=True)
class Settings:
    """How integrals are taken; the arguments of `integrated_gradients` say what each means.

    Attributes:
        arithmetic_error: the part of a map's relative L2 error that is due to a precision below float32; that
            of a difference of two follows (`contrasts.arithmetic_errors`).
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
        if self.steps == "auto" and self.nodes is None and not 0 < self.tolerance < 1:
            why = "is reached by no number of nodes" if self.tolerance == 0 else "lets a map of zeros pass"
            raise AttributionError(
                f"tolerance={self.tolerance!r} {why}: it is a share of the map's norm, so give one between 0 "
                "and 1 (0.01 is one percent), or a number of steps"
            )
        least = len(FIRST_NODES)
        if not is_whole(self.max_steps) or self.max_steps < least:
            raise AttributionError(f"max_steps={self.max_steps!r}: give a whole number of {least} or more")
        require_known("precision", self.precision, PRECISIONS)
        require_known("output", self.output, OUTPUTS)
        if self.steps != "auto":
            _rule(self.rule, self.steps)

    def integrals(self, targets: int, differences: Differences = ()) -> AdaptiveIntegrals | FixedIntegrals:
        """Return new integrals for the paths of a wave, all with so many targets and the same differences."""
        if self.nodes is not None or self.steps != "auto":
            quadrature = self.nodes or _rule(self.rule, self.steps)
            return FixedIntegrals(quadrature, self.tolerance, self.atol)
        rounding = PRECISIONS[self.precision].rounding
        goal = Goal(
            self.tolerance, self.atol, self.max_steps, rounding, self.multiply,
            self.arithmetic_error, differences,
        )  # fmt: skip
        return AdaptiveIntegrals(goal, targets)


@dataclass(frozen=True, eq=False)
class Example:
    """An image to be explained: image and baseline [...] floating on one device, targets int64 [K].

    With contrasts among them targets are [K, 2] (`contrasts.target_tensor`): the second is the class whose
    output is subtracted, -1 where there is none.

    Targets may lie on the host: the engine asks a device for nothing then.
    """

    image: Tensor
    baseline: Tensor
    targets: Tensor


class Spread(NamedTuple):
    """How the maps under several baselines differ; in units of the output where it has one.

    Attributes:
        deviation: float64 [K, ...], standard deviation of each pixel over the baselines, on the device.
        ratio: float64 [K], L2 norm of the deviation over that of the mean map; not finite where that is 0.
        sums: float64 [baselines, K, areas], the sums over the areas that were asked for.
    """

    deviation: Tensor
    ratio: FloatArray
    sums: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Attributed(Integral):
    """The maps of one example, for all of its targets; numbers are as in `AttributionResult`.

    Attributes:
        index: of the example in the stream.
        micro_batch: the most batch rows that went through the model together.
        quadrature: of the first eight targets.
        spread: of the maps whose mean this is, where copies differ in their baselines.
    """

    index: int
    micro_batch: int
    spread: Spread | None = None
