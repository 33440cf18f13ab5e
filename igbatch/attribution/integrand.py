"""What is integrated, at (image, node) pairs: one forward pass, and a backward pass a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from . import outputs
from .errors import AttributionError
from .frozen import Model
from .outputs import Output
from .schedule import MicroBatch

__all__ = ["Integrand"]


@dataclass(frozen=True, eq=False)
class Integrand:
    """The integrand along the straight lines from baselines x' to images x.

    At the place a of an image's path, for a target's output F, it is ``(x - x') * dF/dx (x' + a (x - x'))``.

    Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1.

    Attributes:
        model: frozen, of type ``dtype``.
        images: [N, C, H, W], of any floating type.
        baseline: [N, C, H, W], of any floating type; may be an expanded view.
        targets: int64 [N, K], on the images' device.
        output: what is explained.
        dtype: the type of the model's passes.
    """

    model: Model
    images: Tensor
    baseline: Tensor
    targets: Tensor
    output: Output
    dtype: torch.dtype

    def scores(self, batch: MicroBatch) -> Tensor:
        """Return the targets' outputs at the pairs, float64 [rows, K], in units of the output (forward only).

        Raises:
            AttributionError: the model does not return logits [rows, classes], or a target is no class of it.
        """
        owners = self._owners(batch)
        start, direction = self._lines(owners)
        with torch.no_grad():
            logits = self._logits(self._points(start, direction, batch))
        return outputs.evaluate(self.output, logits, self.targets[owners])

    def maps(self, batch: MicroBatch, *, keep_channels: bool = False) -> Tensor:
        """Return the integrand at the pairs, in units of the output.

        Returns:
            float64 [rows, K, H, W], channels summed; [rows, K, C, H, W] with ``keep_channels``.

        Raises:
            AttributionError: the model does not return logits [rows, classes] that depend on the images, or a
                target is no class of it.
        """
        owners = self._owners(batch)
        start, direction = self._lines(owners)
        points = self._points(start, direction, batch).requires_grad_()
        logits = self._logits(points)
        if not logits.requires_grad:
            raise AttributionError(
                "the model's logits carry no gradient to the images: take no_grad and detach out of the model"
            )
        cotangents = outputs.cotangents(self.output, logits, self.targets[owners])
        # The backward pass is linear: scaled to 1, a tiny derivative does not underflow in the model.
        scales = cotangents.abs().amax(2, keepdim=True)
        cotangents = (cotangents / torch.where(scales > 0, scales, 1.0)).to(logits.dtype)
        integrands = []
        for target, cotangent in enumerate(cotangents):
            another = target + 1 < len(cotangents)
            (gradient,) = torch.autograd.grad(logits, points, cotangent, retain_graph=another)
            integrand = gradient.double().mul_(direction).mul_(scales[target, :, :, None, None])
            integrands.append(integrand if keep_channels else integrand.sum(1))
        return torch.stack(integrands, 1)

    def _owners(self, batch: MicroBatch) -> Tensor:
        return torch.from_numpy(batch.images).to(self.images.device)

    def _lines(self, owners: Tensor) -> tuple[Tensor, Tensor]:
        """Where each row's path starts and where it leads, both float64 [rows, C, H, W]."""
        start = self.baseline[owners].double()
        return start, self.images[owners].double() - start

    def _points(self, start: Tensor, direction: Tensor, batch: MicroBatch) -> Tensor:
        nodes = torch.from_numpy(batch.nodes).to(start.device)
        return torch.addcmul(start, nodes[:, None, None, None], direction).to(self.dtype)

    def _logits(self, points: Tensor) -> Tensor:
        logits = self.model(points)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(points):
            found = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise AttributionError(
                f"the model returned {found} for images {list(points.shape)}:"
                f" it must return logits [{len(points)}, classes]"
            )
        if self._highest_target >= logits.shape[1]:
            image, position = divmod(int(self.targets.argmax()), self.targets.shape[1])
            raise AttributionError(
                f"target {position} of image {image} is class {self._highest_target},"
                f" but the model has {logits.shape[1]} classes: give indices from 0 to {logits.shape[1] - 1}"
            )
        return logits

    @cached_property
    def _highest_target(self) -> int:
        return int(self.targets.max())
