"""What `auto` comes to: the arithmetic by a short measurement, the micro-batch by a rule.

Processors and GPUs differ too much for a name to tell: on one machine bfloat16 products are six times as fast
as float32's, on the next they are hardly faster, and float16's take hundreds of times as long.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .engine import attribute, passes_of
from .frozen import Model, frozen, lifted
from .passes import Batch
from .precision import PRECISIONS
from .settings import Example, Settings

__all__ = [
    "MicroBatchChoice",
    "PrecisionChoice",
    "arithmetic_error",
    "bytes_kept",
    "choose_micro_batch",
    "choose_precision",
    "largest_distance",
    "spread",
]

CANDIDATES = ("tensorfloat32", "bfloat16", "float16")
PROBED_IMAGES = 2
"""Images that arithmetics are compared on."""
MARGIN = 1.5
"""From the largest error among the probe's maps to the one that is stated: other images may be worse."""
ROOM = 0.5
"""The part of the tolerance that the arithmetic may use up."""
TRIAL_SHARE = 0.2
"""Of the images that are ahead, what a trial may take the time of."""
WORTHWHILE = 0.95
"""An arithmetic is taken only if it needs less than this part of the time."""
MEMORY_SHARE = 0.3
"""Of a device's memory, what a micro-batch may take; maps, other workers and fragments need the rest."""
MAX_ROWS = {"cpu": 8, "cuda": 128}
"""The largest micro-batch of a kind of device: more rows took no less time each."""
PROBED_ROWS = 2
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
        row_bytes: memory that a row keeps for its backward passes.
        reason: a sentence with what was measured.
    """

    rows: int
    row_bytes: float
    reason: str


def choose_precision(
    model: Model, examples: Sequence[Example], settings: Settings, ahead: int | None = None, others: int = 0
) -> PrecisionChoice:
    """Return the cheapest arithmetic whose error on the first images leaves room within the tolerance.

    Maps are computed in float32 and again, from the same nodes, in each candidate that is not hopelessly slow
    on this machine. A candidate may use up half of ``settings.tolerance``.

    Args:
        model: as `integrated_gradients` takes it.
        examples: the first images.
        settings: what is asked for.
        ahead: images that are to be computed in all, where that is known. The trial takes about as long as so
            many of them; where that is more than `TRIAL_SHARE` of all, nothing is tried and float32 stays.
        others: models whose maps are to be compared afterwards, as `arithmetic_error` does.
    """
    device = examples[0].image.device
    promising = {name: _is_promising(name, device) for name in CANDIDATES}
    tried = [f"{name} is slow here" for name in CANDIDATES if not promising[name]]
    if not any(promising.values()):
        return PrecisionChoice("float32", 0.0, "; ".join(tried))
    probed = _probed(examples)
    each = len(probed) + 1  # one more, which warms up
    trial = 2 * len(probed) + sum(promising.values()) * each + others * (2 * len(probed) + each)
    if ahead is not None and trial > TRIAL_SHARE * ahead:
        reason = f"a trial takes as long as {trial} of the {ahead} image(s)"
        return PrecisionChoice("float32", 0.0, reason)
    exact = _Probe(model, probed, settings)
    best, best_seconds = PrecisionChoice("float32", 0.0, ""), exact.seconds
    for name in (name for name in CANDIDATES if promising[name]):
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
    if PRECISIONS[settings.precision].exact:
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
        return MARGIN * largest_distance(maps, self._maps), seconds

    def _measure(self, precision: str, examples: int | None = None) -> tuple[list[Tensor], float]:
        start = time.perf_counter()
        maps = []
        for example, nodes in list(zip(self._examples, self._nodes, strict=True))[:examples]:
            settings = replace(self._settings, precision=precision, nodes=nodes)
            done = next(attribute(self._model, [example], settings))
            maps.append(done.attributions.cpu())  # waits for the device
        return maps, time.perf_counter() - start


def choose_micro_batch(
    model: Model, example: Example, settings: Settings, sharing: int = 1
) -> MicroBatchChoice:
    """Return a micro-batch that is filled well, is fast, and fits: by memory and a rule, never by a race.

    A forward pass of a few rows tells what a row keeps for its backward passes. The largest power of two up
    to `MAX_ROWS` whose rows fit into `MEMORY_SHARE` of the device's memory is taken. So the choice follows
    from machine, model and study alone, and two runs take the same.

    Args:
        model: as `integrated_gradients` takes it.
        example: an image.
        settings: what is asked for.
        sharing: workers that share the device's memory.
    """
    device = example.image.device
    precision = PRECISIONS[settings.precision]
    room = MEMORY_SHARE * _memory(device) / sharing
    with frozen(model, precision, device) as forward, lifted(device):
        passes = passes_of(forward, settings)
        row_bytes = (
            bytes_kept(lambda: passes.values(spread(example, PROBED_ROWS, precision.dtype))) / PROBED_ROWS
        )
    most = MAX_ROWS.get(device.type, MAX_ROWS["cuda"])
    rows = 2 ** max(0, math.floor(math.log2(max(1.0, min(most, room / max(1.0, row_bytes))))))
    why = "the most that helps" if rows == most else f"what {room / 1e9:.1f} GB hold"
    return MicroBatchChoice(rows, row_bytes, f"{rows} rows: {row_bytes / 1e6:.0f} MB a row, {why}")


def spread(example: Example, rows: int, dtype: torch.dtype) -> Batch:
    """Return nodes spread over an example's path."""
    device = example.image.device
    start, image = (
        each.detach().to(dtype)[None].expand(rows, *each.shape) for each in (example.baseline, example.image)
    )
    nodes = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    targets = example.targets.to(device)[None].expand(rows, -1)
    owners = torch.zeros(rows, dtype=torch.int64, device=device)
    return Batch(start, image, nodes.to(device), targets, owners, int(example.targets.max()))


def largest_distance(maps: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Return the largest relative L2 distance of maps, [K, ...] each, to others; infinite for NaN."""
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
    """Return the shortest of four timings of a short piece of work."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


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


def _memory(device: torch.device) -> float:
    """Return all memory of a device, in bytes: what is free just now changes from run to run."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
