"""Captum's call on this room's engine, for image classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from .engine import integrated_gradients
from .errors import AttributionError
from .frozen import Model

__all__ = ["IntegratedGradients"]

_RULES: Mapping[str, str] = MappingProxyType(
    {
        "gausslegendre": "gauss-legendre",
        "riemann_middle": "midpoint",
        "riemann_trapezoid": "trapezoid",
        "riemann_left": "left",
        "riemann_right": "right",
    }
)


class IntegratedGradients:
    """Captum's ``IntegratedGradients`` for images and one target, computed by ``integrated_gradients``.

    What is explained is the raw column ``target`` of what ``forward_func`` returns. Three things differ from
    captum: a module runs in evaluation mode with frozen parameters, the trapezoid's weights sum to 1 and not
    to (n-1)/n, and attributions are rounded to float32 also where the inputs are float64. What follows
    ``target`` is given by name, since captum has another argument there.

    Args:
        forward_func: any callable from images [rows, C, H, W] to [rows, classes].
    """

    def __init__(self, forward_func: Model) -> None:
        self.forward_func = forward_func

    def attribute(
        self,
        inputs: Tensor,
        baselines: Tensor | float | None = None,
        target: int | Tensor | None = None,
        *,
        n_steps: int = 50,
        method: str = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the attributions of the inputs, of their shape and type, in units of the explained column.

        Args:
            inputs: float32 or float64 [N, C, H, W].
            baselines: a number, or a tensor that broadcasts to the inputs; None: 0.
            target: a class index for all inputs, or an integer tensor [N] with one each.
            n_steps: the number of nodes of the rule.
            method: captum's name of a rule: gausslegendre or riemann_middle, _trapezoid, _left, _right.
            internal_batch_size: the most rows that go through the model together; None:
                ``default_micro_batch``.
            return_convergence_delta: return also, [N], sum of the attributions - (F(input) - F(baseline)).

        Raises:
            AttributionError: an argument is of another shape, type or name than described.

        Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1.
        """
        if method not in _RULES:
            raise AttributionError(f"method={method!r} is unknown: choose one of {', '.join(_RULES)}")
        precisions = {torch.float32: "float32", torch.float64: "float64"}
        if not isinstance(inputs, Tensor) or inputs.dtype not in precisions:
            found = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
            raise AttributionError(f"inputs are {found}: give one float32 or float64 tensor [N, C, H, W]")
        result = integrated_gradients(
            self.forward_func,
            inputs,
            _targets(target, inputs),
            0.0 if baselines is None else baselines,
            rule=_RULES[method],
            steps=n_steps,
            output="logit",
            precision=precisions[inputs.dtype],
            micro_batch=internal_batch_size,
            keep_channels=True,
        )
        attributions = result.attributions[:, 0].to(inputs.dtype)
        if not return_convergence_delta:
            return attributions
        return attributions, result.convergence_delta[:, 0].to(inputs.dtype)


def _targets(target: int | Tensor | None, inputs: Tensor) -> Tensor:
    """Return the target as [N, 1]."""
    if target is None:
        raise AttributionError("target is None: give the class to explain, or a tensor [N] with one an input")
    indices = torch.as_tensor(target)
    if indices.ndim > 1 or (indices.ndim == 1 and len(indices) not in (1, len(inputs))):
        raise AttributionError(
            f"target has shape {list(indices.shape)} for {len(inputs)} inputs: give a class, or one an input"
        )
    return indices.reshape(-1, 1).expand(len(inputs), 1)
