"""Measures images of a sample under one variant, in groups, on a device, without Ray.

Groups fill micro-batches; an image that fails takes no other along. In memory are the pixels of two groups
(one is decoded meanwhile), on the device images, baselines and maps of one.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution import AttributionError, Example, attribute
from igbatch.attribution.averaging import averaged
from igbatch.attribution.contrasts import target_tensor
from igbatch.attribution.engine import micro_batch_of
from igbatch.attribution.frozen import Model
from igbatch.attribution.wave import MicroBatchLimit
from igbatch.errors import ImageError, one_line
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.calibration import settings_of, uncalibrated
from igbatch.pipeline.copies import ImageCopies
from igbatch.pipeline.messages import Calibration, SamplePart, Skipped
from igbatch.pipeline.models import Models
from igbatch.pipeline.plan import copies_of
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.store.output import Output
from igbatch.store.scan import ahead

GROUP_IMAGES = 64
"""Images of a group at most, however large micro-batches are,"""
GROUP_MAPS = 256
"""and maps, one for each image and target, but for an image that has more."""

_REFUSED = (ImageError, AttributionError, MemoryError, RuntimeError)
"""What ends the measuring of one image, and not the run: torch raises RuntimeError for lack of memory."""

Group = Sequence[tuple[SamplePart, PreparedImage]]
Rows = list[dict[str, Any]]


class PartMeasurer(ABC):
    """Measures parts of one variant with the settings that their maps were computed with.

    Attributes:
        schema: of the rows.
        columns: of numbers, or lists of them, that must be finite.
        what: these in words.
        group_batches: micro-batches that the images of a group fill, so that few passes are of one that is
            not full.

    Raises:
        InputError: the model cannot be built.
    """

    schema: ClassVar[pa.Schema]
    columns: ClassVar[tuple[str, ...]]
    what: ClassVar[str]
    group_batches: ClassVar[int] = 4

    def __init__(
        self,
        resolved: ResolvedStudy,
        output: Output,
        device: torch.device,
        calibration: Calibration | None,
        parts: Sequence[SamplePart],
    ) -> None:
        self.resolved, self.output, self.device, self.parts = resolved, output, device, parts
        self.study = resolved.study.attribution
        self.models = Models(resolved, device)
        self.spec = parts[0].spec
        self.preprocessing = Preprocessing.from_data_config(resolved.models[self.spec.model].data_config)
        self.settings = settings_of(self.study, self.spec.steps, calibration or uncalibrated(self.study))
        self._copies = ImageCopies(
            resolved, {self.spec.model: self.preprocessing}, lambda _, pixels: self._input(pixels)
        )
        self._skipped: list[Skipped] = []

    @abstractmethod
    def rows_an_image(self, targets: int) -> int:
        """Return how many batch rows an image of so many targets takes together."""

    @abstractmethod
    def measure(self, group: Group) -> list[Rows]:
        """Return the rows of each image of a group, one at least."""

    def run(self) -> list[Skipped]:
        """Measure and write each part; return those that could not be measured."""
        for group in ahead(self._groups()):
            self._measure_group(group)
        return self._skipped

    def _groups(self) -> Iterator[Group]:
        """Yield what can be read of the parts, as many at a time as are measured together."""
        targets = max(len(part.targets) for part in self.parts)
        rows = micro_batch_of(self.settings, self.device)
        size = group_size(self.group_batches * rows, self.rows_an_image(targets), targets)
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
            if all(np.isfinite(row[name]).all() for row in rows for name in self.columns):
                table = pa.Table.from_pylist(rows, schema=self.schema)
                self.output.put_table(part.path(self.output), table)
            else:
                self._skip(part, ImageError(f"{self.what} is not finite"))

    def _skip(self, part: SamplePart, error: BaseException) -> None:
        logging.getLogger(__name__).error("%s is skipped", part.image.image_id, exc_info=error)
        self._skipped.append(Skipped(part, one_line(error, limit=300) or type(error).__name__))

    def explain(
        self,
        model: Model,
        group: Group,
        examples: Sequence[Example],
        images: Iterable[tuple[int, Tensor]],
        limit: MicroBatchLimit,
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the maps [K, H, W] of images, each after its place among these, in any order.

        `images` come with the place of the example that they are, or are a perturbation of. Noise and
        baselines of a perturbed image are those of the image as it is.
        """
        copies = (
            replace(copy, image=image + (copy.image - examples[which].image))
            for which, image in images
            for copy in self._copies_of(group[which][1], examples[which])
        )
        for done in averaged(attribute(model, copies, self.settings, limit), copies_of(self.resolved)):
            yield done.index, done.attributions

    def _prepare(self, part: SamplePart) -> PreparedImage:
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

    def example(self, part: SamplePart, image: PreparedImage) -> Example:
        baseline = self._copies.baselines(self.spec.model, image)[0]
        targets = target_tensor(index for _, index in part.targets)
        return Example(self._input(image.pixels), baseline, targets)

    def _copies_of(self, image: PreparedImage, example: Example) -> Iterator[Example]:
        name = self.spec.model
        return self._copies.of(name, image, example, self._copies.baselines(name, image))

    def _input(self, pixels: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(self.preprocessing.normalize(pixels)).to(self.device)


def group_size(filled: int, rows: int, targets: int) -> int:
    """Return how many images are measured together, to fill so many batch rows.

    Each image takes so many `rows` together, and has so many targets at most.
    """
    return max(1, min(filled // rows, GROUP_IMAGES, GROUP_MAPS // targets))
