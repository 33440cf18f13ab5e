"""What the output loses when a box is removed: the second opinion beside the sum of attributions in it.

A box is filled with the study's baseline, and with a blur of the image; a drawn scene is drawn again
without the bird. Boxes of several images share forward passes, and all targets of an image are read off the
same ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import fmean
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution import OUTPUTS, PRECISIONS, Example, Settings
from igbatch.attribution.device_sharing import DeviceLock, HostCopy
from igbatch.attribution.engine import micro_batch_of
from igbatch.attribution.passes import Forward
from igbatch.attribution.precision import tensorfloat32
from igbatch.attribution.scores import ScoredImage, target_scores
from igbatch.attribution.wave import MicroBatchLimit
from igbatch.images.baselines import BLUR_FRACTION, blur_weights
from igbatch.images.geometry import MappedBox
from igbatch.pipeline.prepare import PreparedImage
from igbatch.pipeline.removal_passes import removal_columns


class Task(Protocol):
    """An image that is attributed; the example has every class once that a target names.

    `fills` are its baselines, without those that are the image itself.
    """

    @property
    def image(self) -> PreparedImage: ...
    @property
    def example(self) -> Example: ...
    @property
    def fills(self) -> Sequence[Tensor]: ...


AnyTask = TypeVar("AnyTask", bound=Task)


@dataclass(frozen=True)
class Removals:
    """The output of one image without each of its boxes, on its way from the device.

    Attributes:
        boxes: how many the image has, those without a visible pixel among them.
        places: of each removal, the box and the column of `box_stats` that it is for.
        own: whether the image as it is was measured with them, and comes first.
        scores: float64 [own + removals, K], by the targets of its example.
    """

    boxes: int
    places: list[tuple[int, str]]
    own: bool
    scores: HostCopy

    def deletions(self, target: int, score: float) -> list[dict[str, float]]:
        """Return what the output of a target loses without each box, by column; in units of the output.

        With several baselines it is the mean over them, as F(baseline) is for the map. One that is the image
        itself fills nothing: it is left out, and without another there is no `deletion`.

        Args:
            target: place of the target in the example.
            score: its output at the image, which counts unless that was measured here.
        """
        own, without = np.split(self.scores.wait()[:, target], [int(self.own)])
        whole = float(own[0]) if self.own else score
        found = [defaultdict[str, list[float]](list) for _ in range(self.boxes)]
        for (box, column), value in zip(self.places, without.tolist(), strict=True):
            found[box][column].append(whole - value)
        return [{column: fmean(values) for column, values in each.items()} for each in found]


class BoxRemoval:
    """Measures images without their boxes, under one variant.

    Where passes round, or maps are smoothed, the image itself goes along: its output is then compared in the
    same arithmetic, and as it is without noise. Elsewhere its score is that of its path's end.

    Args:
        forward: the variant, in the precision of the settings.
        settings: of its integrals.
        to_input: from pixels [H, W, 3] in 0..1 to the model's input on the device.
        device_lock: on the device.
        smoothed: whether maps are.
        off: measure nothing.
    """

    def __init__(
        self,
        forward: Forward,
        settings: Settings,
        to_input: Callable[[NDArray[np.float32]], Tensor],
        device_lock: DeviceLock,
        *,
        smoothed: bool = False,
        off: bool = False,
    ) -> None:
        self._off = off
        self._forward, self._settings, self._to_input = forward, settings, to_input
        self._own = smoothed or not PRECISIONS[settings.precision].exact
        self._device_lock = device_lock

    def measured(self, tasks: Iterable[AnyTask]) -> Iterator[tuple[AnyTask, Removals | None]]:
        """Yield each task with what was measured; None where it has no visible box.

        Images wait until their removals fill a micro-batch. Where images are not kept `together`, each is
        measured by itself, so that its bits do not depend on the others.
        """
        group: list[tuple[AnyTask, list[tuple[int, str]]]] = []
        for task in tasks:
            places = [] if self._off else _places(task.image, len(task.fills))
            rows = sum(len(each) + self._own for _, each in group if each)
            limit = micro_batch_of(self._settings, task.example.image.device)
            if group and (rows + len(places) + self._own > limit or len(group) >= limit):
                yield from self._group(group)
                group = []
            group.append((task, places))
            if not self._settings.together or not any(each for _, each in group):
                yield from self._group(group)
                group = []
        yield from self._group(group)

    def _group(
        self, group: list[tuple[AnyTask, list[tuple[int, str]]]]
    ) -> Iterator[tuple[AnyTask, Removals | None]]:
        """Measure some images together."""
        found: list[Removals | None] = [None] * len(group)
        if any(places for _, places in group):
            device = group[0][0].example.image.device
            limit = MicroBatchLimit(micro_batch_of(self._settings, device))
            output, precision = OUTPUTS[self._settings.output], PRECISIONS[self._settings.precision]
            lock = self._device_lock
            with lock.round(), lock.launch, lock.passes(device):
                images = (
                    ScoredImage(image, targets, index)
                    for index, (task, places) in enumerate(group)
                    for targets in [task.example.targets.to(device)]
                    for image in (self._images(task, places) if places else ())
                )
                scores = target_scores(self._forward, images, output, precision, limit)
                for index, (task, places) in enumerate(group):
                    if places:
                        rows = torch.stack([next(scores) for _ in range(self._own + len(places))])
                        found[index] = Removals(len(task.image.boxes), places, self._own, HostCopy(rows))
        yield from ((task, removals) for (task, _), removals in zip(group, found, strict=True))

    def _images(self, task: Task, places: list[tuple[int, str]]) -> Iterator[Tensor]:
        """Yield the image, if it goes along, and what it is after each removal: [C, H, W]."""
        image = task.example.image
        fills = {"deletion": cycle(task.fills), "deletion_blurred": cycle([blurred(image)])}
        if self._own:
            yield image
        for place, column in places:
            if column == "true_effect":
                yield self._to_input(task.image.without[place])
            else:
                yield filled(image, next(fills[column]), task.image.boxes[place])


def _places(image: PreparedImage, fills: int) -> list[tuple[int, str]]:
    """Return the removals of an image: each visible box with each column that it has, once a fill."""
    columns = removal_columns(fills, drawn=bool(image.without))
    return [(place, column) for place, box in enumerate(image.boxes) if box.visible for column in columns]


def filled(image: Tensor, fill: Tensor, box: MappedBox) -> Tensor:
    """Return an image [C, H, W] with a box of another one of that shape in it."""
    rows, columns = slice(box.y_min, box.y_max), slice(box.x_min, box.x_max)
    result = image.clone()
    result[:, rows, columns] = fill[:, rows, columns]
    return result


def blurred(image: Tensor) -> Tensor:
    """Return an image [C, H, W] under the Gaussian of the baseline "blurred", on its device.

    Its standard deviation is `BLUR_FRACTION` of the shorter side, whatever the box. Normalizing and blurring
    may change places, since each channel is shifted and scaled as a whole.
    """
    height, width = image.shape[-2:]
    sigma = BLUR_FRACTION * min(height, width)
    down, across = (
        torch.from_numpy(blur_weights(length, sigma)).to(image.device, image.dtype)
        for length in (height, width)
    )
    with tensorfloat32(False):
        return down @ image @ across.T
