"""Infidelity and maximum sensitivity of images under a variant, on a device, without Ray.

Images are measured in groups, which fill micro-batches; an image that fails takes no other along. In memory
are the pixels of two groups (one is decoded meanwhile), on the device images, baselines and maps of one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution import AttributionError, Example, attribute
from igbatch.attribution.averaging import averaged
from igbatch.attribution.contrasts import target_tensor
from igbatch.attribution.engine import micro_batch_of
from igbatch.attribution.faithfulness import Draws, ImageStream, infidelity, max_sensitivity
from igbatch.attribution.smoothing import copy_noise
from igbatch.attribution.wave import MicroBatchLimit
from igbatch.errors import ImageError, one_line
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.calibration import settings_of, uncalibrated
from igbatch.pipeline.copies import BaselinePixels
from igbatch.pipeline.messages import Calibration, FaithfulnessPart, Skipped
from igbatch.pipeline.models import Models
from igbatch.pipeline.plan import copies_of
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.target_names import index_columns
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.scan import ahead

GROUP_BATCHES = 4
"""Micro-batches that the perturbed images of a group fill, so that few passes are of one that is not full."""
GROUP_IMAGES = 64
"""Images of a group at most, however large micro-batches are,"""
GROUP_MAPS = 256
"""and maps, one for each image and target, but for an image that has more."""

_REFUSED = (ImageError, AttributionError, MemoryError, RuntimeError)
"""What ends the measuring of one image, and not the run: torch raises RuntimeError for lack of memory."""

_MEASURES = ("infidelity", "squared_change", "sensitivity")
Group = Sequence[tuple[FaithfulnessPart, PreparedImage]]


class FaithfulnessMeasurer:
    """Measures parts of one variant with the settings that their maps were computed with.

    Raises:
        InputError: the model cannot be built.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        output: Output,
        device: torch.device,
        calibration: Calibration | None,
        parts: Sequence[FaithfulnessPart],
    ) -> None:
        faithfulness = resolved.study.audit.faithfulness
        assert faithfulness is not None
        self.resolved, self.output, self.device, self.parts = resolved, output, device, parts
        self.faithfulness, self.study = faithfulness, resolved.study.attribution
        self.models = Models(resolved, device)
        self.spec = parts[0].spec
        self.preprocessing = Preprocessing.from_data_config(resolved.models[self.spec.model].data_config)
        self.settings = settings_of(self.study, self.spec.steps, calibration or uncalibrated(self.study))
        self._baselines = BaselinePixels(resolved.baseline, self.preprocessing, self._input)
        self._skipped: list[Skipped] = []

    def run(self) -> list[Skipped]:
        """Measure and write each part; return those that could not be measured."""
        for group in ahead(self._groups()):
            self._measure_group(group)
        return self._skipped

    def _groups(self) -> Iterator[Group]:
        """Yield what can be read of the parts, as many at a time as are measured together."""
        targets = max(len(part.targets) for part in self.parts)
        rows = micro_batch_of(self.settings, self.device)
        size = group_size(rows, self.faithfulness.perturbations, targets)
        for start in range(0, len(self.parts), size):
            group = []
            for part in self.parts[start : start + size]:
                try:
                    group.append((part, self._prepare(part)))
                except _REFUSED as error:
                    self._skip(part, error)
            yield group

    def _measure_group(self, group: Group) -> None:
        """Measure images together and write the rows of each; one by one where that fails."""
        try:
            self._write(group)
            return
        except _REFUSED as error:
            if len(group) == 1:
                self._skip(group[0][0], error)
                return
        for each in group:  # after the error is gone, whose traceback keeps the group's tensors on the device
            self._measure_group([each])

    def _write(self, group: Group) -> None:
        """Measure images together and write the rows of each that has finite numbers."""
        for (part, _), rows in zip(group, self.measure(group) if group else [], strict=True):
            if np.isfinite([[row[name] for name in _MEASURES] for row in rows]).all():
                table = pa.Table.from_pylist(rows, schema=schemas.FAITHFULNESS)
                self.output.put_table(part.path(self.output), table)
            else:
                self._skip(part, ImageError("infidelity or sensitivity is not finite"))

    def _skip(self, part: FaithfulnessPart, error: BaseException) -> None:
        logging.getLogger(__name__).error("%s is skipped", part.image.image_id, exc_info=error)
        self._skipped.append(Skipped(part, one_line(error, limit=300) or type(error).__name__))

    def measure(self, group: Group) -> list[list[dict[str, Any]]]:
        """Return the rows of each image of a group, one at least: `schemas.FAITHFULNESS`, one a target."""
        draws = [
            Draws(part.image.image_id, self.faithfulness.images.seed, self.faithfulness.perturbations)
            for part, _ in group
        ]
        examples = [self._example(part, image) for part, image in group]
        model = self.models.variant(self.spec).model
        scale = torch.tensor(self.preprocessing.std, device=self.device)[:, None, None] ** -1
        limit = MicroBatchLimit(micro_batch_of(self.settings, self.device))

        def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
            copies = (
                replace(examples[which], image=copy)
                for which, image in images
                for copy in self._copies(group[which][0].image.image_id, image, scale)
            )
            for done in averaged(attribute(model, copies, self.settings, limit), copies_of(self.resolved)):
                yield done.index, done.attributions

        sensitivities = max_sensitivity(
            explain, [example.image for example in examples], self.faithfulness.radius * scale, draws
        )
        maps = [own for own, _ in sensitivities]
        infidelities = infidelity(model, examples, maps, self.settings, draws, limit)
        return [
            [
                {
                    "variant_id": part.spec.variant_id, "image_id": part.image.image_id,
                    "target": target, **index_columns(index),
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

    def _prepare(self, part: FaithfulnessPart) -> PreparedImage:
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

    def _example(self, part: FaithfulnessPart, image: PreparedImage) -> Example:
        (baseline,) = self._baselines.of(image.pixels)
        targets = target_tensor(index for _, index in part.targets)
        return Example(self._input(image.pixels), baseline, targets)

    def _input(self, pixels: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(self.preprocessing.normalize(pixels)).to(self.device)

    def _copies(self, image_id: str, image: Tensor, scale: Tensor) -> Iterator[Tensor]:
        """Yield an image, or noisy copies of it where maps are smoothed.

        The noise of copies is the one that the study's own maps have, also around a perturbed image.
        """
        smoothing = self.study.smoothing
        if smoothing is None:
            yield image
            return
        channels, height, width = image.shape
        for copy in range(smoothing.samples):
            noise = copy_noise((height, width, channels), smoothing.noise, smoothing.seed, image_id, copy)
            yield image + torch.from_numpy(noise).to(image.device).permute(2, 0, 1) * scale


def group_size(micro_batch: int, perturbations: int, targets: int) -> int:
    """Return how many images are measured together, of micro-batches of so many batch rows.

    Each image has so many perturbations, for either measure, and so many targets at most.
    """
    filling = GROUP_BATCHES * micro_batch // (perturbations + 1)
    return max(1, min(filling, GROUP_IMAGES, GROUP_MAPS // targets))
