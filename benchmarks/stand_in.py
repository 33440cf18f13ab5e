"""A stand-in for a model, whose passes cost next to nothing, and a count of operations that leaves it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Counts operations on tensors; those of the stand-in model and views are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()
        self.inside = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        is_view = any(
            info.alias_info is not None and not info.alias_info.is_write for info in function._schema.returns
        )
        if not self.inside and not is_view and name not in ("detach", "alias", "empty", "lift_fresh"):
            self.counted[name] += 1
        return result


class StandIn(torch.autograd.Function):
    """Logits that bend along the path, with a backward pass of one product: neither is counted."""

    operations: Operations | None = None

    @staticmethod
    def forward(context: Any, points: Tensor, weights: Tensor, bends: Tensor) -> Tensor:
        with uncounted():
            sums = points.flatten(1) @ weights
            context.save_for_backward(sums, weights, bends)
            context.shape = points.shape
            return torch.sin(sums * bends) / bends

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        with uncounted():
            sums, weights, bends = context.saved_tensors
            return ((gradients[0] * torch.cos(sums * bends)) @ weights.T).reshape(context.shape), None, None


@contextmanager
def uncounted() -> Iterator[None]:
    """Leave operations in the block out."""
    if StandIn.operations is None:
        yield
        return
    before, StandIn.operations.inside = StandIn.operations.inside, True
    try:
        yield
    finally:
        StandIn.operations.inside = before
