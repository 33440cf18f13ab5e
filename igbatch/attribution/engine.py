"""The engine: a stream of images in, their maps out, each when its path is done.

Memory holds the paths of one wave (`wave.py`), whatever the length of the stream.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch

from .averaging import map_norms
from .contrasts import Differences, arithmetic_errors, differences_of
from .device_sharing import DeviceLock
from .frozen import Model, frozen, gradients_allowed
from .graphs import Graphs
from .integral import Integral
from .outputs import OUTPUTS
from .passes import Forward, Passes
from .precision import PRECISIONS
from .rules import FloatArray
from .settings import Attributed, Example, Settings
from .wave import MicroBatchLimit, Path, Wave

MAX_TARGETS = 8
"""Targets that share a forward pass; more go in groups, so that memory does not grow with them."""
ROUND_BATCHES = {"cpu": 1, "cuda": 4}
"""Micro-batches of a wave's round: on a CPU passes take long beside the rule, and memory is what counts."""
NUMBERS = ("scores", "baseline_scores", "convergence_delta", "steps", "map_error", "converged")
"""What integrals have for each target."""


def attribute(
    model: Model,
    examples: Iterable[Example],
    settings: Settings,
    limit: MicroBatchLimit | None = None,
    graphs: Graphs | None = None,
) -> Iterator[Attributed]:
    """Attribute a stream of examples, each yielded when it is done; numbers of targets may differ.

    Examples are taken from the stream only as the device has memory for their nodes.

    Args:
        model: as `integrated_gradients` takes it.
        examples: their images are of one shape.
        settings: how the integrals are taken.
        limit: counts how full micro-batches are; None: it is not needed.
        graphs: what full micro-batches go through, kept by the caller from call to call; None: eager passes.

    Raises:
        AttributionError: as `integrated_gradients` does.
    """
    source = iter(examples)
    first = next(source, None)
    if first is not None:
        with frozen(model, PRECISIONS[settings.precision], first.image.device) as forward:
            yield from attribute_forward(forward, chain([first], source), settings, limit, graphs)


def attribute_forward(
    forward: Forward,
    examples: Iterable[Example],
    settings: Settings,
    limit: MicroBatchLimit | None = None,
    graphs: Graphs | None = None,
    device_lock: DeviceLock | None = None,
) -> Iterator[Attributed]:
    """Attribute a stream of examples as `attribute` does, with a function that is ready as it is.

    Args:
        forward: from points and the examples they belong to, to logits; in the precision of the settings.
        examples: their images may have any shape; the first dimension is summed unless channels are kept.
        settings: how the integrals are taken.
        limit, graphs: as for `attribute`.
        device_lock: on the device, where other threads use it too; the examples are taken out of turn.
    """
    source = iter(examples)
    first = next(source, None)
    if first is None:
        return
    device = first.image.device
    micro_batch_limit = limit or MicroBatchLimit(micro_batch_of(settings, device))
    passes = passes_of(forward, settings)
    batches = ROUND_BATCHES.get(device.type, ROUND_BATCHES["cuda"])

    def new_wave(path: Path) -> Wave:
        integrals = settings.integrals(len(path.targets), path.differences)
        return Wave(passes, integrals, micro_batch_limit, graphs, batches, device_lock)

    paths = _paths(chain([first], source), passes.precision.dtype)
    completed = _completed(paths, new_wave, together=settings.together)
    while True:
        with gradients_allowed(device):
            done = next(completed, None)
            if done is None:
                return
            attributed = _attributed(*done, settings, micro_batch_limit.size)
        yield attributed


def passes_of(forward: Forward, settings: Settings) -> Passes:
    """Return the integrand that the settings ask for."""
    return Passes(
        forward,
        OUTPUTS[settings.output],
        PRECISIONS[settings.precision],
        sum_channels=not settings.keep_channels,
        multiply=settings.multiply,
    )


def default_micro_batch(device: torch.device) -> int:
    """Return the most rows of a micro-batch where the caller does not say: 8 on a CPU, 64 elsewhere.

    On a CPU the time of a row hardly changes between 2 and 16 rows of 224 x 224, while the memory grows with
    them. Elsewhere the number is a guess that fits 16 GB with a Swin-B; `choose_micro_batch` measures.
    """
    return 8 if device.type == "cpu" else 64


def micro_batch_of(settings: Settings, device: torch.device) -> int:
    """Return the most rows of a micro-batch that the settings ask for."""
    return default_micro_batch(device) if settings.micro_batch is None else settings.micro_batch


def _paths(examples: Iterable[Example], dtype: torch.dtype) -> Iterator[Path]:
    """Yield the paths of examples, one for each group of an example's targets."""
    for index, example in enumerate(examples):
        image, baseline = (each.detach().to(dtype) for each in (example.image, example.baseline))
        groups = example.targets.chunk(max(1, math.ceil(len(example.targets) / MAX_TARGETS)))
        for part, targets in enumerate(groups):
            yield Path(
                index, part, len(groups), baseline, image, targets.to(image.device),
                highest=max(targets.flatten().tolist()), differences=differences_of(targets),
            )  # fmt: skip


def _completed(
    paths: Iterator[Path], new_wave: Callable[[Path], Wave], *, together: bool
) -> Iterator[tuple[int, list[tuple[Path, Integral]]]]:
    """Yield each example's index, its paths in their order and the integrals along them, once all are done.

    There is a wave for each number of targets that a path has, and for which of them are differences. Where
    images are not kept `together`, one path is open at a time, in a wave that knows nothing of others.
    """
    waves: dict[tuple[object, ...], Wave] = {}
    done: defaultdict[int, dict[int, tuple[Path, Integral]]] = defaultdict(dict)
    while True:
        while not any(wave.full if together else wave.busy for wave in waves.values()):
            path = next(paths, None)
            if path is None:
                break
            kind = (path.targets.shape, path.differences)
            if kind not in waves or not together:
                waves[kind] = new_wave(path)
            waves[kind].open(path)
        at_work = sorted((wave for wave in waves.values() if wave.busy), key=lambda wave: not wave.full)
        if not at_work:
            return
        for path, integral in at_work[0].round():
            parts = done[path.example]
            parts[path.part] = path, integral
            if len(parts) == path.parts:
                del done[path.example]
                yield path.example, [parts[part] for part in range(path.parts)]


def _attributed(
    index: int, done: Sequence[tuple[Path, Integral]], settings: Settings, micro_batch: int
) -> Attributed:
    """Join the integrals of an example's groups of targets."""
    parts = [part for _, part in done]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in NUMBERS
    }
    arithmetic = np.concatenate(
        [_arithmetic(part, path.differences, settings.arithmetic_error) for path, part in done]
    )
    joined["map_error"] += arithmetic
    if settings.steps == "auto":
        joined["converged"] &= arithmetic <= settings.tolerance
    maps = [part.attributions for part in parts]
    return Attributed(
        **joined,
        attributions=torch.cat(maps) if len(maps) > 1 else maps[0],
        quadrature=parts[0].quadrature,
        logits=parts[0].logits,
        index=index,
        micro_batch=micro_batch,
    )


def _arithmetic(part: Integral, differences: Differences, error: float) -> FloatArray:
    """Return `arithmetic_errors` of maps; their norms leave the device only where they are asked for."""
    norms = np.ones(len(part.attributions))
    if error > 0 and any(differences):
        norms = map_norms(part.attributions).cpu().numpy()
    return arithmetic_errors(norms, differences, error)
