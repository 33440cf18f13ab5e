"""Curves of deletion and insertion of images under a variant, on a device, without Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution.curves import (
    Course,
    FloatArray,
    area,
    attribution_order,
    course_outputs,
    random_order,
    step_counts,
)
from igbatch.attribution.engine import micro_batch_of
from igbatch.attribution.settings import Example
from igbatch.attribution.wave import MicroBatchLimit
from igbatch.errors import ImageError, InputError
from igbatch.pipeline.curves import SUPERPIXELS, passes_an_image, square_labels
from igbatch.pipeline.deletions import blurred
from igbatch.pipeline.messages import SamplePart
from igbatch.pipeline.part_measurer import Group, PartMeasurer, Rows
from igbatch.pipeline.target_names import index_columns
from igbatch.store import schemas
from igbatch.store.label_maps import read_label_maps
from igbatch.store.reader import Reader

Key = tuple[Any, ...]
"""Of a course of one image: fill, regions, kind, and the class whose map orders it, or a random number."""


Regions = tuple[NDArray[np.int64], Tensor, NDArray[np.int64]]
"""The region of each pixel, flat, and as [H, W] on the device; and how many pixels each region has."""


class CurvesMeasurer(PartMeasurer):
    """Measures `audit.curves`, of stored maps; of maps that are not stored, computed again."""

    schema = schemas.CURVES
    columns = ("outputs",)
    what = "an output along a curve"
    group_batches = 16

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        curves = self.resolved.study.audit.curves
        assert curves is not None
        self.curves = curves
        _, self.height, self.width = self.resolved.models[self.spec.model].data_config["input_size"]
        self.superpixels = self.resolved.study.images.superpixels
        self.squares: dict[str, Regions] = {
            each: self._regions(square_labels(each, self.height, self.width))
            for each in curves.regions
            if each != SUPERPIXELS
        }
        self.reader = Reader(self.output)

    def rows_an_image(self, targets: int) -> int:
        return passes_an_image(self.curves, self.height, self.width, targets, self.superpixels)

    def measure(self, group: Group) -> list[Rows]:
        """Return the rows of each image of a group, one at least: `schemas.CURVES`."""
        model = self.models.variant(self.spec).model
        limit = MicroBatchLimit(micro_batch_of(self.settings, self.device))
        examples = [self.example(part, image) for part, image in group]
        maps = [self._stored(part) for part, _ in group]
        lacking = [(place, examples[place].image) for place, each in enumerate(maps) if each is None]
        for place, found in self.explain(model, group, examples, lacking, limit):
            maps[lacking[place][0]] = found.cpu().numpy()
        courses = [
            dict(self._courses(part, example, own))
            for (part, _), example, own in zip(group, examples, maps, strict=True)
        ]
        measured = course_outputs(
            model, examples, [list(each.values()) for each in courses], self.settings, limit
        )
        return [
            list(self._rows(part, own, dict(zip(own, outputs, strict=True))))
            for (part, _), own, outputs in zip(group, courses, measured, strict=True)
        ]

    def _stored(self, part: SamplePart) -> NDArray[np.float32] | None:
        """Return the maps of a part [K, H, W], None where they are not kept."""
        try:
            return np.stack(
                [
                    self.reader.attribution(part.spec.variant_id, part.image.image_id, target)
                    for target, _ in part.targets
                ]
            )
        except KeyError:
            return None
        except InputError as error:  # damaged: of this image, and not of the study
            raise ImageError(str(error)) from error

    def _courses(
        self,
        part: SamplePart,
        example: Example,
        maps: NDArray[np.float32] | None,
    ) -> Iterator[tuple[Key, Course]]:
        """Yield the courses of an image; targets that are the same class share theirs."""
        assert maps is not None
        classes = {index: one for (_, index), one in zip(part.targets, maps, strict=True)}
        seed, image_id = self.curves.images.seed, part.image.image_id
        cut = {each: self._cut(each, part) for each in self.curves.regions}
        for fill in self.curves.fills:
            end = example.baseline if fill == "baseline" else blurred(example.image)
            for regions, (numbers, labels, pixels) in cut.items():
                counts = step_counts(len(pixels), self.curves.steps)
                for index, one in classes.items():
                    sums = np.bincount(numbers, one.ravel()).astype(np.float64)
                    how = labels, pixels, attribution_order(sums), counts
                    yield (fill, regions, "deletion", index), Course(example.image, end, *how)
                    yield (fill, regions, "insertion", index), Course(end, example.image, *how)
                for number in range(self.curves.random_orders):
                    order = random_order(len(pixels), seed, number, image_id)
                    course = Course(example.image, end, labels, pixels, order, counts)
                    yield (fill, regions, "random", number), course

    def _cut(self, regions: str, part: SamplePart) -> Regions:
        """Return how an image is cut into regions: superpixels are those that were stored beside its maps.

        Raises:
            ImageError: these are gone or damaged.
        """
        if regions != SUPERPIXELS:
            return self.squares[regions]
        image_id, spec = part.image.image_id, part.spec
        try:
            name = self.reader.rows_of([image_id], ["label_maps"], spec.variant_id)["label_maps"][0].as_py()
            found = read_label_maps(self.output, spec.model, name, [image_id]).get(image_id, ())
        except InputError as error:
            raise ImageError(str(error)) from error
        for each in found:
            if each.segments == SUPERPIXELS:
                return self._regions(each.labels.astype(np.int64))
        raise ImageError("its superpixels are gone; compute the study again into another output")

    def _regions(self, labels: NDArray[np.int64]) -> Regions:
        return labels.ravel(), torch.from_numpy(labels).to(self.device), np.bincount(labels.ravel())

    def _rows(
        self, part: SamplePart, courses: Mapping[Key, Course], outputs: Mapping[Key, FloatArray]
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of an image; a random order of insertion is one of deletion, read backwards."""
        columns = {index: place for place, (_, index) in enumerate(part.targets)}
        shares = {key: each.fractions() for key, each in courses.items()}
        orders = [None, *range(self.curves.random_orders)]
        of = product(part.targets, self.curves.regions, self.curves.fills, ("deletion", "insertion"), orders)
        for (target, index), regions, fill, kind, number in of:
            drawn = number is not None
            key = (fill, regions, "random", number) if drawn else (fill, regions, kind, index)
            fractions, along = shares[key], outputs[key][:, columns[index]]
            if drawn and kind == "insertion":
                fractions, along = 1 - fractions[::-1], along[::-1]
            yield {
                "variant_id": part.spec.variant_id, "image_id": part.image.image_id,
                "target": target, **index_columns(index),
                "kind": kind, "regions": regions, "fill": fill,
                "order": "random" if drawn else "attribution", "number": number,
                "seed": self.curves.images.seed, "steps": len(along) - 1,
                "fractions": fractions, "outputs": along, "area": area(fractions, along),
            }  # fmt: skip
