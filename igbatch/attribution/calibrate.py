"""Choose what `auto` stands for: the arithmetic by a short measurement, micro-batch and passes by rules.

Processors and GPUs differ too much for a name to tell: on one machine bfloat16 products are six times as fast
as float32's, on the next they are hardly faster, and float16's take hundreds of times as long.
"""

from __future__ import annotations

import math
import os
import time
import timeit
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from .contrasts import differences_of
from .engine import attribute, micro_batch_of, passes_of
from .frozen import Model, frozen, gradients_allowed
from .graphs import Graphs
from .passes import Batch, Passes
from .precision import PRECISIONS
from .settings import Example, Settings
from .wave import out_of_memory

CANDIDATES = ("tensorfloat32", "bfloat16", "float16")
PROBED_IMAGES = 2
"""Images that arithmetics are compared on."""
MARGIN = 1.5
"""From the largest error among the probe's maps to the one that is stated: other images may be worse."""
PRECISION_SHARE = 0.5
"""The part of the tolerance that the arithmetic may use up."""
TRIAL_SHARE = 0.2
"""Of the images that are ahead, what a trial may take the time of."""
MAX_TIME_RATIO = 0.95
"""An arithmetic is taken only if it needs less than this part of the time."""
MEMORY_SHARE = 0.3
"""Of a device's memory, what a micro-batch may take; maps, other workers and fragments need the rest."""
MAX_BATCH_ROWS = {"cpu": 8, "cuda": 128}
"""The largest micro-batch of a kind of device: more rows took no less time each."""
PROBED_ROWS = 2
PRODUCT_SIZE = 256
"""Rows and columns of the product that shows whether an arithmetic is hopeless, in no time."""
FLOPS_PER_HOUR = 3600 * 50e9
"""The assumed speed of a core, by which passes are long or not; which core it is must not matter."""
COMPILED_HOURS = 1.0
"""Hours of passes for two targets from which on compiling pays on a CPU: minutes, to save a tenth or two."""
TYPICAL_NODES = 30
MAX_ROUNDINGS = 10.0
"""Times the rounding, that maps at nodes may differ by from those of eager passes."""


class PrecisionChoice(NamedTuple):
    """A key of ``PRECISIONS``, the relative L2 error of a map to be reckoned with because of it, and why."""

    precision: str
    error: float
    reason: str


class MicroBatchChoice(NamedTuple):
    """The most batch rows that should go through the model together, the bytes that each keeps, and why."""

    size: int
    row_bytes: float
    reason: str


def choose_precision(
    model: Model, examples: Sequence[Example], settings: Settings, ahead: int | None = None, others: int = 0
) -> PrecisionChoice:
    """Return the cheapest arithmetic whose error on the first images fits within the tolerance.

    Maps are computed in float32 and again, from the same nodes, in each candidate that is not hopelessly slow
    on this machine. A candidate may use up half of ``settings.tolerance``.

    Args:
        model: as `integrated_gradients` takes it.
        examples: the first images.
        settings: of the maps.
        ahead: images that are to be computed in all, where that is known. The trial takes about as long as so
            many of them; where that is more than `TRIAL_SHARE` of all, nothing is tried and float32 stays.
        others: models whose maps are to be compared afterwards, as `arithmetic_error` does.
    """
    device = examples[0].image.device
    promising = [name for name in CANDIDATES if _is_promising(name, device)]
    tried = [f"{name} is slow here" for name in CANDIDATES if name not in promising]
    if not promising:
        return PrecisionChoice("float32", 0.0, "; ".join(tried))
    probed = _probed(examples)
    each = len(probed) + 1  # one more, which warms up
    trial = 2 * len(probed) + len(promising) * each + others * (2 * len(probed) + each)
    if ahead is not None and trial > TRIAL_SHARE * ahead:
        reason = f"a trial takes as long as {trial} of the {ahead} image(s)"
        return PrecisionChoice("float32", 0.0, reason)
    exact = _Probe(model, probed, settings)
    best, best_seconds = PrecisionChoice("float32", 0.0, ""), exact.seconds
    for name in promising:
        error, worst, seconds = exact.compare(name)
        tried.append(f"{name} {worst:.1%} in {seconds / exact.seconds:.2f} of the time")
        if worst <= PRECISION_SHARE * settings.tolerance and seconds < MAX_TIME_RATIO * best_seconds:
            best, best_seconds = PrecisionChoice(name, error, ""), seconds
    reason = (
        f"errors of maps to be reckoned with, from {len(probed)} image(s): {'; '.join(tried)}; "
        f"{PRECISION_SHARE * settings.tolerance:.1%} allowed"
    )
    return best._replace(reason=reason)


