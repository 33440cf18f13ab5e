"""Captum's ``IntegratedGradients`` on our engine: the same call, for inputs and outputs of any shape.

Captum itself is not imported.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any, Literal, TypeVar, overload

import torch
from torch import Tensor, nn

from .api import Baseline, warn_of_constant
from .captum_arguments import Call, described
from .engine import attribute_forward, default_micro_batch
from .errors import AttributionError, is_whole, require_known
from .frozen import parameters_frozen
from .rules import min_steps
from .settings import DEFAULT_MAX_STEPS, Settings

Inputs = TypeVar("Inputs", Tensor, tuple[Tensor, ...])
Baselines = Baseline | tuple[Baseline, ...] | None
Target = int | tuple[int, ...] | Tensor | list[int] | list[tuple[int, ...]] | None
Method = TypeVar("Method", bound=Callable[..., Any])

_RULES: Mapping[str, str] = MappingProxyType(
    {
        "gausslegendre": "gauss-legendre",
        "riemann_middle": "midpoint",
        "riemann_trapezoid": "trapezoid",
        "riemann_left": "left",
        "riemann_right": "right",
    }
)
_MAX_BATCH_ROWS = 512
"""The most rows of a micro-batch where the caller does not say, however small an example is."""
_IMAGE = 3 * 224 * 224
"""Numbers in the examples that the engine's default micro-batch is meant for."""


def _wrapped(method: Method) -> Method:
    """Wrap a method in a function that does nothing else, and that has it as ``__wrapped__``.

    Captum's ``NoiseTunnel`` calls ``method.attribute.__wrapped__``, to get past the log that captum puts
    around its own methods. It finds one here as well.
    """
    return functools.wraps(method)(lambda *given, **named: method(*given, **named))  # type: ignore[return-value]


