"""The number that is explained: a function of the logits, and its derivative with respect to them.

Both are computed in float64 whatever the precision of the model. In float32 the derivative of a probability,
``p * (1 - p)``, loses its digits when p is close to 1, where trained models spend much of the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from .errors import AttributionError

__all__ = ["OUTPUTS", "Output", "cotangents", "evaluate", "output_named"]

Output = Callable[[Tensor], Tensor]
"""From float64 logits [rows, classes] to what each class is explained by, float64 [rows, classes]."""


def output_named(name: str) -> Output:
    """Return the output of that name.

    Raises:
        AttributionError: the name is not a key of ``OUTPUTS``.
    """
    if name not in OUTPUTS:
        raise AttributionError(f"output={name!r} is unknown: choose one of {', '.join(OUTPUTS)}")
    return OUTPUTS[name]


def evaluate(output: Output, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the output of every target, float64 [rows, K], in units of the output.

    Args:
        output: what is explained.
        logits: [rows, classes], of any floating type.
        targets: int64 [rows, K], class indices.
    """
    return output(logits.double()).gather(1, targets)


def cotangents(output: Output, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the derivative of every target's output with respect to the logits, float64 [K, rows, classes].

    Args:
        output: what is explained.
        logits: [rows, classes], of any floating type.
        targets: int64 [rows, K], class indices.
    """
    leaf = logits.detach().double().requires_grad_()
    # A row's outputs depend on that row's logits alone, so the sum over rows has the rows' own derivatives.
    sums = evaluate(output, leaf, targets).sum(0)
    return torch.stack([torch.autograd.grad(total, leaf, retain_graph=True)[0] for total in sums])


def _probability(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def _logit(logits: Tensor) -> Tensor:
    return logits


def _log_probability(logits: Tensor) -> Tensor:
    return logits.log_softmax(1)


OUTPUTS: Mapping[str, Output] = MappingProxyType(
    {"probability": _probability, "logit": _logit, "log-probability": _log_probability}
)