def arithmetic_error(model: Model, examples: Sequence[Example], settings: Settings) -> float:
    """Return the relative L2 error of a map that the precision of the settings brings, on the first images.

    It is half as much again as the largest distance between maps in that precision and in float32. That of a
    contrast of two targets follows from theirs (`contrasts.arithmetic_errors`).
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

    def compare(self, precision: str) -> tuple[float, float, float]:
        """Return the relative L2 error to be reckoned with in a precision, and the seconds it took.

        The error is that of maps that had a backward pass; between both stands that of contrasts as well.
        """
        self._measure(precision, examples=1)  # warms up
        maps, seconds = self._measure(precision)
        own = [[each is None for each in differences_of(example.targets)] for example in self._examples]
        passed = ([each[of] for each, of in zip(all_, own, strict=True)] for all_ in (maps, self._maps))
        return MARGIN * _largest_distance(*passed), MARGIN * _largest_distance(maps, self._maps), seconds

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

    A forward pass of a few batch rows shows what one keeps for its backward passes. The largest power of two
    up to `MAX_BATCH_ROWS` that fits into `MEMORY_SHARE` of the device's memory is taken. So the choice
    follows from machine, model and study alone, and two runs take the same.

    Args:
        model: as `integrated_gradients` takes it.
        example: an image.
        settings: of the maps.
        sharing: workers that share the device's memory.
    """
    device = example.image.device
    precision = PRECISIONS[settings.precision]
    memory = MEMORY_SHARE * _memory(device) / sharing
    with frozen(model, precision, device) as forward, gradients_allowed(device):
        passes = passes_of(forward, settings)
        kept = bytes_kept(lambda: passes.values(spread(example, PROBED_ROWS, precision.dtype)))
    row_bytes = kept / PROBED_ROWS
    max_rows = MAX_BATCH_ROWS.get(device.type, MAX_BATCH_ROWS["cuda"])
    rows = 2 ** max(0, math.floor(math.log2(max(1.0, min(max_rows, memory / max(1.0, row_bytes))))))
    why = "more rows take no less time" if rows == max_rows else f"what {memory / 1e9:.1f} GB hold"
    return MicroBatchChoice(rows, row_bytes, f"{rows} batch rows: {row_bytes / 1e6:.0f} MB each, {why}")


def choose_graphs(
    model: Model, example: Example, settings: Settings, form: str, ahead: int
) -> tuple[Graphs, str]:
    """Return what passes run as, tried on an example, and why; nothing where they stay eager by choice.

    On a GPU ``auto`` is to capture. On a CPU it is to compile where the operations that are ahead are worth
    it, and eager otherwise: numbers alone decide, so that two runs of a study take the same.

    Args:
        model: as `integrated_gradients` takes it.
        example: an image.
        settings: of the maps; the micro-batch is known.
        form: a key of ``FORMS``, or ``auto``.
        ahead: images that are to be computed in all.
    """
    device, rows = example.image.device, micro_batch_of(settings, example.image.device)
    precision = PRECISIONS[settings.precision]
    with frozen(model, precision, device) as forward, gradients_allowed(device):
        passes, why = passes_of(forward, settings), "as requested"
        if form == "auto":
            form, why = _form_that_pays(passes, example, settings, ahead)
        graphs, batch = Graphs(form), spread(example, rows, precision.dtype)
        if form == "eager":
            return graphs, ""
        with warnings.catch_warnings(action="ignore"):
            found = graphs.values(passes, batch, rows)
        if graphs.refused is not None:
            return Graphs("eager"), graphs.refused
        try:
            reference = passes.values(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            return Graphs("eager"), f"passes eager: {form}, they leave no memory for a micro-batch"
        distance = _largest_distance([found.maps.flatten()[None]], [reference.maps.flatten()[None]])
        if not distance <= MAX_ROUNDINGS * precision.rounding:
            return Graphs("eager"), f"passes eager: {form}, maps at nodes are {distance:.1e} off"
        return graphs, f"passes {form}: {why}"


def _form_that_pays(passes: Passes, example: Example, settings: Settings, ahead: int) -> tuple[str, str]:
    if example.image.device.type == "cuda":
        return "captured", "a GPU waits for whoever launches operations one by one"
    with FlopCounterMode(display=False) as counter:
        passes.values(spread(example, 1, passes.precision.dtype))
    nodes = TYPICAL_NODES if settings.steps == "auto" else settings.steps
    hours = ahead * nodes * counter.get_total_flops() / FLOPS_PER_HOUR
    enough = COMPILED_HOURS * (1 + len(example.targets)) / 3  # a graph has a backward pass for each target
    return ("compiled" if hours >= enough else "eager"), f"{hours:.1g} h of passes pay for compiling"


def spread(example: Example, rows: int, dtype: torch.dtype) -> Batch:
    """Return nodes spread over an example's path."""
    device = example.image.device
    start, image = (
        each.detach().to(dtype)[None].expand(rows, *each.shape) for each in (example.baseline, example.image)
    )
    nodes = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    targets = example.targets.to(device)[None].expand(rows, *example.targets.shape)
    example_indices = torch.zeros(rows, dtype=torch.int64, device=device)
    highest, differences = int(example.targets.max()), differences_of(example.targets)
    return Batch(start, image, nodes.to(device), targets, example_indices, highest, differences)


def _largest_distance(maps: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Return the largest relative L2 distance of maps, [K, ...] each, to others; infinite for NaN."""
    found, expected = (torch.cat([each.flatten(1) for each in parts]) for parts in (maps, reference))
    norm = expected.norm(dim=1)
    largest = float(torch.where(norm == 0, 0.0, (found - expected).norm(dim=1) / norm).max())
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

    def done() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return min(timeit.repeat(done, number=1, repeat=4))


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
