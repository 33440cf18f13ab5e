"""Short measurements that settle what `auto` means: the arithmetic, the micro-batch, who may share it.

Processors and GPUs differ too much for a name to tell: on one machine bfloat16 products are six times as fast
as float32's, on the next they are hardly faster, and float16's take hundreds of times as long.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .engine import Example, Settings, attribute, default_micro_batch
from .frozen import Model, frozen, lifted
from .integrand import Integrand, Row
from .outputs import output_named
from .pool import ROW_MULTIPLE, out_of_memory, whole_rows
from .precision import PRECISIONS, precision_named

__all__ = [
    "MicroBatchChoice",
    "PrecisionChoice",
    "arithmetic_error",
    "bytes_kept",
    "choose_micro_batch",
    "choose_precision",
    "rows_are_alike",
]

CANDIDATES = ("tensorfloat32", "bfloat16", "float16")
PROBED_IMAGES = 2
"""Images that arithmetics are compared on."""
MARGIN = 1.5
"""From the largest error among the probe's maps to the one that is stated: other images may be worse."""
ROOM = 0.5
"""The part of the tolerance that the arithmetic may use up."""
WORTHWHILE = 0.95
"""An arithmetic, or a larger micro-batch, is taken only if it needs less than this part of the time."""
MEMORY_SHARE = 0.6
"""Of the free memory, what a micro-batch may take; maps, decoding and fragments need the rest."""
MOST_ROWS = 512
PRODUCT_SIZE = 256
"""Rows and columns of the product that tells whether an arithmetic is hopeless: a blink even where it is."""


@dataclass(frozen=True)
class PrecisionChoice:
    """The arithmetic that was chosen.

    Attributes:
        precision: a key of ``PRECISIONS``.
        error: the relative L2 error of a map to be reckoned with because of it; 0 for float32.
        reason: a sentence with what was measured.
    """

    precision: str
    error: float
    reason: str


@dataclass(frozen=True)
class MicroBatchChoice:
    """The micro-batch that was chosen.

    Attributes:
        rows: the most rows that should go through the model together.
        row_seconds: time of a row, its backward passes included.
        row_bytes: memory that a row takes.
        reason: a sentence with what was measured.
    """

    rows: int
    row_seconds: float
    row_bytes: float
    reason: str


def choose_precision(model: Model, examples: Sequence[Example], settings: Settings) -> PrecisionChoice:
    """Return the cheapest arithmetic whose error on the first images leaves room within the tolerance.

    Maps are computed in float32 and again, from the same nodes, in each candidate that is not hopelessly slow
    on this machine. A candidate may use up half of ``settings.tolerance``.
    """
    probed = _probed(examples)
    exact = _Probe(model, probed, settings)
    best, best_seconds = PrecisionChoice("float32", 0.0, ""), exact.seconds
    tried = []
    for name in CANDIDATES:
        if not _is_promising(name, probed[0].image.device):
            tried.append(f"{name} is slow here")
            continue
        error, seconds = exact.compare(name)
        tried.append(f"{name} {error:.1%} in {seconds / exact.seconds:.2f} of the time")
        if error <= ROOM * settings.tolerance and seconds < WORTHWHILE * best_seconds:
            best, best_seconds = PrecisionChoice(name, error, ""), seconds
    reason = (
        f"errors of maps to be reckoned with, from {len(probed)} image(s): {'; '.join(tried)}; "
        f"{ROOM * settings.tolerance:.1%} allowed"
    )
    return replace(best, reason=reason)


def arithmetic_error(model: Model, examples: Sequence[Example], settings: Settings) -> float:
    """Return the relative L2 error of a map that the precision of the settings brings, on the first images.

    It is half as much again as the largest distance between maps in that precision and in float32.
    """
    if precision_named(settings.precision).exact:
        return 0.0
    return _Probe(model, _probed(examples), settings).compare(settings.precision)[0]


