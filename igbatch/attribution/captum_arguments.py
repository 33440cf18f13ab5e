"""Check the arguments of captum's call: a function, its inputs, and the explained number of its output.

The inputs of an example are laid end to end as one vector [D], which is what the engine integrates along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .api import baseline_tensor
from .errors import AttributionError, is_whole
from .settings import Example


class Call:
    """A function of N examples, and which number of its output each of them is explained by.

    Attributes:
        inputs, baselines: of one type each.
        count: of examples, N.
        device: where the inputs are.
        sizes: the numbers that an example has in each input.
    """

    def __init__(
        self, forward_func: Callable[..., Any], inputs: Any, baselines: Any, target: Any, arguments: Any
    ) -> None:
        self.inputs, self.baselines = _checked_inputs(inputs, baselines)
        self.count, self.device = len(self.inputs[0]), self.inputs[0].device
        self.sizes = [math.prod(each.shape[1:]) for each in self.inputs]
        self._forward_func = forward_func
        self._target = _shortened(target)
        rows = _target_rows(target, self.count)
        # into the output's first dimensions after that of the rows: [N, k]
        indices = torch.tensor(rows, dtype=torch.int64).reshape(self.count, len(rows[0]) if rows else 0)
        ends = (indices.amin(0).tolist(), indices.amax(0).tolist()) if indices.numel() else ((), ())
        self._indices, self._bounds = indices.to(self.device), list(zip(*ends, strict=True))
        if arguments is None:
            arguments = ()
        self._arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        for place, value in enumerate(self._arguments):
            if isinstance(value, Tensor) and value.ndim and len(value) != self.count:
                found = f"additional_forward_args[{place}] has shape {list(value.shape)}"
                raise AttributionError(
                    f"{found} for {self.count} examples: give it a row for each, or put it into"
                    " forward_func if it is the same for all"
                )

    @property
    def precision(self) -> str:
        """The engine's arithmetic whose type carries every input; with TF32 where the caller allows it."""
        if torch.float64 in [each.dtype for each in self.inputs]:
            return "float64"
        backend: Any = torch.backends.cuda.matmul  # whose stubs lack the newer switch
        allowed = self.device.type == "cuda" and backend.fp32_precision == "tf32"
        return "tensorfloat32" if allowed else "float32"

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
        """Return vectors [batch, D] as tensors [batch, ...] of the inputs' shapes."""
        stops = accumulate(self.sizes)  # slices: torch lets nothing change what `split` returns in place
        return [
            vectors[:, stop - size : stop].reshape(len(vectors), *each.shape[1:])
            for stop, size, each in zip(stops, self.sizes, self.inputs, strict=True)
        ]

    def number(self, vectors: Tensor, example_indices: Tensor) -> Tensor:
        """Return the explained number of rows, [batch, 1], from vectors [batch, D] of these examples."""
        inputs = (part.to(each.dtype) for part, each in zip(self.apart(vectors), self.inputs, strict=True))
        output, picked = self._picked(inputs, example_indices)
        if picked.numel() != len(example_indices):
            raise AttributionError(
                f"target={self._target} leaves {list(picked.shape)} of an output {list(output.shape)}: give"
                " an index for each dimension after the first, so that one number an example is explained"
            )
        return picked.reshape(-1, 1)

    def sums(self, inputs: Iterable[Tensor], example_indices: Tensor) -> Tensor:
        """Return the explained number of these examples, or the sum of several: float64 [batch]."""
        _, picked = self._picked((each[example_indices] for each in inputs), example_indices)
        return picked.reshape(len(example_indices), -1).double().sum(1)

    def _picked(self, inputs: Iterable[Tensor], example_indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return the function's output for rows, and what the target picks of it."""
        arguments = (
            value[example_indices.to(value.device)] if isinstance(value, Tensor) and value.ndim else value
            for value in self._arguments
        )
        output = self._forward_func(*inputs, *arguments)
        if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != len(example_indices):
            raise AttributionError(
                f"forward_func returned {described(output)} for {len(example_indices)} rows: it must return a"
                f" tensor [{len(example_indices)}, ...]"
            )
        sizes = output.shape[1:]
        found = zip(self._bounds, sizes, strict=False)
        if len(self._bounds) > len(sizes) or any(low < -size or high >= size for (low, high), size in found):
            raise AttributionError(
                f"target={self._target} is outside the output {list(output.shape)}: indices count from 0 in"
                " the dimensions after the first"
            )
        rows = torch.arange(len(example_indices), device=output.device)
        indices = self._indices.to(output.device)[example_indices.to(output.device)]
        return output, output[(rows, *indices.unbind(1))]


def _checked_inputs(inputs: Any, baselines: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs, and baselines of their shapes."""
    ends = inputs if isinstance(inputs, tuple) else (inputs,)
    for each in ends:
        real = isinstance(each, Tensor) and each.dtype != torch.bool and not each.is_complex()
        if not real or each.ndim == 0:
            raise AttributionError(
                f"inputs hold {described(each)}: give a tensor [N, ...] of numbers, or a tuple of them"
            )
    if not ends or any((len(each), each.device) != (len(ends[0]), ends[0].device) for each in ends):
        raise AttributionError(
            f"inputs are {', '.join(map(described, ends)) or 'an empty tuple'}: give one or more tensors"
            " with the same number of examples, on one device"
        )
    starts = baselines if isinstance(baselines, tuple) else (baselines,)
    if baselines is None:
        starts = (0,) * len(ends)
    if len(starts) != len(ends):
        raise AttributionError(
            f"{len(starts)} baselines for {len(ends)} inputs: give a tuple with one for each, or None"
        )
    pairs = [_end_and_start(end, start) for end, start in zip(ends, starts, strict=True)]
    return tuple(end for end, _ in pairs), tuple(start for _, start in pairs)


def _end_and_start(end: Tensor, start: Any) -> tuple[Tensor, Tensor]:
    """Return an input, and its baseline in its shape, both in the input's type.

    Whole numbers are taken in the baseline's floating type where it is an array or a tensor of one.
    """
    number = not isinstance(start, (Tensor, np.ndarray))
    start = baseline_tensor(start)
    floating = [end.dtype] if number else [end.dtype, start.dtype]
    dtype = next((type_ for type_ in floating if type_.is_floating_point), torch.get_default_dtype())
    try:
        if start.ndim and start.shape != end.shape and len(start) != 1:
            raise RuntimeError("captum takes no other first dimension")
        return end.detach().to(dtype), start.to(end.device, dtype).expand(end.shape)
    except RuntimeError as error:
        raise AttributionError(
            f"a baseline has shape {list(start.shape)} for an input {list(end.shape)}: give a number, a"
            " tensor of the input's shape, or one whose first dimension is 1"
        ) from error


def _target_rows(target: Any, count: int) -> list[tuple[int, ...]]:
    """Return the target's indices for each of `count` examples."""
    if target is None:
        return [()] * count
    if isinstance(target, Tensor) and not target.is_floating_point() and target.dtype != torch.bool:
        if target.numel() == 1:
            return [(int(target),)] * count
        if target.shape == (count,):
            target = target.tolist()
    if is_whole(target):
        return [(int(target),)] * count
    if isinstance(target, tuple) and all(map(is_whole, target)):
        return [target] * count
    if isinstance(target, list) and len(target) == count:
        if all(map(is_whole, target)) and min(target, default=0) >= 0:
            return [(int(index),) for index in target]
        tuples = all(isinstance(each, tuple) and all(map(is_whole, each)) for each in target)
        if tuples and len({len(each) for each in target}) == 1:
            return target
    raise AttributionError(
        f"target is {_shortened(target)} for {count} examples: give an index or a tuple of indices for all,"
        " or a tensor [N] or list of indices from 0 on, or a list of tuples of one length, with one for each"
    )


def _shortened(target: Any) -> str:
    """Return a target in words that fit into a message."""
    if isinstance(target, list) and len(target) > 8:
        return f"a list of {len(target)}"
    return described(target) if isinstance(target, (Tensor, np.ndarray)) else repr(target)


def described(value: object) -> str:
    """Return what a value is, in words that fit into a message."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__} {value.dtype} {list(value.shape)}"
    return type(value).__name__
