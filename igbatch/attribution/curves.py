"""Deletion and insertion: what the output does as regions of an image are removed, or put back, one by one.

Regions go in an order: that of their sums of attributions, or a random one. From step to step as many
regions as before are replaced, and the output is read off a forward pass. States of all orders, steps and
images are one stream, which fills micro-batches.

Source: Samek et al., *Evaluating the visualization of what a deep neural network has learned*, IEEE TNNLS
2017 (removal in order of relevance against a random order); Petsiuk et al., *RISE*, BMVC 2018 (deletion,
insertion, and the area under either curve).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .engine import micro_batch_of
from .frozen import Model, frozen
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .scores import ScoredImage, target_scores
from .settings import Example, Settings
from .smoothing import seeded
from .wave import MicroBatchLimit

FloatArray = NDArray[np.float64]
Order = NDArray[np.int64]
"""The regions 0..R-1, each once: int64 [R], those that are replaced first in front."""


class Course(NamedTuple):
    """One image on its way from a start to an end, as regions are replaced.

    Attributes:
        start, end: [C, H, W] on the device of the model.
        labels: int [H, W] there, the region of each pixel, 0..R-1.
        pixels: int64 [R], how many each region has, one at least.
        order: of the regions.
        counts: int64 [S + 1], rising: how many regions are replaced at each step, from 0 to R.
    """

    start: Tensor
    end: Tensor
    labels: Tensor
    pixels: NDArray[np.int64]
    order: Order
    counts: NDArray[np.int64]

    def states(self) -> Iterator[Tensor]:
        """Yield what the image is between start and end: S - 1 times [C, H, W]."""
        ranks = np.empty_like(self.order)
        ranks[self.order] = np.arange(len(ranks))
        when = torch.from_numpy(ranks).to(self.labels.device)[self.labels.long()]
        for count in self.counts[1:-1].tolist():
            yield torch.where(when < count, self.end.to(self.start.dtype), self.start)

    def fractions(self) -> FloatArray:
        """Return the share of the pixels that are replaced at each step, [S + 1] from 0 to 1."""
        replaced = np.concatenate([[0], np.cumsum(self.pixels[self.order])])[self.counts]
        shares: FloatArray = replaced / self.pixels.sum()
        return shares


def attribution_order(sums: FloatArray) -> Order:
    """Return regions by their sums [R], the largest first; of equal ones the one of the lower number."""
    return np.argsort(-sums, kind="stable").astype(np.int64)


def random_order(regions: int, seed: int, number: int, image_id: str) -> Order:
    """Return an order of regions, every one equally likely; it follows from the arguments alone."""
    return seeded(f"order:{seed}:{number}:{regions}:{image_id}").permutation(regions).astype(np.int64)


def step_counts(regions: int, steps: int) -> NDArray[np.int64]:
    """Return how many of the regions are replaced at each step: int64 [S + 1], from 0 to all, rising.

    S is the number of steps, or of regions where these are fewer. Steps are as equal as whole regions allow.
    """
    last = min(steps, regions)
    return np.arange(last + 1, dtype=np.int64) * regions // last


def area(fractions: FloatArray, outputs: FloatArray) -> float:
    """Return the area under a curve by the trapezoid rule: the mean output along it, in its units.

    Nothing is normalized: neither F(image) nor the number of steps.

    Args:
        fractions: [S + 1], from 0 to 1, rising.
        outputs: [S + 1], at these.
    """
    return float(np.trapezoid(outputs, fractions))


def course_outputs(
    model: Model,
    examples: Sequence[Example],
    courses: Sequence[Sequence[Course]],
    settings: Settings,
    limit: MicroBatchLimit | None = None,
) -> list[list[FloatArray]]:
    """Return the outputs of each example's targets along each of its courses: float64 [S + 1, K].

    Starts and ends that courses of an example share, by identity, take one forward pass.

    Args:
        model: as `integrated_gradients` takes it; its passes are in full float32, or float64 where the
            settings say so.
        examples: whose targets are read; images of one shape, each one start or end of its courses.
        courses: of each example.
        settings: whose output and micro-batch count, and whether images share micro-batches.
        limit: of batch rows; tells afterwards how full micro-batches were. None: the settings' micro-batch.
    """
    device = examples[0].image.device
    limit = limit or MicroBatchLimit(micro_batch_of(settings, device))
    precision, output = PRECISIONS[settings.precision], OUTPUTS[settings.output]
    if not precision.exact:
        precision = PRECISIONS["float32"]
    targets = [example.targets.to(device) for example in examples]
    ends = [{id(image): image for each in own for image in (each.start, each.end)} for own in courses]

    def stream(which: int) -> Iterator[ScoredImage]:
        states = (state for course in courses[which] for state in course.states())
        for image in chain(ends[which].values(), states):
            yield ScoredImage(image, targets[which], which)

    indices = range(len(examples))
    groups = [indices] if settings.together else [range(index, index + 1) for index in indices]
    found = []
    with frozen(model, precision, device) as forward:
        scores = chain.from_iterable(
            target_scores(forward, chain.from_iterable(map(stream, group)), output, precision, limit)
            for group in groups
        )
        for which, own in enumerate(courses):
            at = dict(zip(ends[which], islice(scores, len(ends[which])), strict=True))
            between = [list(islice(scores, len(each.counts) - 2)) for each in own]
            along = (
                torch.stack([at[id(each.start)], *states, at[id(each.end)]])
                for each, states in zip(own, between, strict=True)
            )
            found.append([each.cpu().numpy() for each in along])
    return found
