"""What is integrated, at points of many paths at once: one forward pass, and a backward pass a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import outputs
from .errors import AttributionError, explained
from .outputs import Output
from .precision import Precision

__all__ = ["Forward", "Integrand", "NodeValue", "Row"]

CHUNK_ROWS = 1
"""Rows of float64 numbers that a CPU holds at a time; they are three times as large as the images' own."""
Forward = Callable[[Tensor, Tensor], Tensor]
"""From points [rows, ...] and the example that each belongs to, int64 [rows], to logits [rows, classes]."""


@dataclass(frozen=True, eq=False)
class Row:
    """A place on a path.

    Attributes:
        example: the index of the path's image in the call.
        start: [...], where the path starts, of any floating type.
        direction: float64 [...], from there to the image.
        targets: int64 [K].
        node: the place: 0 at the start, 1 at the image.
    """

    example: int
    start: Tensor
    direction: Tensor
    targets: Tensor
    node: float


@dataclass(frozen=True, eq=False)
class NodeValue:
    """The integrand at a node, for K targets.

    Attributes:
        score: float64 [K], the output.
        map: [K, ...], the integrand in units of `scale`, so that tiny derivatives keep their digits.
        scale: float64 [K], in units of the output.
        norm: float64 [K], the integrand's L2 norm in units of the output.
        slope: float64 [K], the output's derivative along the path.
    """

    score: NDArray[np.float64]
    map: Tensor
    scale: NDArray[np.float64]
    norm: NDArray[np.float64]
    slope: NDArray[np.float64]

    def rounded(self) -> NodeValue:
        """Return the value with its map in float32, in memory of its own."""
        return NodeValue(self.score, self.map.to(torch.float32, copy=True), self.scale, self.norm, self.slope)


@dataclass(frozen=True, eq=False)
class Integrand:
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
    output: Output
    precision: Precision
    sum_channels: bool = True
    multiply: bool = True
    _constant: dict[int, Tensor] = field(default_factory=dict)

    def scores(self, rows: list[Row]) -> NDArray[np.float64]:
        """Return the targets' outputs, float64 [rows, K], in units of the output (forward only).

        Raises:
            AttributionError: the model does not return logits [rows, classes], or a target is no class of it.
        """
        targets = _targets(rows)
        with torch.no_grad():
            logits = self._logits(self._points(rows), rows, targets)
            return outputs.evaluate(self.output, logits, targets).cpu().numpy()

    def values(self, rows: list[Row]) -> list[NodeValue]:
        """Return the integrand at the rows.

        Raises:
            AttributionError: the model does not return logits [rows, classes], they change from row to row
                and carry no gradient, or a target is no class of it.
        """
        targets = _targets(rows)
        points = self._points(rows).requires_grad_()
        logits = self._logits(points.clone(), rows, targets)  # of a leaf nothing may be changed in place
        scores = outputs.evaluate(self.output, logits.detach(), targets)
        cotangents = outputs.cotangents(self.output, logits, targets)
        # The backward pass is linear: scaled to 1, a tiny derivative does not underflow in the model.
        scales = cotangents.abs().amax(2)  # [K, rows]
        cotangents = cotangents / torch.where(scales > 0, scales, 1.0)[:, :, None]
        maps: Tensor | None = None
        slopes = torch.zeros_like(scales)
        for target, cotangent in enumerate(cotangents):
            retain = target + 1 < len(cotangents)
            gradient = self.precision.gradient(logits, points, cotangent, retain_graph=retain)
            if gradient is None:
                self._require_constant(rows, scores)
                gradient = torch.zeros_like(points)
            for chunk in self._chunks(len(rows), points.device):
                integrand, slopes[target, chunk] = self._along(gradient[chunk], rows[chunk])
                if maps is None:
                    shape = (len(rows), len(cotangents), *integrand.shape[1:])
                    maps = integrand.new_empty(shape)
                maps[chunk, target] = integrand
        assert maps is not None
        norms = torch.linalg.vector_norm(maps.flatten(2), dim=2)
        units = scales.T
        numbers = torch.stack([scores, units, norms * units, slopes.T * units], 1).cpu().numpy()
        return [
            NodeValue(score, map_, scale, norm, slope)
            for (score, scale, norm, slope), map_ in zip(numbers, maps, strict=True)
        ]

    def _require_constant(self, rows: list[Row], scores: Tensor) -> None:
        """Take it that an output without a gradient is constant along a path, unless its scores differ."""
        for row, score in zip(rows, scores, strict=True):
            if not torch.allclose(score, self._constant.setdefault(row.example, score), equal_nan=True):
                raise AttributionError(
                    "the model's logits change with the images and carry no gradient to the images:"
                    " take no_grad and detach out of the model"
                )

    def _along(self, gradient: Tensor, rows: list[Row]) -> tuple[Tensor, Tensor]:
        """Return the integrand of rows, float64 [rows, ...], and their slopes along the path, [rows]."""
        exact = gradient.double()
        product = exact * torch.stack([row.direction for row in rows])
        integrand = product if self.multiply else exact
        return integrand.sum(1) if self.sum_channels else integrand, product.flatten(1).sum(1)

    def _points(self, rows: list[Row]) -> Tensor:
        points = torch.empty(
            (len(rows), *rows[0].start.shape), dtype=self.precision.dtype, device=rows[0].start.device
        )
        for chunk in self._chunks(len(rows), points.device):
            start = torch.stack([row.start for row in rows[chunk]]).double()
            direction = torch.stack([row.direction for row in rows[chunk]])
            nodes = torch.tensor([row.node for row in rows[chunk]], dtype=torch.float64, device=start.device)
            nodes = nodes.reshape(-1, *[1] * (start.ndim - 1))
            points[chunk] = start.addcmul_(nodes, direction)
        return points

    @staticmethod
    def _chunks(rows: int, device: torch.device) -> list[slice]:
        """Return the rows that are worked on together in float64: few where memory is the cache's."""
        size = CHUNK_ROWS if device.type == "cpu" else rows
        return [slice(first, first + size) for first in range(0, rows, size)]

    def _logits(self, points: Tensor, rows: list[Row], targets: Tensor) -> Tensor:
        owners = torch.tensor([row.example for row in rows], device=points.device)
        with self.precision.passes(points.device):
            try:
                logits = self.forward(points, owners)
            except RuntimeError as error:
                raise explained(error) from error
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(points):
            found = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise AttributionError(
                f"the model returned {found} for images {list(points.shape)}:"
                f" it must return logits [{len(points)}, classes]"
            )
        if logits.shape[1] == 1 and self.output is not outputs.OUTPUTS["logit"]:
            raise AttributionError(
                "the model has one logit, whose softmax is 1 whatever the image shows:"
                ' explain output="logit" instead'
            )
        if int(targets.max()) >= logits.shape[1]:
            row = next(row for row in rows if int(row.targets.max()) >= logits.shape[1])
            raise AttributionError(
                f"target {int(row.targets.argmax())} of image {row.example} is class"
                f" {int(row.targets.max())},"
                f" but the model has {logits.shape[1]} classes: give indices from 0 to {logits.shape[1] - 1}"
            )
        return logits


def _targets(rows: list[Row]) -> Tensor:
    return torch.stack([row.targets for row in rows])
