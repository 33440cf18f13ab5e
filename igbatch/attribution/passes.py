"""Forward and backward passes at places of many paths at once: these evaluate the integrand.

`Passes` is a function from (baselines, images, nodes, targets) to (maps, scores, slopes, logits). It never
synchronizes with the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from .contrasts import Differences, Part, with_differences
from .errors import AttributionError, explained
from .outputs import OUTPUTS, OutputUnit
from .precision import Precision

MIN_PEAK = torch.finfo(torch.float32).smallest_normal
"""What stands for a map's largest value where that is 0, or hardly more."""
EXPONENT_BITS = 0x7FF0_0000_0000_0000
"""Those of a float64."""
Forward = Callable[[Tensor, Tensor], Tensor]
"""From points [batch, ...] and their examples, int64 [batch], to logits [batch, classes]."""


class Batch(NamedTuple):
    """Batch rows: places on paths, all on one device and with the same number of targets.

    Attributes:
        start: [batch, ...], where each path starts, in the passes' type.
        image: [batch, ...], where it ends.
        nodes: float64 [batch], the place: 0 at the start, 1 at the image.
        targets: int64 [batch, K], or [batch, K, 2] with contrasts (`contrasts.target_tensor`).
        example_indices: int64 [batch], the example that each row belongs to.
        highest: the largest of the targets, known without asking the device.
        differences: which targets are differences of two others, the same of all rows; none where empty.
    """

    start: Tensor
    image: Tensor
    nodes: Tensor
    targets: Tensor
    example_indices: Tensor
    highest: int
    differences: Differences = ()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All but the last two."""
        return self[:5]


class Values(NamedTuple):
    """The integrand at batch rows, for K targets, on the device.

    Attributes:
        maps: [batch, K, ...], the integrand in units of `scales`: its largest value is 1 to 2, so that what
            is tiny or huge keeps its digits.
        scores: float64 [batch, K], the output.
        scales: float64 [batch, K], in units of the output.
        slopes: float64 [batch, K], the output's derivative along the path, in units of `scales`.
        logits: float64 [batch, classes].
    """

    maps: Tensor
    scores: Tensor
    scales: Tensor
    slopes: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Passes:
    """The integrand along straight lines from baselines x' to images x.

    At the place a of a path, for a target's output F, it is ``(x - x') * dF/dx (x' + a (x - x'))``.

    Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1.

    Attributes:
        forward: the model, made ready.
        output: what is explained.
        precision: the arithmetic of the passes.
        sum_channels: add up the map's first dimension.
        multiply: multiply by ``x - x'``; without, the integrand is the gradient alone.
    """

    forward: Forward
    output: OutputUnit
    precision: Precision
    sum_channels: bool = True
    multiply: bool = True
    _constant: dict[int, Tensor] = field(default_factory=dict, compare=False)

    def scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the targets' outputs, float64 [batch, K], and logits, float64 [batch, classes]: no gradient.

        Raises:
            AttributionError: as `values` does.
        """
        with torch.no_grad():
            logits = self._logits(_points(batch), batch).double()
            return self.output.values(logits, batch.targets), logits

    def values(self, batch: Batch) -> Values:
        """Return the integrand at batch rows.

        Raises:
            AttributionError: the model does not return logits [batch, classes], they change from row to row
                and carry no gradient, there is one alone and its softmax is explained, or a target is no
                class of it.
        """
        points = _points(batch).requires_grad_()
        logits = self._logits(points.clone(), batch)  # of a leaf nothing may be changed in place
        exact = logits.detach().double()
        scores, cotangents = self.output.value_and_cotangents(exact, batch.targets)
        # The backward pass is linear: scaled to 1, a tiny derivative does not underflow in the model.
        scales = cotangents.abs().amax(2)  # [batch, K]
        cotangents = cotangents / (scales + (scales == 0))[:, :, None]  # a scalar would come from the host
        direction = batch.image - batch.start
        differences = batch.differences or (None,) * cotangents.shape[1]
        backward = [target for target, places in enumerate(differences) if places is None]
        parts = {}
        for target in backward:
            cotangent, retain = cotangents[:, target], target != backward[-1]
            gradient = self.precision.gradient(logits, points, cotangent, retain_graph=retain)
            if gradient is None:
                self._require_constant(batch.example_indices, scores)
                gradient = torch.zeros_like(direction)
            product = gradient * direction
            integrand = product if self.multiply else gradient
            integrand = integrand.sum(1) if self.sum_channels else integrand
            slope = (integrand if self.multiply else product).flatten(1).sum(1, dtype=torch.float64)
            parts[target] = Part(integrand, slope, scales[:, target])
        whole, slopes, scales = with_differences(parts, differences)
        # Maps are scaled to about 1 too: squares of what is far from it have no place in float32.
        units = _powers_of_two(torch.linalg.vector_norm(whole.flatten(2), ord=math.inf, dim=2))
        whole = whole / units.to(whole.dtype).reshape(*units.shape, *[1] * (whole.ndim - 2))
        return Values(whole, scores, scales * units, slopes / units, exact)

    def _logits(self, points: Tensor, batch: Batch) -> Tensor:
        with self.precision.passes(points.device):
            try:
                logits = self.forward(points, batch.example_indices)
            except RuntimeError as error:
                raise explained(error) from error
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(points):
            found = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise AttributionError(
                f"the model returned {found} for images {list(points.shape)}:"
                f" it must return logits [{len(points)}, classes]"
            )
        if logits.shape[1] == 1 and self.output is not OUTPUTS["logit"]:
            raise AttributionError(
                "the model has one logit, whose softmax is 1 whatever the image shows:"
                ' explain output="logit" instead'
            )
        if batch.highest >= logits.shape[1]:
            row, place, *_ = torch.nonzero(batch.targets == batch.highest)[0].tolist()
            raise AttributionError(
                f"target {place} of image {int(batch.example_indices[row])} is class {batch.highest}, but the"
                f" model has {logits.shape[1]} classes: give indices from 0 to {logits.shape[1] - 1}"
            )
        return logits

    def _require_constant(self, example_indices: Tensor, scores: Tensor) -> None:
        """Take it that an output without a gradient is constant along a path, unless its scores differ."""
        for index, score in zip(example_indices.tolist(), scores, strict=True):
            if not torch.allclose(score, self._constant.setdefault(index, score), equal_nan=True):
                raise AttributionError(
                    "the model's logits change with the images and carry no gradient to the images:"
                    " take no_grad and detach out of the model"
                )


def _points(batch: Batch) -> Tensor:
    """Return the places on the paths, exactly the baseline at 0 and the image at 1."""
    nodes = batch.nodes.to(batch.image.dtype).reshape(-1, *[1] * (batch.image.ndim - 1))
    return torch.lerp(batch.start, batch.image, nodes)


def _powers_of_two(peaks: Tensor) -> Tensor:
    """Return the largest powers of two up to positive numbers, float64: in units of them nothing is rounded.

    It is 1 for what is not finite, and never less than the smallest normal float32.
    """
    finite = peaks.double().nan_to_num(1.0, 1.0).clamp(min=MIN_PEAK)
    return (finite.view(torch.int64) & EXPONENT_BITS).view(torch.float64)
