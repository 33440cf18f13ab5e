"""The engine: a stream of images goes through waves, and comes out as maps in the order of their ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .frozen import Model, frozen, lifted
from .graphs import Graphs
from .integral import Integral
from .outputs import output_named
from .passes import Forward, Passes
from .precision import precision_named
from .settings import Attributed, Example, Settings
from .turns import Turns
from .wave import Path, RowLimit, Wave

__all__ = ["MAX_TARGETS", "attribute", "attribute_forward", "default_micro_batch", "passes_of", "rows_of"]

MAX_TARGETS = 8
"""Targets that share a forward pass; more go in groups, so that memory does not grow with them."""
ROUND_BATCHES = {"cpu": 1, "cuda": 4}
"""Micro-batches of a wave's round: on a CPU passes take long beside the rule, and memory is what counts."""


def attribute(
    model: Model,
    examples: Iterable[Example],
    settings: Settings,
    limit: RowLimit | None = None,
    graphs: Graphs | None = None,
) -> Iterator[Attributed]:
    """Attribute a stream of examples, each yielded when it is done; numbers of targets may differ.

    Examples are taken from the stream only as the device has room for their nodes.

    Args:
        model: as `integrated_gradients` takes it.
        examples: their images are of one shape.
        settings: how the integrals are taken.
        limit: tells afterwards how full micro-batches were; None: nobody asks.
        graphs: what full micro-batches go through, kept by the caller from call to call; None: eager passes.

    Raises:
        AttributionError: as `integrated_gradients` does.
    """
    source = iter(examples)
    first = next(source, None)
    if first is None:
        return
    with frozen(model, precision_named(settings.precision), first.image.device) as forward:
        yield from attribute_forward(forward, chain([first], source), settings, limit, graphs)


def attribute_forward(
    forward: Forward,
    examples: Iterable[Example],
    settings: Settings,
    limit: RowLimit | None = None,
    graphs: Graphs | None = None,
    turns: Turns | None = None,
) -> Iterator[Attributed]:
    """Attribute a stream of examples as `attribute` does, with a function that is ready as it is.

    Args:
        forward: from points and the examples they belong to, to logits; in the precision of the settings.
        examples: their images may have any shape; the first dimension is summed unless channels are kept.
        settings: how the integrals are taken.
        limit, graphs: as for `attribute`.
        turns: on the device, where other threads use it too; the examples are taken out of turn.
    """
    source = iter(examples)
    first = next(source, None)
    if first is None:
        return
    device = first.image.device
    limit = limit or RowLimit(rows_of(settings, device))
    batches = ROUND_BATCHES.get(device.type, ROUND_BATCHES["cuda"])
    stream = _Stream(passes_of(forward, settings), settings, limit, graphs, batches, turns)
    completed = stream.run(chain([first], source))
    while True:
        with lifted(device):
            attributed = next(completed, None)
        if attributed is None:
            return
        yield attributed


def passes_of(forward: Forward, settings: Settings) -> Passes:
    """Return the integrand that the settings ask for."""
    return Passes(
        forward,
        output_named(settings.output),
        precision_named(settings.precision),
        sum_channels=not settings.keep_channels,
        multiply=settings.multiply,
    )


def default_micro_batch(device: torch.device) -> int:
    """Return the most rows of a micro-batch where the caller does not say: 8 on a CPU, 64 elsewhere.

    On a CPU the time of a row hardly changes between 2 and 16 rows of 224 x 224, while the memory grows with
    them. Elsewhere the number is a guess that fits 16 GB with a Swin-B; `choose_micro_batch` measures.
    """
    return 8 if device.type == "cpu" else 64


def rows_of(settings: Settings, device: torch.device) -> int:
    """Return the most rows of a micro-batch that the settings ask for."""
    return default_micro_batch(device) if settings.micro_batch is None else settings.micro_batch


class _Stream:
    """Examples on their way through waves, one wave for each number of targets that a path has."""

    def __init__(
        self,
        passes: Passes,
        settings: Settings,
        limit: RowLimit,
        graphs: Graphs | None,
        round_batches: int,
        turns: Turns | None,
    ) -> None:
        self._passes = passes
        self._graphs = graphs
        self._settings = settings
        self._limit = limit
        self._round_batches = round_batches
        self._turns = turns
        self._waves: dict[int, Wave] = {}
        self._done: dict[int, list[tuple[Path, Integral]]] = {}

    def run(self, examples: Iterable[Example]) -> Iterator[Attributed]:
        """Yield each example once all groups of its targets are done."""
        paths = (path for index, example in enumerate(examples) for path in self._paths(index, example))
        exhausted = False
        while True:
            while not exhausted and self._has_room():
                path = next(paths, None)
                if path is None:
                    exhausted = True
                else:
                    self._wave_for(len(path.targets)).open(path)
            wave = next((wave for wave in self._waves.values() if wave.full), None)
            wave = wave or next((wave for wave in self._waves.values() if wave.busy), None)
            if wave is None:
                return
            for path, integral in wave.round():
                yield from self._joined(path, integral)

    def _has_room(self) -> bool:
        if self._settings.together:
            return not any(wave.full for wave in self._waves.values())
        return not any(wave.busy for wave in self._waves.values())

    def _wave_for(self, targets: int) -> Wave:
        if targets not in self._waves or not self._settings.together:  # a new one knows nothing of others
            integrals = self._settings.integrals(targets)
            self._waves[targets] = Wave(
                self._passes, integrals, self._limit, self._graphs, self._round_batches, self._turns
            )
        return self._waves[targets]

    def _paths(self, index: int, example: Example) -> Iterator[Path]:
        """Yield the paths of an example, one for each group of targets."""
        device, dtype = example.image.device, self._passes.precision.dtype
        image, baseline = (each.detach().to(dtype) for each in (example.image, example.baseline))
        parts = max(1, math.ceil(len(example.targets) / MAX_TARGETS))
        for part, targets in enumerate(example.targets.chunk(parts)):
            yield Path(index, part, parts, baseline, image, targets.to(device), max(targets.tolist()))

    def _joined(self, path: Path, integral: Integral) -> Iterator[Attributed]:
        """Yield an example whose last group of targets this is."""
        parts = self._done.setdefault(path.example, [])
        parts.append((path, integral))
        if len(parts) == path.parts:
            del self._done[path.example]
            ordered = [integral for path, integral in sorted(parts, key=lambda part: part[0].part)]
            yield self._attributed(path.example, ordered)

    def _attributed(self, index: int, parts: Sequence[Integral]) -> Attributed:
        def joined(name: str) -> NDArray[np.float64]:
            return np.concatenate([getattr(part, name) for part in parts])

        scores, starts = joined("scores"), joined("baseline_scores")
        converged = joined("converged").astype(bool)
        if self._settings.steps == "auto":
            converged &= self._settings.arithmetic_error <= self._settings.tolerance
        return Attributed(
            index=index,
            attributions=_cat([part.maps for part in parts]),
            scores=scores,
            baseline_scores=starts,
            convergence_delta=joined("sums") - (scores - starts),
            steps=np.repeat([part.steps for part in parts], [len(part.maps) for part in parts]),
            map_error=joined("map_error") + self._settings.arithmetic_error,
            converged=converged,
            micro_batch=self._limit.rows,
            quadrature=parts[0].quadrature,
            logits=parts[0].logits,
        )


def _cat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(parts)) if len(parts) > 1 else parts[0]
