"""Infidelity and maximum sensitivity of images under a variant, on a device. Nothing here knows Ray."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from igbatch.attribution import AttributionError, Example, Settings, attribute
from igbatch.attribution.faithfulness import Draws, Explain, infidelity, max_sensitivity
from igbatch.attribution.smoothing import averaged, copy_noise
from igbatch.errors import ImageError, one_line
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.faithfulness import FaithfulnessTask, Part, Skipped
from igbatch.pipeline.models import Models
from igbatch.pipeline.plan import copies_of
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare
from igbatch.pipeline.settle import settings_of, unmeasured
from igbatch.store import schemas

_REFUSED = (ImageError, AttributionError, MemoryError, RuntimeError)
"""What ends the measuring of one image, and not the run: torch raises RuntimeError for lack of memory."""


class Measurer:
    """Measures the parts of a task with the settings that their maps were computed with.

    Raises:
        InputError: the model cannot be built.
    """

    def __init__(self, task: FaithfulnessTask) -> None:
        settings = task.resolved.study.audit.faithfulness
        assert settings is not None
        torch.set_num_threads(task.threads)
        self.task, self.settings = task, settings
        self.study = task.resolved.study
        self.device = torch.device(task.device)
        self.models = Models(task.resolved, self.device)

    def run(self) -> list[Skipped]:
        """Measure and write each part; return those that could not be measured."""
        skipped = []
        for part in self.task.parts:
            try:
                table = self.measure(part)
            except _REFUSED as error:
                logging.getLogger(__name__).exception("%s is skipped", part.image.image_id)
                skipped.append(Skipped(part, one_line(error, limit=300) or type(error).__name__))
                continue
            self.task.output.put_table(part.path(self.task.output), table)
        return skipped

    def measure(self, part: Part) -> pa.Table:
        """Return the rows of a part: `schemas.FAITHFULNESS`, one a target.

        Raises:
            ImageError: the image cannot be read, is another one by now, or a number is not finite.
        """
        resolved = self.task.resolved
        preprocessing = Preprocessing.from_data_config(resolved.models[part.spec.model].data_config)
        image = self._prepared(part, preprocessing)
        example = self._example(part, image, preprocessing)
        model = self.models.variant(part.spec).model
        attribution = self.study.attribution
        settled = self.task.settled or unmeasured(attribution)
        settings = settings_of(attribution, part.spec.steps, settled)
        scale = torch.tensor(preprocessing.std, device=self.device)[:, None, None] ** -1
        copies = _Copies(part.image.image_id, scale, self.task)
        draws = Draws(part.image.image_id, self.settings.images.seed, self.settings.perturbations)

        maps = copies.explainer(model, example, replace(settings, keep_channels=True))(example.image[None])[0]
        unfaithful, change = infidelity(model, example, maps, settings, draws)
        explain = copies.explainer(model, example, settings)
        sensitivity = max_sensitivity(explain, example, self.settings.radius * scale, draws)
        if not np.isfinite([unfaithful, change, sensitivity]).all():
            raise ImageError("infidelity or sensitivity is not finite")
        rows = [
            {
                "variant_id": part.spec.variant_id, "image_id": part.image.image_id,
                "target": target, "target_index": index,
                "infidelity": unfaithful[k], "squared_change": change[k], "sensitivity": sensitivity[k],
                "perturbations": self.settings.perturbations, "radius": self.settings.radius,
                "seed": self.settings.images.seed,
            }
            for k, (target, index) in enumerate(part.targets)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=schemas.FAITHFULNESS)

    def _prepared(self, part: Part, preprocessing: Preprocessing) -> PreparedImage:
        found = prepare(part.image, preprocessing)
        if isinstance(found, RefusedImage):
            raise ImageError(found.error)
        if found.sha256 != part.sha256:
            raise ImageError("the file has changed since its maps were computed; run the study again")
        return found

    def _example(self, part: Part, image: PreparedImage, preprocessing: Preprocessing) -> Example:
        start = baseline_pixels(self.task.resolved.baseline, image.pixels)
        pixels, baseline = (
            torch.from_numpy(preprocessing.normalize(each)).to(self.device) for each in (image.pixels, start)
        )
        return Example(pixels, baseline, torch.tensor([index for _, index in part.targets]).to(self.device))


class _Copies:
    """How maps of an image are made: of itself, or as the mean over its noisy copies where they are smoothed.

    The noise of copies is the one that the study's own maps have, also around a perturbed image.
    """

    def __init__(self, image_id: str, scale: Tensor, task: FaithfulnessTask) -> None:
        self.image_id, self.scale = image_id, scale
        self.smoothing = task.resolved.study.attribution.smoothing
        self.count = copies_of(task.resolved)

    def explainer(self, model: nn.Module, example: Example, settings: Settings) -> Explain:
        """Return what makes maps of images that share the example's baseline and targets."""

        def explain(images: Tensor) -> Tensor:
            examples = (replace(example, image=copy) for image in images for copy in self._of(image))
            done = {
                each.index: each.attributions
                for each in averaged(attribute(model, examples, settings), self.count)
            }
            return torch.stack([done[index] for index in range(len(images))])

        return explain

    def _of(self, image: Tensor) -> Iterator[Tensor]:
        if self.smoothing is None:
            yield image
            return
        channels, height, width = image.shape
        for copy in range(self.count):
            noise = copy_noise(
                (height, width, channels), self.smoothing.noise, self.smoothing.seed, self.image_id, copy
            )
            yield image + torch.from_numpy(noise).to(image.device).permute(2, 0, 1) * self.scale
