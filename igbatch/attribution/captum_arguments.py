"""What captum's calls are given, checked: inputs with baselines, targets, and additional arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .baseline import baseline_tensor
from .errors import AttributionError
from .settings import Example

__all__ = ["AdditionalArguments", "Packed", "Picked", "described", "is_index", "widest_type"]


@dataclass(frozen=True, eq=False)
class Packed:
    """Inputs and baselines of N examples, of one type each, and how they lie in the examples' vectors [D]."""

    inputs: tuple[Tensor, ...]
    baselines: tuple[Tensor, ...]

    @classmethod
    def of(cls, inputs: Any, baselines: Any) -> Packed:
        """Return checked inputs, and baselines of their shapes."""
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
        pairs = [_start_and_end(start, end) for start, end in zip(starts, ends, strict=True)]
        return cls(tuple(end for _, end in pairs), tuple(start for start, _ in pairs))

    @property
    def count(self) -> int:
        """The number of examples, N."""
        return len(self.inputs[0])

    @property
    def device(self) -> torch.device:
        """Where the inputs are."""
        return self.inputs[0].device

    @property
    def precision(self) -> str:
        """The engine's arithmetic whose type carries every input; with TF32 where the caller allows it."""
        if torch.float64 in [each.dtype for each in self.inputs]:
            return "float64"
        backend: Any = torch.backends.cuda.matmul  # whose stubs lack the newer switch
        allowed = self.device.type == "cuda" and backend.fp32_precision == "tf32"
        return "tensorfloat32" if allowed else "float32"

    def differ(self, index: int) -> bool:
        """Tell whether an example's inputs differ from its baselines."""
        return any(
            bool((end[index] != start[index]).any())
            for end, start in zip(self.inputs, self.baselines, strict=True)
        )

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

    def rows(self, vectors: Tensor) -> list[Tensor]:
        """Return vectors [rows, D] as inputs [rows, ...] of their own shapes and types."""
        return [part.to(each.dtype) for part, each in zip(self.apart(vectors), self.inputs, strict=True)]

    def apart(self, vectors: Tensor) -> list[Tensor]:
        """Return vectors [rows, D] as tensors [rows, ...] of the inputs' shapes."""
        stops = accumulate(
            self.sizes
        )  # slices, since torch lets nothing change what `split` returns in place
        return [
            vectors[:, stop - size : stop].reshape(len(vectors), *each.shape[1:])
            for stop, size, each in zip(stops, self.sizes, self.inputs, strict=True)
        ]

    def results(self) -> tuple[Tensor, ...]:
        """Return zeros of the inputs' shapes, in float32, or float64 where an input is; as captum returns."""
        types = [torch.promote_types(each.dtype, torch.float32) for each in self.inputs]
        return tuple(
            torch.zeros_like(each, dtype=type_) for each, type_ in zip(self.inputs, types, strict=True)
        )


def _start_and_end(start: Any, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return a baseline of the input's shape, and the input, both in the input's type.

    Whole numbers are taken in the baseline's floating type where it is an array or a tensor of one.
    """
    number = not isinstance(start, (Tensor, np.ndarray))
    start = baseline_tensor(start)
    floating = [end.dtype] if number else [end.dtype, start.dtype]
    dtype = next((type_ for type_ in floating if type_.is_floating_point), torch.get_default_dtype())
    try:
        if start.ndim and start.shape != end.shape and len(start) != 1:
            raise RuntimeError("captum takes no other first dimension")
        return start.to(end.device, dtype).expand(end.shape), end.detach().to(dtype)
    except RuntimeError as error:
        raise AttributionError(
            f"a baseline has shape {list(start.shape)} for an input {list(end.shape)}: give a number, a"
            " tensor of the input's shape, or one whose first dimension is 1"
        ) from error


@dataclass(frozen=True, eq=False)
class Picked:
    """Which number of its output each example is explained by.

    Attributes:
        target: what the caller gave, in words.
        indices: int64 [N, k], the indices into the output's first k dimensions after that of the rows.
        lowest, highest: of each of these k, over the examples.
    """

    target: str
    indices: Tensor
    lowest: list[int]
    highest: list[int]

    @classmethod
    def of(cls, target: Any, count: int, device: torch.device) -> Picked:
        """Return the checked target of `count` examples."""
        rows = _target_rows(target, count)
        indices = torch.tensor(rows, dtype=torch.int64).reshape(count, len(rows[0]) if rows else 0)
        lowest, highest = (
            (indices.amin(0).tolist(), indices.amax(0).tolist()) if indices.numel() else ([], [])
        )
        return cls(_shortened(target), indices.to(device), lowest, highest)

    def numbers(self, output: Any, owners: Tensor) -> Tensor:
        """Return the explained number of each row, [rows, 1]."""
        picked = self._picked(output, owners)
        if picked.numel() != len(owners):
            raise AttributionError(
                f"target={self.target} leaves {list(picked.shape)} of an output {list(output.shape)}: give"
                " an index for each dimension after the first, so that one number an example is explained"
            )
        return picked.reshape(-1, 1)

    def sums(self, output: Any, owners: Tensor) -> Tensor:
        """Return the explained number of each row, or the sum where there are several: float64 [rows]."""
        return self._picked(output, owners).reshape(len(owners), -1).double().sum(1)

    def _picked(self, output: Any, owners: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != len(owners):
            raise AttributionError(
                f"forward_func returned {described(output)} for {len(owners)} rows: it must return a"
                f" tensor [{len(owners)}, ...]"
            )
        sizes = output.shape[1:]
        found = list(zip(self.lowest, self.highest, sizes, strict=False))
        if len(self.lowest) > len(sizes) or any(low < -size or high >= size for low, high, size in found):
            raise AttributionError(
                f"target={self.target} is outside the output {list(output.shape)}: indices count from 0 in"
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
    if is_index(target):
        return [(int(target),)] * count
    if isinstance(target, tuple) and all(map(is_index, target)):
        return [target] * count
    if isinstance(target, list) and len(target) == count:
        if all(map(is_index, target)) and min(target, default=0) >= 0:
            return [(int(index),) for index in target]
        tuples = all(isinstance(each, tuple) and all(map(is_index, each)) for each in target)
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


def is_index(value: Any) -> bool:
    """Tell whether a value is a whole number, of Python or numpy."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


@dataclass(frozen=True)
class AdditionalArguments:
    """What the function gets beside the inputs; tensors with dimensions have a row for each example."""

    values: tuple[Any, ...]

    @classmethod
    def of(cls, values: Any, count: int) -> AdditionalArguments:
        """Return the checked arguments for `count` examples."""
        arguments = values if isinstance(values, tuple) else () if values is None else (values,)
        for place, value in enumerate(arguments):
            if isinstance(value, Tensor) and value.ndim and len(value) != count:
                raise AttributionError(
                    f"additional_forward_args[{place}] has shape {list(value.shape)} for {count} examples:"
                    " give it a row for each, or put it into forward_func if it is the same for all"
                )
        return cls(arguments)

    def rows(self, owners: Tensor) -> list[Any]:
        """Return the arguments for rows that belong to the examples `owners`, int64 [rows]."""
        return [
            value[owners.to(value.device)] if isinstance(value, Tensor) and value.ndim else value
            for value in self.values
        ]


def widest_type(dtypes: Iterable[torch.dtype]) -> torch.dtype:
    """Return the type that holds numbers of all these types."""
    return reduce(torch.promote_types, dtypes)


def described(value: object) -> str:
    """Return what a value is, in words that fit into a message."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__} {value.dtype} {list(value.shape)}"
    return type(value).__name__
