"""Infidelity and maximum sensitivity of maps, for all targets of several images at once; captum's numbers.

Perturbations follow from a seed, the image's id and their number alone: a repeated call draws the same ones,
and so does one with another micro-batch, or with other images. Targets share them, and so share passes;
images of a group share micro-batches.

Source: Yeh et al., *On the (In)fidelity and Sensitivity of Explanations*, NeurIPS 2019.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .averaging import map_norms
from .engine import micro_batch_of
from .frozen import Model, frozen
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .scores import ScoredImage, target_scores
from .settings import Example, Settings
from .smoothing import seeded
from .wave import MicroBatchLimit

PATCH = 0.5
"""Side of the square that is removed, over the shorter side of the image."""

FloatArray = NDArray[np.float64]
ImageStream = Iterable[tuple[int, Tensor]]
"""Images [C, H, W], each with the index of the example that it is a perturbation of."""
Explain = Callable[[ImageStream], Iterator[tuple[int, Tensor]]]
"""From images to their maps, floating [K, H, W], each with its image's place in the stream; in any order."""


@dataclass(frozen=True)
class Draws:
    """The perturbations of one image: as many of them as `count`, under a seed.

    Draw i is the same whatever the count.
    """

    image_id: str
    seed: int
    count: int

    def patches(self, height: int, width: int) -> Iterator[NDArray[np.bool_]]:
        """Yield squares within the image, every place equally likely: bool [H, W], True inside."""
        side = max(1, round(PATCH * min(height, width)))
        for number in range(self.count):
            generator = seeded(f"patch:{self.seed}:{number}:{self.image_id}")
            top, left = (int(generator.integers(0, length - side + 1)) for length in (height, width))
            patch = np.zeros((height, width), dtype=np.bool_)
            patch[top : top + side, left : left + side] = True
            yield patch

    def noise(self, shape: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
        """Yield uniform noise from -1 to 1: float32 of that shape."""
        for number in range(self.count):
            generator = seeded(f"noise:{self.seed}:{number}:{self.image_id}")
            yield np.float32(2) * generator.random(shape, dtype=np.float32) - np.float32(1)


def infidelity(
    model: Model,
    examples: Sequence[Example],
    maps: Sequence[Tensor],
    settings: Settings,
    draws: Sequence[Draws],
    limit: MicroBatchLimit | None = None,
) -> list[tuple[FloatArray, FloatArray]]:
    """Return the infidelity of each image's maps under removal of squares, and that of maps of zeros.

    A perturbation puts the baseline into a square: its sum of attributions should be what the output loses.
    The mean of ``(sum in the square - (F(image) - F(image without the square)))**2`` is the infidelity, not
    normalized. That of a map of zeros is the mean square of the output's loss: their ratio is 0 for a map
    that tells the loss exactly, and 1 for one that tells nothing.

    Args:
        model: as `integrated_gradients` takes it; its passes are in full float32, or float64 where the
            settings say so.
        examples: images [C, H, W] of one shape, each with its baseline and K targets; K may differ.
        maps: of each example, floating [K, H, W].
        settings: whose output and micro-batch count, and whether images share micro-batches.
        draws: the perturbations of each example.
        limit: of batch rows; tells afterwards how full micro-batches were. None: the settings' micro-batch.

    Returns:
        of each example two float64 [K], in squares of the output's unit.

    Source: Yeh et al. 2019, definition 2.1, with the perturbations of *square removal*, section 3.2.
    """
    device = examples[0].image.device
    limit = limit or MicroBatchLimit(micro_batch_of(settings, device))
    indices = range(len(examples))
    streams = [indices] if settings.together else [range(index, index + 1) for index in indices]
    precision, output = PRECISIONS[settings.precision], OUTPUTS[settings.output]
    if not precision.exact:
        precision = PRECISIONS["float32"]
    found = []
    targets = [example.targets.to(device) for example in examples]
    with frozen(model, precision, device) as forward:
        scores = chain.from_iterable(
            target_scores(
                forward,
                (ScoredImage(image, targets[which], which)
                 for which, image in _without_squares(examples, draws, stream)),
                output, precision, limit,
            )
            for stream in streams
        )  # fmt: skip
        for example_maps, drawn in zip(maps, draws, strict=True):
            whole, *without = islice(scores, drawn.count + 1)
            drops = whole - torch.stack(without)
            exact = example_maps.double().flatten(1)
            squares = map(torch.from_numpy, drawn.patches(*example_maps.shape[-2:]))
            sums = [exact @ inside.to(exact.device, exact.dtype).flatten() for inside in squares]
            missed = torch.stack(sums) - drops
            found.append([each.square().mean(0) for each in (missed, drops)])
    return [(missed.cpu().numpy(), changed.cpu().numpy()) for missed, changed in found]


def _without_squares(
    examples: Sequence[Example], draws: Sequence[Draws], which: Iterable[int]
) -> ImageStream:
    """Yield each of some examples' images, followed by what is left of it without each of its squares."""
    for index in which:
        image, baseline = examples[index].image, examples[index].baseline
        yield index, image
        for patch in draws[index].patches(*image.shape[-2:]):
            inside = torch.from_numpy(patch).to(image.device)
            yield index, torch.where(inside, baseline.to(image.dtype), image)


def max_sensitivity(
    explain: Explain, images: Sequence[Tensor], radius: Tensor | float, draws: Sequence[Draws]
) -> list[tuple[Tensor, FloatArray]]:
    """Return images' maps, and how far these move at most, relative to their norm, when images move a little.

    An image gets uniform noise between -radius and radius, and is not clipped. Where a map is 0 throughout
    the number is not relative. All images, moved or not, are one stream to what explains them; held are one
    map of each image and target, and what has overtaken the image that it is compared with.

    Args:
        explain: how maps are made.
        images: [C, H, W] each.
        radius: of the noise, in units of the images: a number, or one that broadcasts to an image.
        draws: the perturbations of each image.

    Returns:
        of each image its maps as `explain` makes them, [K, H, W], and float64 [K], without unit.

    Source: Yeh et al. 2019, definition 3.1, by sampling; captum divides by the norm of the map.
    """
    places = [(which, number) for which, drawn in enumerate(draws) for number in range(drawn.count + 1)]
    own: dict[int, Tensor] = {}
    early: defaultdict[int, list[Tensor]] = defaultdict(list)
    moved: defaultdict[int, list[Tensor]] = defaultdict(list)
    moving = (
        (which, image if noise is None else image + torch.from_numpy(noise).to(image.device) * radius)
        for which, (image, drawn) in enumerate(zip(images, draws, strict=True))
        for noise in chain([None], drawn.noise(tuple(image.shape)))
    )
    for place, maps in explain(moving):
        which, number = places[place]
        if number == 0:
            own[which] = maps
        else:
            early[which].append(maps)
        if which in own:
            moved[which] += [map_norms(each - own[which]) for each in early.pop(which, [])]
    found = []
    for which in range(len(images)):
        norms = map_norms(own[which])
        farthest = torch.stack(moved[which]).amax(0) / torch.where(norms == 0, 1.0, norms)
        found.append((own[which], farthest))
    return [(maps, farthest.cpu().numpy()) for maps, farthest in found]