def _probed(examples: Sequence[Example]) -> Sequence[Example]:
    return examples[:: max(1, len(examples) // PROBED_IMAGES)][:PROBED_IMAGES]


class _Probe:
    """Maps of a few examples in float32, and the nodes that they came from.

    Attributes:
        seconds: what the same nodes took, once warm.
    """

    def __init__(self, model: Model, examples: Sequence[Example], settings: Settings) -> None:
        self._model = model
        self._examples = examples
        self._settings = replace(settings, precision="float32", arithmetic_error=0.0)
        self._nodes = [next(attribute(model, [example], self._settings)).quadrature for example in examples]
        self._maps, self.seconds = self._measure("float32")

    def compare(self, precision: str) -> tuple[float, float]:
        """Return the relative L2 error to be reckoned with in a precision, and the seconds it took."""
        self._measure(precision, examples=1)  # warms up
        maps, seconds = self._measure(precision)
        return MARGIN * _largest_distance(maps, self._maps), seconds

    def _measure(self, precision: str, examples: int | None = None) -> tuple[list[Tensor], float]:
        start = time.perf_counter()
        maps = []
        for example, nodes in list(zip(self._examples, self._nodes, strict=True))[:examples]:
            settings = replace(self._settings, precision=precision, nodes=nodes)
            done = next(attribute(self._model, [example], settings))
            maps.append(done.attributions.cpu())  # waits for the device
        return maps, time.perf_counter() - start


def choose_micro_batch(model: Model, example: Example, settings: Settings) -> MicroBatchChoice:
    """Return the smallest micro-batch that is about as fast as any that fits in the free memory.

    Sizes are doubled from 4 on while they fit, as reckoned from what smaller ones took, and while a row
    becomes cheaper by 5 % or more.
    """
    device = example.image.device
    precision = precision_named(settings.precision)
    free = MEMORY_SHARE * _free_bytes(device)
    with frozen(model, precision, device) as forward, lifted(device):
        integrand = Integrand(forward, output_named(settings.output), precision)
        rows, best, row_bytes = ROW_MULTIPLE, math.inf, 0.0
        chosen = ROW_MULTIPLE
        while rows <= MOST_ROWS and rows * row_bytes <= free:
            try:
                seconds, held = _time_and_memory(lambda: integrand.values(_spread(example, rows)), device)  # noqa: B023
            except Exception as error:
                if out_of_memory(error):
                    break
                raise
            row_bytes = held / rows
            if rows > ROW_MULTIPLE and seconds / rows > WORTHWHILE * best:
                best = min(best, seconds / rows)
                break
            chosen, best = rows, seconds / rows
            rows *= 2
    return MicroBatchChoice(
        chosen,
        best,
        row_bytes,
        f"{chosen} rows: {best * 1e3:.1f} ms and {row_bytes / 1e6:.0f} MB a row, {free / 1e9:.1f} GB to use",
    )


def rows_are_alike(model: Model, example: Example, settings: Settings) -> bool:
    """Tell whether a row's bits depend neither on its place in a micro-batch nor on the micro-batch's size.

    One set of nodes is evaluated in order, turned by one place, turned by half, and four at a time.
    """
    precision = precision_named(settings.precision)
    device = example.image.device
    size = whole_rows(settings.micro_batch or default_micro_batch(device))
    rows = _spread(example, size)
    with frozen(model, precision, device) as forward, lifted(device):
        integrand = Integrand(forward, output_named(settings.output), precision)
        expected = integrand.values(rows)
        for turn in {1 % size, size // 2}:
            turned = integrand.values(rows[turn:] + rows[:turn])
            if not _same(turned, expected[turn:] + expected[:turn]):
                return False
        if size > ROW_MULTIPLE:
            return _same(integrand.values(rows[:ROW_MULTIPLE]), expected[:ROW_MULTIPLE])
    return True


def _same(first: Sequence, second: Sequence) -> bool:  # type: ignore[type-arg]
    return all(
        torch.equal(one.map, other.map) and np.array_equal(one.score, other.score)
        for one, other in zip(first, second, strict=True)
    )


def _spread(example: Example, rows: int) -> list[Row]:
    """Return nodes spread over an example's path."""
    direction = example.image.double() - example.baseline.double()
    return [
        Row(0, example.baseline, direction, example.targets, (index + 0.5) / rows) for index in range(rows)
    ]


def _largest_distance(maps: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    distances = []
    for found, wanted in zip(maps, reference, strict=True):
        norm = wanted.flatten(1).norm(dim=1)
        difference = (found - wanted).flatten(1).norm(dim=1)
        distances.append(torch.where(norm == 0, 0.0, difference / norm).max())
    largest = float(torch.stack(distances).max())
    return largest if math.isfinite(largest) else math.inf


def _is_promising(name: str, device: torch.device) -> bool:
    """Tell from one small product whether an arithmetic is any faster than float32 on this device."""
    precision = PRECISIONS[name]
    if precision.products is None:
        return device.type == "cuda"  # elsewhere TF32 is at best float32
    factors = torch.ones((PRODUCT_SIZE, PRODUCT_SIZE), device=device)
    rounded = factors.to(precision.products)
    return _seconds(lambda: rounded @ rounded, device) < _seconds(lambda: factors @ factors, device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the shortest of a few timings of a short piece of work."""
    return min(_timings(work, device))


def _timings(work: Callable[[], object], device: torch.device, repeats: int = 4) -> Iterator[float]:
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        yield time.perf_counter() - start


def _time_and_memory(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the seconds that work takes, once warm, and the bytes that it holds at most.

    On a CPU, where torch does not tell, it is what the forward pass keeps for the backward passes.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        held = float(torch.cuda.max_memory_allocated(device) - before)
    else:
        held = bytes_kept(work)
    return min(_timings(work, device, repeats=2)), held


def bytes_kept(work: Callable[[], object]) -> float:
    """Return the bytes that forward passes in a piece of work keep for backward passes."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return float(sum(kept.values()))


def _free_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(free + reserved)
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
