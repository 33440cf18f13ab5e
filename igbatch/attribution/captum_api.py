"""Captum's ``IntegratedGradients`` on this room's engine: the same call, for inputs and outputs of any shape.

The inputs of an example are laid end to end as one vector, which is what the engine integrates along; the
function that it is given takes the vectors apart again, calls the caller's function, and picks the number
that is explained. Captum itself is not imported.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from types import MappingProxyType
from typing import Any, Literal, ParamSpec, TypeVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from .engine import Example, Settings, attribute_forward, default_micro_batch
from .errors import AttributionError
from .rules import RULES

__all__ = ["IntegratedGradients"]

Inputs = TypeVar("Inputs", Tensor, tuple[Tensor, ...])
Baselines = Tensor | float | tuple[Tensor | float, ...] | None
Target = int | tuple[int, ...] | Tensor | list[int] | list[tuple[int, ...]] | None
P = ParamSpec("P")
R = TypeVar("R")

_RULES: Mapping[str, str] = MappingProxyType(
    {
        "gausslegendre": "gauss-legendre",
        "riemann_middle": "midpoint",
        "riemann_trapezoid": "trapezoid",
        "riemann_left": "left",
        "riemann_right": "right",
    }
)
_MOST_ROWS = 512
"""The most rows of a micro-batch where the caller does not say, however small an example is."""
_IMAGE = 3 * 224 * 224
"""Numbers in the examples that the engine's default micro-batch is meant for."""


