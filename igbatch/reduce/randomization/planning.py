"""Which maps are compared with which, cut into tasks; what was measured before is not measured again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.reduce.image_ranges import models_extremes
from igbatch.reduce.randomization.comparisons import ComparedVariant, Range
from igbatch.reduce.randomization.tasks import (
    FOLDER,
    MapFile,
    MeasureTask,
    SlicedImage,
    part_names,
    part_path,
)
from igbatch.store.reader import Reader

GROUP = 8
"""Variants that a task measures: the maps of the trained one are ranked once for all of them."""

SLICE = 16
"""Images that a task reads at once."""


@dataclass
class MeasurePlan:
    """The comparisons of a study.

    Each variant is compared with the trained one of its model, and each random one with the
    `random_pairs` random ones before it that are computed on the same images. So the number of comparisons
    grows with the number of variants, not with its square, and those of earlier variants stay as they are
    when seeds are added at the end.

    Attributes:
        reader: of the study.
        images: places of the images whose maps are compared, in the study's list.
        dataset: the range of all maps of classes, under "", and of those of each contrast.
        random_pairs: the budget of comparisons between random variants.
        parts: of every variant, once `tasks` has run through.
    """

    reader: Reader
    images: NDArray[np.int64]
    dataset: Mapping[str, Range]
    random_pairs: int
    parts: dict[str, list[str]] = field(default_factory=dict)

    def groups(self) -> Iterator[list[ComparedVariant]]:
        """Yield the variants with what they are compared with, `GROUP` of one model and one set of images."""
        rows = self.reader.variants.to_pylist()
        trained = {row["model"]: row["variant_id"] for row in rows if row["kind"] == "trained"}
        alike: dict[tuple[Any, ...], list[ComparedVariant]] = {}
        random: dict[tuple[Any, ...], list[str]] = {}
        for row in rows:
            key, variant_id = (row["model"], *(row.get("images") or ())), row["variant_id"]
            partners: tuple[str, ...] = ()
            if row["kind"] == "random":
                before = random.setdefault(key, [])
                partners = tuple(before[max(len(before) - self.random_pairs, 0) :])
                before.append(variant_id)
            reference = trained.get(row["model"]) if row["kind"] != "trained" else None
            alike.setdefault(key, []).append(ComparedVariant(variant_id, reference, partners))
        for compared in alike.values():
            for start in range(0, len(compared), GROUP):
                yield compared[start : start + GROUP]

    def tasks(self) -> Iterator[MeasureTask]:
        """Yield what is to be measured, a group of variants and a slice of images at a time."""
        output = self.reader.output
        there = {info.path for info in output.files(FOLDER)}
        models = {row["variant_id"]: row["model"] for row in self.reader.variants.to_pylist()}
        slices = list(self._slices())
        for group in self.groups():
            config = self.reader.record["models"][models[group[0].variant_id]]["data_config"]
            for places, images in slices:
                taken = dict.fromkeys(each for compared in group for each in compared.variants)
                files = {variant_id: self._files(variant_id, places) for variant_id in taken}
                missing = []
                for compared in group:
                    if not files[compared.variant_id]:
                        continue
                    names = part_names(compared, images, files, self.dataset)
                    found = [
                        name
                        for name in names
                        if part_path(output, compared.variant_id, name, "similarity") in there
                    ]
                    self.parts.setdefault(compared.variant_id, []).append((found or names)[0])
                    if not found:
                        missing.append((compared, names[0]))
                if missing:
                    used = {each: files[each] for compared, _ in missing for each in compared.variants}
                    yield MeasureTask(output, images, tuple(missing), used, config, self.dataset)

    def _slices(self) -> Iterator[tuple[NDArray[np.int64], tuple[SlicedImage, ...]]]:
        """Yield some images at a time: their places, and what a task has to know of them."""
        extremes, _ = models_extremes(self.reader)
        ends = {}
        for family, targets in self.reader.families.items():
            own = [self.reader.target_names.index(name) for name in targets]
            low, high = (extremes[name][:, own] for name in ("minimum", "maximum"))
            ends[family] = np.fmin.reduce(low, axis=1), np.fmax.reduce(high, axis=1)
        for start in range(0, len(self.images), SLICE):
            places = self.images[start : start + SLICE]
            rows = self.reader.images.select(["image_id", "etag", "uri"]).take(places).to_pylist()
            for row, place in zip(rows, places, strict=True):
                found = {
                    family: (float(low[place]), float(high[place])) for family, (low, high) in ends.items()
                }
                row |= {"models": found.pop("", (0.0, 0.0)), "contrasts": found}
            yield places, tuple(SlicedImage(**row) for row in rows)

    def _files(self, variant_id: str, places: NDArray[np.int64]) -> tuple[MapFile, ...]:
        """List the files that hold the maps of a variant on some images."""
        index, listing = self.reader.row_index(variant_id), self.reader.listing
        targets = listing.targets
        keys = (places[:, None] * len(targets) + np.arange(len(targets))).ravel()
        found = index.file_of_key[keys]
        files = []
        for position in np.unique(found[found >= 0]).tolist():
            file, own = index.files[position], keys[found == position]
            if file.sizes["attributions"] is not None:
                names = [targets[key % len(targets)] for key in own.tolist()]
                rows = tuple(zip(listing.ids(own // len(targets)), names, strict=True))
                boxes = file.sizes["box_stats"] is not None
                files.append(MapFile(file.shard, file.attempt, boxes, rows))
        return tuple(files)
