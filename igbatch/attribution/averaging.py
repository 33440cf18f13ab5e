"""Means of maps: over the noisy copies of an image, or over several baselines.

Copies are examples like any other: they share micro-batches, and come back in any order. Their maps are added
up in an order that does not depend on when they come. Beside the mean over baselines goes how they differ.

Source: Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017; Erion et al., *Improving
performance of deep learning models with axiomatic attribution priors and expected gradients*, 2021 (means
over baselines); Chan et al., *Updating formulae and a pairwise algorithm for computing sample variances*,
1979 (the spread).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .settings import Attributed, Settings, Spread

Area = tuple[slice, slice]
"""Rows and columns of a map."""


def settings_of_copies(settings: Settings, copies: int) -> Settings:
    """Return how the integrals of copies are taken so that their mean meets the tolerance of the settings.

    Where copies' maps have little in common, their mean is smaller than they are: down to 1 / sqrt(copies) of
    their norm where they are orthogonal. Errors that have all in common are not smaller in the mean. So the
    tolerance is divided by sqrt(copies).
    """
    return replace(settings, tolerance=settings.tolerance / math.sqrt(copies))


def averaged(
    attributed: Iterable[Attributed],
    copies: int,
    areas: Callable[[int], Sequence[Area]] | None = None,
) -> Iterator[Attributed]:
    """Yield the mean of every `copies` examples that follow each other in a stream, as soon as all are done.

    Of image i these are the examples `copies * i` and on, in whatever order they come; i is the index of what
    is yielded. Its numbers are: `attributions`, `scores` and `convergence_delta` the means; `baseline_scores`
    those of the first copy, or the means where copies differ in their baselines; `steps` the sum; `converged`
    where every copy has; `quadrature` the first copy's. `map_error` is the mean of the copies' errors, each
    its relative error times the norm of its map, over the norm of the mean: no larger error is possible,
    whatever the copies' errors have in common, as long as theirs are bounds.

    Sums are taken pair by pair, so an image with one copy missing holds up to 2 log2(copies) maps, twice as
    many with `areas`. One copy alone is yielded as it is.

    Args:
        attributed: the examples.
        copies: of each image.
        areas: given where copies differ in their baselines: returns, by the index of an image, the parts of
            its maps whose sums under each baseline are wanted. The means then have a `spread`.
    """
    if copies == 1:
        yield from attributed
        return
    waiting: defaultdict[int, _Mean] = defaultdict(lambda: _Mean(copies))
    for done in attributed:
        image, copy = divmod(done.index, copies)
        waiting[image].add(copy, done, None if areas is None else areas(image))
        if waiting[image].total is not None:
            yield waiting.pop(image).result(image)


class _Part(NamedTuple):
    """Some copies: the sum of their maps, and that of the squared distances from their mean, if asked for."""

    copies: int
    total: Tensor
    squares: Tensor | None

    def joined(self, other: _Part) -> _Part:
        """Return both together; which one comes first changes no bit."""
        copies, squares = self.copies + other.copies, None
        if self.squares is not None and other.squares is not None:
            apart = self.total / self.copies - other.total / other.copies
            squares = (self.squares + other.squares) + apart.square() * (self.copies * other.copies / copies)
        return _Part(copies, self.total + other.total, squares)


@dataclass
class _Mean:
    """The copies of one image that are done; `total` is of all once all are."""

    copies: int
    total: _Part | None = None
    _done: dict[int, Attributed] = field(default_factory=dict)  # with norms [K] in place of maps
    _parts: dict[tuple[int, int], _Part] = field(default_factory=dict)
    _areas: dict[int, Tensor] = field(default_factory=dict)  # sums [K, areas] by copy

    def add(self, copy: int, done: Attributed, areas: Sequence[Area] | None = None) -> None:
        """Take a copy; its map is added to that of its neighbour once both are there, and so on upwards.

        A place `(level, number)` stands for the copies `number * 2**level` and on, `2**level` of them.
        """
        maps = done.attributions
        self._done[copy] = replace(done, attributions=map_norms(maps))
        if areas is not None:
            self._areas[copy] = area_sums(maps, areas)
        part = _Part(1, maps, None if areas is None else torch.zeros_like(maps))
        level, number = 0, copy
        while 2**level < self.copies:
            if (number ^ 1) << level < self.copies:  # the neighbour stands for some copy
                neighbour = self._parts.pop((level, number ^ 1), None)
                if neighbour is None:
                    self._parts[level, number] = part
                    return
                part = part.joined(neighbour)
            level, number = level + 1, number // 2
        self.total = part

    def result(self, index: int) -> Attributed:
        """Return the mean."""
        assert self.total is not None
        done = [self._done[copy] for copy in range(self.copies)]
        maps = self.total.total / self.copies
        *norms, norm = torch.stack([*(each.attributions for each in done), map_norms(maps)]).cpu().numpy()
        errors = np.stack([each.map_error for each in done])
        with np.errstate(invalid="ignore", divide="ignore"):
            absolute = np.where(errors == np.inf, np.inf, errors * np.stack(norms)).mean(axis=0)
            map_error = np.where(absolute == 0, 0.0, absolute / norm)
        spread = None if self.total.squares is None else self._spread(self.total.squares, norm)
        starts = [each.baseline_scores for each in done]
        return replace(
            done[0],
            index=index,
            attributions=maps,
            scores=np.mean([each.scores for each in done], axis=0),
            baseline_scores=starts[0] if spread is None else np.mean(starts, axis=0),
            convergence_delta=np.mean([each.convergence_delta for each in done], axis=0),
            steps=np.sum([each.steps for each in done], axis=0),
            map_error=map_error,
            converged=np.all([each.converged for each in done], axis=0),
            micro_batch=max(each.micro_batch for each in done),
            spread=spread,
        )

    def _spread(self, squares: Tensor, norm: NDArray[np.float64]) -> Spread:
        deviation = (squares / self.copies).sqrt()
        sums = torch.stack([self._areas[copy] for copy in range(self.copies)]).cpu().numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            return Spread(deviation, map_norms(deviation).cpu().numpy() / norm, sums)


def map_norms(maps: Tensor) -> Tensor:
    """Return the L2 norms of maps [K, ...], float64 [K], on their device."""
    norms: Tensor = torch.linalg.vector_norm(maps.double().flatten(1), dim=1)
    return norms


def area_sums(maps: Tensor, areas: Sequence[Area]) -> Tensor:
    """Return the sums of maps [K, H, W] over areas, float64 [K, areas], on their device."""
    sums = [maps[:, rows, columns].double().sum((1, 2)) for rows, columns in areas]
    return torch.stack(sums, 1) if sums else maps.new_zeros(len(maps), 0, dtype=torch.float64)