class IntegratedGradients:
    """Captum's ``IntegratedGradients``, computed by our engine; docs/from-captum.md compares the two.

    Args:
        forward_func: a module or any other callable. It gets the inputs, each [batch, ...] in its own type,
            and the additional arguments. It returns one row for each of theirs: [batch], or more dimensions
            with a target. It runs as the caller left it, training mode included; a module's parameters
            require no gradients during a call, and are put back.
        multiply_by_inputs: multiply by input - baseline; without, the mean gradient along the path.
    """

    def __init__(self, forward_func: Callable[..., Tensor], multiply_by_inputs: bool = True) -> None:
        self.forward_func = forward_func
        self._multiply_by_inputs = multiply_by_inputs

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether maps are multiplied by input - baseline."""
        return self._multiply_by_inputs

    def has_convergence_delta(self) -> bool:
        """Return True: Integrated Gradients has one."""
        return True

    @overload
    def attribute(
        self, inputs: Inputs, baselines: Baselines = None, target: Target = None,
        additional_forward_args: object = None, n_steps: int | Literal["auto"] = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None,
        return_convergence_delta: Literal[False] = False,
        *, tolerance: float = 0.01, max_steps: int = DEFAULT_MAX_STEPS,
    ) -> Inputs: ...  # fmt: skip
    @overload
    def attribute(
        self, inputs: Inputs, baselines: Baselines = None, target: Target = None,
        additional_forward_args: object = None, n_steps: int | Literal["auto"] = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None,
        *, return_convergence_delta: Literal[True],
        tolerance: float = 0.01, max_steps: int = DEFAULT_MAX_STEPS,
    ) -> tuple[Inputs, Tensor]: ...  # fmt: skip

    @_wrapped
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Baselines = None,
        target: Target = None,
        additional_forward_args: object = None,
        n_steps: int | Literal["auto"] = 50,
        method: str = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
        *,
        tolerance: float = 0.01,
        max_steps: int = DEFAULT_MAX_STEPS,
    ) -> Any:
        """Return attributions of the inputs' shapes, in units of the explained number.

        They are float32, or float64 where the input is.

        Args:
            inputs: [N, ...], or a tuple of such tensors; integers are integrated as floating numbers.
            baselines: one for each input: a number, a tensor or an array of the input's shape, or one whose
                first dimension is 1, of any type. None: 0.
            target: which number of an example's output is explained. None: its only one. An int, a tensor
                with one integer, or a tuple with an index for each dimension of the output after the first:
                the same for all examples. A tensor [N], a list of N ints, or of N tuples: one for each.
            additional_forward_args: one more argument of the function, or a tuple of them. Tensors [N, ...]
                go with their examples; tensors without dimensions, and other things, are passed as they are.
            n_steps: the number of nodes; "auto": as many as each example needs for ``tolerance``.
            method: gausslegendre, or riemann_middle, _trapezoid, _left, _right; not used by "auto".
            internal_batch_size: the most batch rows that go through the function together, rounded down to a
                multiple of 4 from 4 on; None: 8 images of 224 x 224 on a CPU and 64 elsewhere, more of
                smaller inputs. It is halved where memory runs out.
            return_convergence_delta: return also, [N], sum of the attributions - (F(input) - F(baseline)),
                by `compute_convergence_delta`, whose forward passes come on top.
            tolerance: for "auto", the relative L2 error of an example's attributions that is allowed, over
                all its inputs, as estimated. The estimate is too low for ReLU networks: docs/from-captum.md.
            max_steps: for "auto", the most nodes of an example. A warning says if more were needed.

        Raises:
            AttributionError: an argument is of another shape, type or name than described; the output has no
                such target, or changes with the inputs and carries no gradient to them.

        Warns:
            UserWarning: the output does not depend on the inputs of an example: its attributions are 0.
                Captum raises an error where there is no gradient at all.

        Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1.
        """
        call = Call(self.forward_func, inputs, baselines, target, additional_forward_args)
        kind = call.device.type
        enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

        def forward(points: Tensor, example_indices: Tensor) -> Tensor:
            with torch.autocast(kind, dtype=dtype, enabled=enabled):  # the caller's, which the engine lifts
                return call.number(points, example_indices)

        settings = Settings(
            rule=_rule(method, n_steps), steps=n_steps, tolerance=tolerance, atol=0.0, max_steps=max_steps,
            output="logit", precision=call.precision, keep_channels=True,
            micro_batch=_rows(internal_batch_size, call), multiply=self.multiplies_by_inputs,
        )  # fmt: skip
        attributions = tuple(  # of the types that captum returns
            torch.zeros_like(each, dtype=torch.promote_types(each.dtype, torch.float32))
            for each in call.inputs
        )
        constant = torch.zeros(call.count, 1, dtype=torch.bool)
        missed = []
        module = getattr(self.forward_func, "__self__", self.forward_func)  # also of a module's method
        with parameters_frozen(module) if isinstance(module, nn.Module) else nullcontext():
            for done in attribute_forward(forward, call.examples(), settings):
                index = done.index
                for whole, part in zip(attributions, call.apart(done.attributions), strict=True):
                    whole[index] = part[0]
                if done.scores[0] == done.baseline_scores[0] and not done.attributions.any():
                    ends = zip(call.inputs, call.baselines, strict=True)
                    constant[index] = any(bool((end[index] != start[index]).any()) for end, start in ends)
                if not done.converged[0]:
                    missed.append(float(done.map_error[0]))
        if missed and n_steps == "auto":
            warnings.warn(
                f"{len(missed)} of {call.count} examples did not reach tolerance={tolerance} within"
                f" max_steps={max_steps} (largest relative error: about {max(missed):.2g}): raise either",
                stacklevel=3,
            )
        warn_of_constant(constant, stacklevel=3)
        result = attributions if isinstance(inputs, tuple) else attributions[0]
        if not return_convergence_delta:
            return result
        delta = self.compute_convergence_delta(result, baselines, inputs, target, additional_forward_args)
        return result, delta

    def attribute_future(self) -> None:
        """Raise `NotImplementedError`, as captum's does.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "attribute_future is not implemented for IntegratedGradients: use attribute"
        )

    def compute_convergence_delta(
        self,
        attributions: Tensor | tuple[Tensor, ...],
        start_point: Baselines,
        end_point: Tensor | tuple[Tensor, ...],
        target: Target = None,
        additional_forward_args: object = None,
    ) -> Tensor:
        """Return, [N], sum of the attributions - (F(end point) - F(start point)); 0 if they are complete.

        Args:
            attributions: of the end point, [N, ...] each.
            start_point: as ``baselines`` of `attribute`.
            end_point: as ``inputs`` of `attribute`. They go through the function in blocks of as many
                examples as `attribute` takes where ``internal_batch_size`` is None.
            target, additional_forward_args: as in `attribute`.

        Raises:
            AttributionError: as `attribute` does.
        """
        call = Call(self.forward_func, end_point, start_point, target, additional_forward_args)
        parts = attributions if isinstance(attributions, tuple) else (attributions,)
        for part in parts:
            if not isinstance(part, Tensor) or part.ndim == 0 or len(part) != call.count:
                raise AttributionError(
                    f"attributions are {described(part)} for {call.count} examples:"
                    " give what attribute returned"
                )
        total = sum(
            part.detach().double().reshape(call.count, math.prod(part.shape[1:])).sum(1) for part in parts
        )
        rises = [torch.zeros(0, dtype=torch.float64, device=call.device)]
        every, rows = torch.arange(call.count, device=call.device), _rows(None, call)
        with torch.no_grad():
            for example_indices in (every[first : first + rows] for first in range(0, call.count, rows)):
                start, end = (call.sums(points, example_indices) for points in (call.baselines, call.inputs))
                rises.append(end - start)
        return (total - torch.cat(rises)).to(
            functools.reduce(torch.promote_types, (part.dtype for part in parts))
        )


def _rule(method: Any, n_steps: Any) -> str:
    """Return the engine's name of a captum method, after checking both."""
    require_known("method", method, _RULES)
    least = min_steps(_RULES[method])
    if n_steps != "auto" and not (is_whole(n_steps) and n_steps >= least):
        raise AttributionError(
            f'n_steps={n_steps!r} with method={method!r}: give a whole number of {least} or more, or "auto"'
        )
    return _RULES[method]


def _rows(internal_batch_size: Any, call: Call) -> int:
    """Return the most rows of a micro-batch: the caller's, or as many as hold the numbers of a few images."""
    if internal_batch_size is None:
        few = default_micro_batch(call.device)
        return min(max(few, few * _IMAGE // max(1, sum(call.sizes))), max(few, _MAX_BATCH_ROWS))
    if not (is_whole(internal_batch_size) and internal_batch_size >= 1):
        raise AttributionError(
            f"internal_batch_size={internal_batch_size!r}: give a whole number of 1 or more, or None"
        )
    return int(internal_batch_size)
