"""Which maps are compared with which, cut into tasks; what was measured before is not measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.reduce.images import image_ranges
from igbatch.reduce.randomization.comparisons import Range, Wanted
from igbatch.reduce.randomization.tasks import (
    FOLDER,
    MapFile,
    MeasureTask,
    SlicedImage,
    name_before,
    part_name,
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
        dataset: the range of all maps.
        random_pairs: the budget of comparisons between random variants.
        parts: of every variant, once `tasks` has run through.
    """

    reader: Reader
    images: NDArray[np.int64]
    dataset: Range
    random_pairs: int
    parts: dict[str, list[str]] = field(default_factory=dict)

    def groups(self) -> Iterator[list[Wanted]]:
        """Yield the variants with what they are compared with, `GROUP` of one model and one set of images."""
        rows = self.reader.variants.to_pylist()
        trained = {row["model"]: row["variant_id"] for row in rows if row["kind"] == "trained"}
        alike: dict[tuple[Any, ...], list[Wanted]] = {}
        random: dict[tuple[Any, ...], list[str]] = {}
        for row in rows:
            key = row["model"], tuple(row.get("images") or ())
            before = random.setdefault(key, [])
            partners: tuple[str, ...] = ()
            if row["kind"] == "random":
                partners = tuple(before[len(before) - min(self.random_pairs, len(before)) :])
                before.append(row["variant_id"])
            reference = trained.get(row["model"]) if row["kind"] != "trained" else None
            alike.setdefault(key, []).append(Wanted(row["variant_id"], reference, partners))
        for wanted in alike.values():
            for start in range(0, len(wanted), GROUP):
                yield wanted[start : start + GROUP]

    def tasks(self) -> Iterator[MeasureTask]:
        """Yield what is to be measured, a group of variants and a slice of images at a time."""
        there = {info.path for info in self.reader.output.files(FOLDER)}
        models = {row["variant_id"]: row["model"] for row in self.reader.variants.to_pylist()}
        slices = list(self._slices())
        for group in self.groups():
            config = self.reader.record["models"][models[group[0].variant_id]]["data_config"]
            for places, images in slices:
                files = {
                    variant_id: self._files(variant_id, places)
                    for variant_id in dict.fromkeys(each for wanted in group for each in wanted.variants)
                }
                missing = []
                for wanted in group:
                    if not files[wanted.variant_id]:
                        continue
                    names = [name(wanted, images, files, self.dataset) for name in (part_name, name_before)]
                    paths = {
                        name: part_path(self.reader.output, wanted.variant_id, name, "similarity")
                        for name in names
                    }
                    part = next((name for name, path in paths.items() if path in there), names[0])
                    self.parts.setdefault(wanted.variant_id, []).append(part)
                    if paths[part] not in there:
                        missing.append((wanted, part))
                if missing:
                    taken = {variant_id for wanted, _ in missing for variant_id in wanted.variants}
                    used = {variant_id: files[variant_id] for variant_id in taken}
                    yield MeasureTask(self.reader.output, images, tuple(missing), used, config, self.dataset)

    def _slices(self) -> Iterator[tuple[NDArray[np.int64], tuple[SlicedImage, ...]]]:
        chosen = self.reader.images.select(["image_id", "etag", "uri"]).take(self.images).to_pylist()
        low, high = self._models_ranges()
        for start in range(0, len(self.images), SLICE):
            places = self.images[start : start + SLICE]
            yield (
                places,
                tuple(
                    SlicedImage(**row, models=(float(low[place]), float(high[place])))
                    for row, place in zip(chosen[start : start + SLICE], places, strict=True)
                ),
            )

    def _models_ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the range of all maps of each image: two float64 [images], NaN where it has none."""
        low, high = (np.full(len(self.reader.images), np.nan) for _ in range(2))
        for table in image_ranges(self.reader, "models"):
            places = self.reader.listing.places(table)
            low[places], high[places] = table["minimum"].to_numpy(), table["maximum"].to_numpy()
        return low, high

    def _files(self, variant_id: str, places: NDArray[np.int64]) -> tuple[MapFile, ...]:
        """List the files that hold the maps of a variant on some images."""
        reader = self.reader
        winners, targets = reader.winners(variant_id), reader.target_names
        keys = (places[:, None] * len(targets) + np.arange(len(targets))).ravel()
        owners = winners.owner[keys]
        files = []
        for owner in np.unique(owners[owners >= 0]).tolist():
            file = winners.files[owner]
            if file.sizes["attributions"] is None:
                continue
            boxes = file.sizes["box_stats"] is not None
            files.append(MapFile(file.shard, file.attempt, boxes, self._rows(keys[owners == owner])))
        return tuple(files)

    def _rows(self, keys: NDArray[np.int64]) -> tuple[tuple[str, str], ...]:
        targets = self.reader.target_names
        ids = self.reader.listing.image_ids.take(keys // len(targets)).to_pylist()
        names: Sequence[str] = [targets[key % len(targets)] for key in keys.tolist()]
        return tuple(zip(ids, names, strict=True))