def _wrapped(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method in a function that does nothing else, and that has it as ``__wrapped__``.

    Captum's ``NoiseTunnel`` calls ``method.attribute.__wrapped__``, to get past the log that captum puts
    around its own methods. It finds one here as well.
    """

    @functools.wraps(method)
    def attribute(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(*args, **kwargs)

    return attribute


class IntegratedGradients:
    """Captum's ``IntegratedGradients``, computed by this room's engine; docs/from-captum.md compares the two.

    Args:
        forward_func: a module or any other callable. It gets the inputs, each [rows, ...] in its own type,
            and the additional arguments. It returns one row for each of theirs: [rows], or more dimensions
            with a target. It runs as the caller left it, training mode included; a module's parameters
            require no gradients during a call, and are put back.
        multiply_by_inputs: multiply by input - baseline; without, the mean gradient along the path.
    """

    def __init__(self, forward_func: Callable[..., Tensor], multiply_by_inputs: bool = True) -> None:
        self.forward_func = forward_func
        self._multiply_by_inputs = multiply_by_inputs

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether attributions are multiplied by input - baseline."""
        return self._multiply_by_inputs

    def has_convergence_delta(self) -> bool:
        """Return True: Integrated Gradients has one."""
        return True

    @overload
    def attribute(
        self, inputs: Inputs, baselines: Baselines = None, target: Target = None,
        additional_forward_args: object = None, n_steps: int | Literal["auto"] = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None,
        return_convergence_delta: Literal[False] = False, *, tolerance: float = 0.01, max_steps: int = 2000,
    ) -> Inputs: ...  # fmt: skip
    @overload
    def attribute(
        self, inputs: Inputs, baselines: Baselines = None, target: Target = None,
        additional_forward_args: object = None, n_steps: int | Literal["auto"] = 50,
        method: str = "gausslegendre", internal_batch_size: int | None = None,
        *, return_convergence_delta: Literal[True], tolerance: float = 0.01, max_steps: int = 2000,
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
        max_steps: int = 2000,
    ) -> Any:
        """Return attributions of the inputs' shapes and types, in units of the explained number.

        Args:
            inputs: [N, ...], or a tuple of such tensors; integers are integrated as floating numbers.
            baselines: one for each input: a number, a tensor of the input's shape, or one whose first
                dimension is 1. None: 0.
            target: which number of an example's output is explained. None: its only one. An int, a tensor
                with one integer, or a tuple with an index for each dimension of the output after the first:
                the same for all examples. A tensor [N], a list of N ints, or of N tuples: one for each.
            additional_forward_args: one more argument of the function, or a tuple of them. Tensors [N, ...]
                go with their examples; tensors without dimensions, and other things, are passed as they are.
            n_steps: the number of nodes; "auto": as many as each example needs for ``tolerance``.
            method: gausslegendre, or riemann_middle, _trapezoid, _left, _right; not used by "auto".
            internal_batch_size: the most rows that go through the function together, rounded down to a
                multiple of 4 from 4 on; None: 8 images of 224 x 224 on a CPU and 64 elsewhere, more of
                smaller inputs. It is halved where memory runs out.
            return_convergence_delta: return also, [N], sum of the attributions - (F(input) - F(baseline)).
            tolerance: for "auto", the relative L2 error of an example's attributions that is allowed, over
                all its inputs.
            max_steps: for "auto", the most nodes of an example. A warning says if more were needed.

        Raises:
            AttributionError: an argument is of another shape, type or name than described; the output has no
                such target, or does not depend on the inputs.

        Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1.
        """
        packed = _Packed.of(inputs, baselines)
        picked = _Picked.of(target, packed.count, packed.device)
        arguments = _Arguments.of(additional_forward_args, packed.count)
        autocast = _autocast_of_the_caller(packed.device)

        def forward(points: Tensor, owners: Tensor) -> Tensor:
            with autocast():
                output = self.forward_func(*packed.apart(points), *arguments.rows(owners))
            return picked.numbers(output, owners)

        settings = Settings(
            rule=_rule(method, n_steps), steps=n_steps, tolerance=tolerance, atol=0.0, max_steps=max_steps,
            output="logit", precision=packed.precision, keep_channels=True,
            micro_batch=_rows(internal_batch_size, packed), multiply=self.multiplies_by_inputs,
        )  # fmt: skip
        attributions = tuple(torch.zeros_like(each) for each in packed.inputs)
        delta = torch.zeros(packed.count, dtype=packed.widest, device=packed.device)
        missed = []
        with _parameters_frozen(self.forward_func):
            for done in attribute_forward(forward, packed.examples(), settings):
                for whole, part in zip(attributions, packed.apart(done.attributions), strict=True):
                    whole[done.index] = part[0]
                delta[done.index] = float(done.convergence_delta[0])
                if not done.converged[0]:
                    missed.append(float(done.map_error[0]))
        if missed and n_steps == "auto":
            warnings.warn(
                f"{len(missed)} of {packed.count} examples did not reach tolerance={tolerance} within"
                f" max_steps={max_steps} (largest relative error: about {max(missed):.2g}): raise either",
                stacklevel=3,
            )
        result = attributions if isinstance(inputs, tuple) else attributions[0]
        return (result, delta) if return_convergence_delta else result

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
            end_point: as ``inputs`` of `attribute`; all N go through the function together.
            target, additional_forward_args: as in `attribute`.

        Raises:
            AttributionError: as `attribute` does.
        """
        packed = _Packed.of(end_point, start_point)
        picked = _Picked.of(target, packed.count, packed.device)
        arguments = _Arguments.of(additional_forward_args, packed.count)
        parts = attributions if isinstance(attributions, tuple) else (attributions,)
        for part in parts:
            if not isinstance(part, Tensor) or part.ndim == 0 or len(part) != packed.count:
                raise AttributionError(
                    f"attributions are {_found(part)} for {packed.count} examples: give what attribute returned"
                )
        owners = torch.arange(packed.count, device=packed.device)
        with torch.no_grad():
            start, end = (
                picked.sums(self.forward_func(*points, *arguments.rows(owners)), owners)
                for points in (packed.baselines, packed.inputs)
            )
            total = sum(part.reshape(packed.count, -1).double().sum(1) for part in parts)
            return (total - (end - start)).to(_widest(part.dtype for part in parts))


@dataclass(frozen=True, eq=False)
class _Packed:
    """Inputs and baselines of N examples, of one type each, and how they lie in the examples' vectors [D]."""

    inputs: tuple[Tensor, ...]
    baselines: tuple[Tensor, ...]

    @classmethod
    def of(cls, inputs: Any, baselines: Any) -> _Packed:
        """Return checked inputs, and baselines of their shapes."""
        ends = inputs if isinstance(inputs, tuple) else (inputs,)
        for each in ends:
            if (
                not isinstance(each, Tensor)
                or each.ndim == 0
                or each.dtype == torch.bool
                or each.is_complex()
            ):
                raise AttributionError(
                    f"inputs are {_found(each)}: give a tensor [N, ...] of real numbers, or a tuple of such"
                )
        if not ends or any((len(each), each.device) != (len(ends[0]), ends[0].device) for each in ends):
            raise AttributionError(
                f"inputs are {[_found(each) for each in ends]}: give one or more tensors with the same number"
                " of examples, on one device"
            )
        starts = baselines if isinstance(baselines, tuple) else (baselines,)
        if baselines is None:
            starts = (0,) * len(ends)
        if len(starts) != len(ends):
            raise AttributionError(
                f"{len(starts)} baselines for {len(ends)} inputs: give a tuple with one for each, or None"
            )
        pairs = [_start_and_end(start, end) for start, end in zip(starts, ends, strict=True)]
        return cls(tuple(end for _, end in pairs), tuple(start for start, _ in pairs))

    @property
    def count(self) -> int:
        return len(self.inputs[0])

    @property
    def device(self) -> torch.device:
        return self.inputs[0].device

    @property
    def widest(self) -> torch.dtype:
        return _widest(each.dtype for each in self.inputs)

    @property
    def precision(self) -> str:
        """The engine's arithmetic whose type carries every input; with TF32 where the caller allows it."""
        if self.widest == torch.float64:
            return "float64"
        backend: Any = torch.backends.cuda.matmul  # whose stubs lack the newer switch
        allowed = self.device.type == "cuda" and backend.fp32_precision == "tf32"
        return "tensorfloat32" if allowed else "float32"

    @cached_property
    def sizes(self) -> list[int]:
        """The numbers that an example has in each input."""
        return [math.prod(each.shape[1:]) for each in self.inputs]

    def examples(self) -> Iterator[Example]:
        """Yield each example as vectors, float64 [D], made when it is its turn."""
        only = torch.zeros(1, dtype=torch.int64, device=self.device)
        for index in range(self.count):
            image, baseline = (
                torch.cat([part[index].reshape(-1).double() for part in parts])
                for parts in (self.inputs, self.baselines)
            )
            yield Example(image, baseline, only)

    def apart(self, vectors: Tensor) -> list[Tensor]:
        """Return vectors [rows, D] as inputs [rows, ...] of their own shapes and types."""
        parts = vectors.split(self.sizes, 1)
        return [
            part.reshape(len(vectors), *each.shape[1:]).to(each.dtype)
            for part, each in zip(parts, self.inputs, strict=True)
        ]


def _start_and_end(start: Any, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return a baseline of the input's shape, and the input, in the type that their difference has."""
    if isinstance(start, bool) or not isinstance(start, (int, float, Tensor)):
        raise AttributionError(f"a baseline is {_found(start)}: give a number or a tensor")
    dtype = torch.result_type(end, start)
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    if not isinstance(start, Tensor):
        return torch.full_like(end[:1], start, dtype=dtype).expand(end.shape), end.detach().to(dtype)
    try:
        if start.ndim and start.shape != end.shape and len(start) != 1:
            raise RuntimeError("captum takes no other first dimension")
        return start.detach().to(end.device, dtype).expand(end.shape), end.detach().to(dtype)
    except RuntimeError as error:
        raise AttributionError(
            f"a baseline has shape {list(start.shape)} for an input {list(end.shape)}: give a number, a tensor of"
            f" the input's shape, or one whose first dimension is 1"
        ) from error


@dataclass(frozen=True, eq=False)
class _Picked:
    """Which number of its output each example is explained by.

    Attributes:
        target: as the caller gave it.
        indices: int64 [N, k], the indices into the output's first k dimensions after that of the rows.
        lowest, highest: of each of these k, over the examples.
    """

    target: Any
    indices: Tensor
    lowest: list[int]
    highest: list[int]

    @classmethod
    def of(cls, target: Any, count: int, device: torch.device) -> _Picked:
        """Return the checked target of `count` examples."""
        rows = _target_rows(target, count)
        indices = torch.tensor(rows, dtype=torch.int64).reshape(count, -1 if count else 0)
        lowest, highest = (
            (indices.amin(0).tolist(), indices.amax(0).tolist()) if indices.numel() else ([], [])
        )
        return cls(target, indices.to(device), lowest, highest)

    def numbers(self, output: Any, owners: Tensor) -> Tensor:
        """Return the explained number of each row, [rows, 1]."""
        picked = self._picked(output, owners)
        if picked.numel() != len(owners):
            raise AttributionError(
                f"target={self.target!r} leaves {list(picked.shape)} of an output {list(output.shape)}: give an"
                " index for each dimension after the first, so that one number an example is explained"
            )
        return picked.reshape(-1, 1)

    def sums(self, output: Any, owners: Tensor) -> Tensor:
        """Return the explained number of each row, or the sum where there are several: float64 [rows]."""
        return self._picked(output, owners).reshape(len(owners), -1).double().sum(1)

    def _picked(self, output: Any, owners: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != len(owners):
            raise AttributionError(
                f"forward_func returned {_found(output)} for {len(owners)} examples: it must return a tensor"
                f" [{len(owners)}, ...]"
            )
        sizes = output.shape[1:]
        found = list(zip(self.lowest, self.highest, sizes, strict=False))
        if len(self.lowest) > len(sizes) or any(low < -size or high >= size for low, high, size in found):
            raise AttributionError(
                f"target={self.target!r} is outside the output {list(output.shape)}: indices count from 0 in"
                " the dimensions after the first"
            )
        rows = torch.arange(len(owners), device=output.device)
        return output[(rows, *self.indices.to(output.device)[owners.to(output.device)].unbind(1))]


def _target_rows(target: Any, count: int) -> list[tuple[int, ...]]:
    """Return the target's indices for each of `count` examples."""
    if target is None:
        return [()] * count
    if isinstance(target, Tensor) and not target.is_floating_point() and target.dtype != torch.bool:
        if target.numel() == 1:
            return [(int(target),)] * count
        if target.shape == (count,):
            target = target.tolist()
    if _is_index(target):
        return [(int(target),)] * count
    if isinstance(target, tuple) and all(map(_is_index, target)):
        return [target] * count
    if isinstance(target, list) and len(target) == count:
        if all(map(_is_index, target)) and min(target, default=0) >= 0:
            return [(int(index),) for index in target]
        tuples = all(isinstance(each, tuple) and all(map(_is_index, each)) for each in target)
        if tuples and len({len(each) for each in target}) == 1:
            return target
    found = _found(target) if isinstance(target, Tensor) else repr(target)
    raise AttributionError(
        f"target is {found} for {count} examples: give an index or a tuple of indices for all, or a tensor [N]"
        " or list of indices, or a list of tuples of one length, with one for each"
    )


def _is_index(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


@dataclass(frozen=True)
class _Arguments:
    """What the function gets beside the inputs; tensors with dimensions have a row for each example."""

    values: tuple[Any, ...]

    @classmethod
    def of(cls, values: Any, count: int) -> _Arguments:
        """Return the checked arguments for `count` examples."""
        arguments = values if isinstance(values, tuple) else () if values is None else (values,)
        for place, value in enumerate(arguments):
            if isinstance(value, Tensor) and value.ndim and len(value) != count:
                raise AttributionError(
                    f"additional_forward_args[{place}] has shape {list(value.shape)} for {count} examples: give"
                    " it a row for each, or put it into forward_func if it is the same for all"
                )
        return cls(arguments)

    def rows(self, owners: Tensor) -> list[Any]:
        """Return the arguments for rows that belong to the examples `owners`, int64 [rows]."""
        return [
            value[owners.to(value.device)] if isinstance(value, Tensor) and value.ndim else value
            for value in self.values
        ]


def _rule(method: Any, n_steps: Any) -> str:
    """Return the engine's name of a captum method, after checking both."""
    if method not in _RULES:
        raise AttributionError(f"method={method!r} is unknown: choose one of {', '.join(_RULES)}")
    fewest = RULES[_RULES[method]].fewest_steps
    if n_steps != "auto" and not (_is_index(n_steps) and n_steps >= fewest):
        raise AttributionError(
            f'n_steps={n_steps!r} with method={method!r}: give a whole number of {fewest} or more, or "auto"'
        )
    return _RULES[method]


def _rows(internal_batch_size: Any, packed: _Packed) -> int:
    """Return the most rows of a micro-batch: the caller's, or as many as hold the numbers of a few images."""
    if internal_batch_size is None:
        few = default_micro_batch(packed.device)
        return min(max(few, few * _IMAGE // max(1, sum(packed.sizes))), max(few, _MOST_ROWS))
    if not (_is_index(internal_batch_size) and internal_batch_size >= 1):
        raise AttributionError(
            f"internal_batch_size={internal_batch_size!r}: give a whole number of 1 or more, or None"
        )
    return int(internal_batch_size)


def _autocast_of_the_caller(device: torch.device) -> Callable[[], torch.autocast]:
    """Return the autocast that surrounds this call, to be entered again: the engine lifts it."""
    enabled, dtype = torch.is_autocast_enabled(device.type), torch.get_autocast_dtype(device.type)
    return lambda: torch.autocast(device.type, dtype=dtype, enabled=enabled)


@contextmanager
def _parameters_frozen(forward_func: Callable[..., Any]) -> Iterator[None]:
    """Let a module's parameters, or those of the module whose method this is, require no gradients meanwhile.

    Otherwise torch would keep what their gradients need, which nobody asks for.
    """
    module = getattr(forward_func, "__self__", forward_func)
    parameters = module.parameters() if isinstance(module, nn.Module) else ()
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _widest(dtypes: Iterator[torch.dtype]) -> torch.dtype:
    return reduce(torch.promote_types, dtypes)


def _found(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
