"""The arithmetic of the model's passes. Outputs and sums over nodes are always float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Precision:
    """The arithmetic of forward and backward passes.

    Attributes:
        dtype: the type of the model's parameters, of the images that it is given, and of the gradients.
        rounding: the relative error that an output may have by it, as a rule.
        products: what autocast rounds the factors of products to; None: nothing is rounded. Norms, softmax
            and sums stay in ``dtype``, as torch's autocast has them.
        tensorfloat32: let float32 products be rounded to TF32 where the hardware has it.
        gradient_scale: what cotangents are multiplied by on their way back, and gradients divided by: a
            float16 below 6e-8 is 0. A power of two, so that nothing else changes.
    """

    dtype: torch.dtype
    rounding: float
    products: torch.dtype | None = None
    tensorfloat32: bool = False
    gradient_scale: float = 1.0

    @property
    def exact(self) -> bool:
        """Whether its rounding is far below any tolerance of a map."""
        return self.products is None and not self.tensorfloat32

    @contextmanager
    def passes(self, device: torch.device) -> Iterator[None]:
        """Run the model in this arithmetic, whatever surrounds the call."""
        with (
            tensorfloat32(self.tensorfloat32),
            torch.autocast(
                device.type, dtype=self.products or torch.bfloat16, enabled=self.products is not None
            ),
        ):
            yield

    def gradient(
        self, logits: Tensor, points: Tensor, cotangent: Tensor, *, retain_graph: bool
    ) -> Tensor | None:
        """Return the vector-Jacobian product at the points, [batch, ...] of type ``dtype``.

        It is None where the logits have no graph that leads to the points.

        Args:
            logits: [batch, classes].
            points: [batch, ...], which the logits came from.
            cotangent: float64 [batch, classes], of size about 1.
            retain_graph: keep the forward pass for another product.
        """
        if not logits.requires_grad:
            return None
        scaled = (cotangent * self.gradient_scale).to(logits.dtype)
        with tensorfloat32(self.tensorfloat32):
            (gradient,) = torch.autograd.grad(
                logits, points, scaled, retain_graph=retain_graph, allow_unused=True
            )
        return gradient if gradient is None or self.gradient_scale == 1.0 else gradient / self.gradient_scale


@contextmanager
def tensorfloat32(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 in products and convolutions, and put the caller's choice back."""
    choice = "tf32" if allowed else "ieee"
    backends: Any = torch.backends  # whose stubs lack the newer switches
    switches = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = choice
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        "float32": Precision(torch.float32, 1e-5),
        "float64": Precision(torch.float64, 1e-13),
        "tensorfloat32": Precision(torch.float32, 4e-3, tensorfloat32=True),
        "bfloat16": Precision(torch.float32, 3e-2, products=torch.bfloat16),
        "float16": Precision(torch.float32, 4e-3, products=torch.float16, gradient_scale=1024.0),
    }
)
