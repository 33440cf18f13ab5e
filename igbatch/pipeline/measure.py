"""Infidelity and maximum sensitivity of images under a variant, on a device. Nothing here knows Ray.

Images are measured in groups, which fill micro-batches; an image that fails takes no other along. In memory
are the pixels of two groups (one is decoded meanwhile), on the device images, baselines and maps of one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from igbatch.attribution import AttributionError, Example, Settings, attribute
from igbatch.attribution.engine import rows_of
from igbatch.attribution.faithfulness import Draws, Explain, ImageStream, infidelity, max_sensitivity
from igbatch.attribution.smoothing import averaged, copy_noise
from igbatch.attribution.wave import RowLimit
from igbatch.errors import ImageError, one_line
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.faithfulness_parts import FaithfulnessTask, Part, Skipped
from igbatch.pipeline.models import Models
from igbatch.pipeline.plan import copies_of
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare
from igbatch.pipeline.settle import settings_of, unmeasured
from igbatch.store import schemas

GROUP_BATCHES = 4
"""Micro-batches that the perturbed images of a group fill, so that few passes are of one that is not full."""
GROUP_IMAGES = 64
"""ImageStream of a group at most, however large micro-batches are,"""
GROUP_MAPS = 256
"""and maps, one for each image and target, but for an image that has more."""

_REFUSED = (ImageError, AttributionError, MemoryError, RuntimeError)
"""What ends the measuring of one image, and not the run: torch raises RuntimeError for lack of memory."""

_MEASURES = ("infidelity", "squared_change", "sensitivity")


class _Prepared(NamedTuple):
    part: Part
    image: PreparedImage


class Measurer:
    """Measures the parts of a task with the settings that their maps were computed with.

    Raises:
        InputError: the model cannot be built.
    """

    def __init__(self, task: FaithfulnessTask) -> None:
        faithfulness = task.resolved.study.audit.faithfulness
        assert faithfulness is not None
        torch.set_num_threads(task.threads)
        self.task, self.faithfulness = task, faithfulness
        self.study = task.resolved.study
        self.device = torch.device(task.device)
        self.models = Models(task.resolved, self.device)
        self.spec = task.parts[0].spec
        data_config = task.resolved.models[self.spec.model].data_config
        self.preprocessing = Preprocessing.from_data_config(data_config)
        settled = task.settled or unmeasured(self.study.attribution)
        self.settings = settings_of(self.study.attribution, self.spec.steps, settled)

    def run(self) -> list[Skipped]:
        """Measure and write each part; return those that could not be measured."""
        skipped: list[Skipped] = []
        with ThreadPoolExecutor(1, "decode") as pool:
            groups = (
                [(part, pool.submit(self._prepare, part)) for part in group] for group in self._groups()
            )
            group = next(groups, None)
            while group is not None:
                following = next(groups, None)  # decoded meanwhile
                skipped += self._measure_group(group)
                group = following
        return skipped

    def _groups(self) -> Iterator[Sequence[Part]]:
        parts = self.task.parts
        targets = max(len(part.targets) for part in parts)
        size = group_size(rows_of(self.settings, self.device), self.faithfulness.perturbations, targets)
        return (parts[start : start + size] for start in range(0, len(parts), size))

    def _measure_group(self, group: Sequence[tuple[Part, Future[PreparedImage]]]) -> list[Skipped]:
        """Measure and write what can be read of a group, one by one where that fails."""
        usable, skipped = [], []
        for part, image in group:
            try:
                usable.append(_Prepared(part, image.result()))
            except _REFUSED as error:
                skipped.append(_skipped(part, error))
        try:
            return skipped + self._write(usable)
        except _REFUSED as error:
            if len(usable) == 1:
                return [*skipped, _skipped(usable[0].part, error)]
        for each in usable:
            try:
                skipped += self._write([each])
            except _REFUSED as error:
                skipped.append(_skipped(each.part, error))
        return skipped

    def _write(self, group: Sequence[_Prepared]) -> list[Skipped]:
        """Measure images together, write the rows of each; return those that have none."""
        skipped = []
        for (part, _), rows in zip(group, self.measure(group), strict=True):
            numbers = [
                [row[name] for name in ("infidelity", "squared_change", "sensitivity")] for row in rows
            ]
            if np.isfinite(numbers).all():
                table = pa.Table.from_pylist(rows, schema=schemas.FAITHFULNESS)
                self.task.output.put_table(part.path(self.task.output), table)
            else:
                skipped.append(_skipped(part, ImageError("infidelity or sensitivity is not finite")))
        return skipped

    def measure(self, group: Sequence[_Prepared]) -> list[list[dict[str, Any]]]:
        """Return the rows of each image of a group: `schemas.FAITHFULNESS`, one a target."""
        if not group:
            return []
        draws = [
            Draws(part.image.image_id, self.faithfulness.images.seed, self.faithfulness.perturbations)
            for part, _ in group
        ]
        examples = [self._example(part, image) for part, image in group]
        model = self.models.variant(self.spec).model
        scale = torch.tensor(self.preprocessing.std, device=self.device)[:, None, None] ** -1
        limit = RowLimit(rows_of(self.settings, self.device))
        copies = _Copies([part.image.image_id for part, _ in group], scale, self.task)
        explain = copies.explainer(model, examples, self.settings, limit)
        sensitivities = max_sensitivity(
            explain, [example.image for example in examples], self.faithfulness.radius * scale, draws
        )
        maps = [own for own, _ in sensitivities]
        infidelities = infidelity(model, examples, maps, self.settings, draws, limit)
        return [
            [
                {
                    "variant_id": part.spec.variant_id, "image_id": part.image.image_id,
                    "target": target, "target_index": index,
                    "infidelity": unfaithful[k], "squared_change": change[k], "sensitivity": sensitivity[k],
                    "perturbations": self.faithfulness.perturbations, "radius": self.faithfulness.radius,
                    "seed": self.faithfulness.images.seed,
                }
                for k, (target, index) in enumerate(part.targets)
            ]
            for (part, _), (_, sensitivity), (unfaithful, change) in zip(
                group, sensitivities, infidelities, strict=True
            )
        ]  # fmt: skip

    def _prepare(self, part: Part) -> PreparedImage:
        """Read and decode an image.

        Raises:
            ImageError: it cannot be read, or is another one by now.
        """
        found = prepare(part.image, self.preprocessing)
        if isinstance(found, RefusedImage):
            raise ImageError(found.error)
        if found.sha256 != part.sha256:
            raise ImageError("the file has changed since its maps were computed; run the study again")
        return found

    def _example(self, part: Part, image: PreparedImage) -> Example:
        start = baseline_pixels(self.task.resolved.baseline, image.pixels)
        pixels, baseline = (
            torch.from_numpy(self.preprocessing.normalize(each)).to(self.device)
            for each in (image.pixels, start)
        )
        return Example(pixels, baseline, torch.tensor([index for _, index in part.targets]))


def group_size(rows: int, perturbations: int, targets: int) -> int:
    """Return how many images are measured together.

    Args:
        rows: of a micro-batch.
        perturbations: of an image, for either measure.
        targets: of an image at most.
    """
    filling = GROUP_BATCHES * rows // (perturbations + 1)
    return max(1, min(filling, GROUP_IMAGES, GROUP_MAPS // targets))


def _skipped(part: Part, error: BaseException) -> Skipped:
    logging.getLogger(__name__).error("%s is skipped", part.image.image_id, exc_info=error)
    return Skipped(part, one_line(error, limit=300) or type(error).__name__)


class _Copies:
    """How maps of images are made: of themselves, or as means over noisy copies where they are smoothed.

    The noise of copies is the one that the study's own maps have, also around a perturbed image.
    """

    def __init__(self, image_ids: Sequence[str], scale: Tensor, task: FaithfulnessTask) -> None:
        self.image_ids, self.scale = image_ids, scale
        self.smoothing = task.resolved.study.attribution.smoothing
        self.count = copies_of(task.resolved)

    def explainer(
        self, model: nn.Module, examples: Sequence[Example], settings: Settings, limit: RowLimit
    ) -> Explain:
        """Return what makes maps of images, each with the baseline and the targets of its example."""

        def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
            copies = (
                replace(examples[which], image=copy)
                for which, image in images
                for copy in self._of(self.image_ids[which], image)
            )
            for done in averaged(attribute(model, copies, settings, limit), self.count):
                yield done.index, done.attributions

        return explain

    def _of(self, image_id: str, image: Tensor) -> Iterator[Tensor]:
        if self.smoothing is None:
            yield image
            return
        channels, height, width = image.shape
        for copy in range(self.count):
            noise = copy_noise(
                (height, width, channels), self.smoothing.noise, self.smoothing.seed, image_id, copy
            )
            yield image + torch.from_numpy(noise).to(image.device).permute(2, 0, 1) * self.scale
