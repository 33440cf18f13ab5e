"""Smoothed maps: the mean of the maps of noisy copies of an image.

Copies are examples like any other: they share micro-batches, and come back in any order. Their maps are added
up in an order that does not depend on when they come.

Source: Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017; Hedström et al., *Sanity Checks
Revisited: An Exploration to Repair the Model Parameter Randomisation Test*, 2024 (sMPRT).
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .settings import Attributed, Settings


def copy_noise(
    shape: tuple[int, ...], deviation: float, seed: int, image_id: str, copy: int
) -> NDArray[np.float32]:
    """Return normal noise for a copy of an image; it follows from seed, image and number of the copy alone.

    Args:
        shape: of the pixels.
        deviation: standard deviation, in the unit of the pixels.
        seed: of the study.
        image_id: of the image.
        copy: number of the copy, from 0.
    """
    generator = seeded(f"{seed}:{copy}:{image_id}")
    return np.float32(deviation) * generator.standard_normal(shape, dtype=np.float32)


def seeded(name: str) -> np.random.Generator:
    """Return a generator that follows from a name alone."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()))


def settings_of_copies(settings: Settings, copies: int) -> Settings:
    """Return how the integrals of copies are taken so that their mean meets the tolerance of the settings.

    Where copies' maps have little in common, their mean is smaller than they are: down to 1 / sqrt(copies) of
    their norm where they are orthogonal. Errors that have all in common are not smaller in the mean. So the
    tolerance is divided by sqrt(copies).
    """
    return replace(settings, tolerance=settings.tolerance / math.sqrt(copies))


def averaged(attributed: Iterable[Attributed], copies: int) -> Iterator[Attributed]:
    """Yield the mean of every `copies` examples that follow each other in a stream, as soon as all are done.

    Of image i these are the examples `copies * i` and on, in whatever order they come; i is the index of what
    is yielded. Its numbers are: `attributions`, `scores` and `convergence_delta` the means; `baseline_scores`
    those of the first copy (the baseline has no noise); `steps` the sum; `converged` where every copy has;
    `quadrature` the first copy's. `map_error` is the mean of the copies' errors, each its relative error
    times the norm of its map, over the norm of the mean: no larger error is possible, whatever the copies'
    errors have in common, as long as theirs are bounds.

    Sums are taken pair by pair, so an image with one copy missing holds up to 2 log2(copies) maps. One
    copy alone is yielded as it is.
    """
    if copies == 1:
        yield from attributed
        return
    waiting: defaultdict[int, _Mean] = defaultdict(lambda: _Mean(copies))
    for done in attributed:
        image, copy = divmod(done.index, copies)
        waiting[image].add(copy, done)
        if waiting[image].total is not None:
            yield waiting.pop(image).result(image)


@dataclass
class _Mean:
    """The copies of one image that are done; `total` is the sum of their maps once all are."""

    copies: int
    total: Tensor | None = None
    _done: dict[int, Attributed] = field(default_factory=dict)  # with norms [K] in place of maps
    _sums: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def add(self, copy: int, done: Attributed) -> None:
        """Take a copy; its map is added to that of its neighbour once both are there, and so on upwards.

        A place `(level, number)` stands for the copies `number * 2**level` and on, `2**level` of them.
        """
        self._done[copy] = replace(done, attributions=map_norms(done.attributions))
        level, number, total = 0, copy, done.attributions
        while 2**level < self.copies:
            if (number ^ 1) << level < self.copies:  # the neighbour stands for some copy
                neighbour = self._sums.pop((level, number ^ 1), None)
                if neighbour is None:
                    self._sums[level, number] = total
                    return
                total = total + neighbour
            level, number = level + 1, number // 2
        self.total = total

    def result(self, index: int) -> Attributed:
        """Return the mean."""
        assert self.total is not None
        done = [self._done[copy] for copy in range(self.copies)]
        maps = self.total / self.copies
        *norms, norm = torch.stack([*(each.attributions for each in done), map_norms(maps)]).cpu().numpy()
        errors = np.stack([each.map_error for each in done])
        with np.errstate(invalid="ignore", divide="ignore"):
            absolute = np.where(errors == np.inf, np.inf, errors * np.stack(norms)).mean(axis=0)
            map_error = np.where(absolute == 0, 0.0, absolute / norm)
        return replace(
            done[0],
            index=index,
            attributions=maps,
            scores=np.mean([each.scores for each in done], axis=0),
            convergence_delta=np.mean([each.convergence_delta for each in done], axis=0),
            steps=np.sum([each.steps for each in done], axis=0),
            map_error=map_error,
            converged=np.all([each.converged for each in done], axis=0),
            micro_batch=max(each.micro_batch for each in done),
        )


def map_norms(maps: Tensor) -> Tensor:
    """Return the L2 norms of maps [K, ...], float64 [K], on their device."""
    norms: Tensor = torch.linalg.vector_norm(maps.double().flatten(1), dim=1)
    return norms
