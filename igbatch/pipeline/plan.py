"""Planning: the rows that a study expects and no commit has, cut into shards.

It holds one bit for each variant, image and target; shards are made one at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.boxes import Box, NormalizedBox
from igbatch.images.selection import Choice, select_each, select_images
from igbatch.pipeline.committed import CommitScan, DamagedCommit, PairSet
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.study_images import StudyImages
from igbatch.store.fingerprint import bytes_digest, digest
from igbatch.store.output import Output
from igbatch.study import VariantSpec

SHARDS_A_WORKER = 8
"""Small studies are cut so that every worker gets about so many shards."""
SHARD_MAP_BYTES = 96 * 1024 * 1024
"""Large studies are cut so that the maps of a shard, before compression, take about so much: with smoothing
the maps of all copies, since these take the time."""
BYTES_A_PIXEL = {"float32": 4, "int16": 2}

ADAPTIVE_STEPS = {"trained": 45, "random": 10, "cascade": 35, "independent": 35}
"""What maps of the bundled model took on average at a tolerance of 1 %, by kind of variant."""


@dataclass(frozen=True)
class ShardImage:
    """An image of a shard.

    Attributes:
        image_id, uri, etag, label: of the study's list.
        boxes: None where the image brings its own (drawn scenes).
        keep_map: whether its maps are stored.
        declared_size: (width, height) by the box file; None where it has none.
        skip_outside: whether boxes outside the image are skipped; else the image is refused.
        mask: URI of its label mask, None where it has none.
    """

    image_id: str
    uri: str
    etag: str
    label: str | None
    boxes: tuple[Box | NormalizedBox, ...] | None
    keep_map: bool
    declared_size: tuple[int, int] | None = None
    skip_outside: bool = False
    mask: str | None = None


@dataclass(frozen=True)
class Shard:
    """The unit of work and of commit: one variant, some images, some targets; named by a digest of these."""

    name: str
    spec: VariantSpec
    fingerprint: str
    targets: tuple[str, ...]
    images: tuple[ShardImage, ...]

    @property
    def rows(self) -> int:
        """How many (image, target) rows the shard stands for."""
        return len(self.images) * len(self.targets)


@dataclass(frozen=True)
class Plan:
    """What is left to compute.

    Attributes:
        resolved: the study.
        images: its images, in the order of `missing`.
        missing: for each variant, which (image, target) pairs are left.
        image_counts: for each variant, how many images it is computed on.
        shard_images: the most images of a shard.
        damaged: commits that cannot be believed; their pairs are among the missing.
        committed: for each variant what names the commits that count, `<shard>.<attempt>`.
        salt: goes into the names of shards: a retry of quarantined images is another shard than the one that
            failed.
    """

    resolved: ResolvedStudy
    images: StudyImages
    missing: dict[str, PairSet]
    image_counts: Mapping[str, int]
    shard_images: int
    damaged: tuple[DamagedCommit, ...] = ()
    committed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    salt: str = ""

    @property
    def expected_rows(self) -> int:
        """Rows of the finished study."""
        return sum(self.image_counts.values()) * len(self.resolved.target_names)

    @property
    def missing_rows(self) -> int:
        """Rows that are left to compute."""
        return sum(cells.count for cells in self.missing.values())

    @property
    def missing_images(self) -> int:
        """Images that are left to go through each variant, added over variants."""
        return sum(cells.images for cells in self.missing.values())

    def maps_to_store(self) -> int:
        """Maps that a run will store, as `store.maps` says."""
        return int(sum(cells.matrix()[self._kept_maps].sum() for cells in self.missing.values()))

    def shard_count(self) -> int:
        """How many shards are left."""
        return sum(self.shards_of_variant(spec) for spec in self.resolved.variants)

    def shards_of_variant(self, spec: VariantSpec) -> int:
        """How many shards of a variant are left."""
        return sum(len(self._cuts(spec, rows)) for _, rows in self._patterns(spec))

    def ordered(self) -> list[VariantSpec]:
        """Return the variants, the costliest first, so that workers finish together."""
        return sorted(self.resolved.variants, key=lambda spec: -expected_steps(spec))

    def shards(self) -> Iterator[Shard]:
        """Yield all shards, variant by variant in the order of `ordered`."""
        for spec in self.ordered():
            yield from self.shards_of(spec)

    def shards_of(self, spec: VariantSpec, first: int = 0) -> Iterator[Shard]:
        """Yield the shards of a variant, each cut when it is taken; those before `first` come last."""
        fingerprint = digest(self.resolved.fingerprint_of(spec))
        parts = [
            (pattern, part)
            for pattern, rows in self._patterns(spec)
            for part in np.split(rows, self._cuts(spec, rows)[1:])
        ]
        for pattern, part in parts[first:] + parts[:first]:
            yield self._shard(spec, part, pattern, fingerprint)

    def _cuts(self, spec: VariantSpec, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where shards begin among images that are left.

        They are cut by the places of images among all that the variant is computed on: what is left of a run
        that was interrupted is cut into the same shards as before.
        """
        return np.flatnonzero(np.diff(self._places[spec.images][rows] // self.shard_images, prepend=-1))

    def samples(self, images: int) -> list[Shard]:
        """Return a shard of a few images for the first variant of every model and kind that is not done.

        It holds all targets, whatever the size of shards that are computed.
        """
        every = [True] * len(self.resolved.target_names)
        found: dict[tuple[str, str], Shard] = {}
        for spec in self.ordered():
            if (spec.model, spec.kind) in found or not self.missing[spec.variant_id].count:
                continue
            rows = np.flatnonzero(self.missing[spec.variant_id].matrix().any(axis=1))[:images]
            found[spec.model, spec.kind] = self._shard(spec, rows, every, "")
        return list(found.values())

    def first_file(self) -> str | None:
        """Return the URI of the first image that is left to compute, None where images are drawn."""
        if self.resolved.study.images.scenes:
            return None
        cells = next(cells for cells in self.missing.values() if cells.count)
        uri: str = self.images.table["uri"][int(np.argmax(cells.matrix().any(axis=1)))].as_py()
        return uri

    def first_mask(self) -> str | None:
        """Return the URI of the first label mask, None where images have none."""
        masks = self.images.masks
        return None if masks is None else masks.drop_null()[0].as_py()

    def _shard(
        self, spec: VariantSpec, rows: NDArray[np.int64], pattern: Sequence[bool], fingerprint: str
    ) -> Shard:
        table, names = self.images.table, self.resolved.target_names
        chosen = table.take(pa.array(rows)).select(["image_id", "uri", "etag", "label"]).to_pylist()
        uris = self.images.masks
        masks = [None] * len(rows) if uris is None else uris.take(pa.array(rows)).to_pylist()
        images = tuple(
            ShardImage(
                **row, **self._boxes(row["image_id"]), keep_map=bool(self._kept_maps[index]), mask=mask
            )
            for row, index, mask in zip(chosen, rows, masks, strict=True)
        )
        targets = tuple(name for name, missing in zip(names, pattern, strict=True) if missing)
        name = _name((self.salt, fingerprint, spec.variant_id, *targets), images)
        return Shard(name, spec, fingerprint, targets, images)

    def for_workers(self, workers: int) -> Plan:
        """Return the plan with shards cut for so many workers, where the study leaves their size open."""
        return replace(self, shard_images=_shard_images(self.resolved, self.image_counts, workers))

    def _patterns(self, spec: VariantSpec) -> Iterator[tuple[tuple[bool, ...], NDArray[np.int64]]]:
        """Yield which targets are left together, and the images of which just these are."""
        cells = self.missing[spec.variant_id]
        if not cells.count:
            return
        matrix = cells.matrix()
        packed = np.packbits(matrix, axis=1)
        if packed.shape[1] == 1:
            kinds, places = np.unique(packed[:, 0], return_inverse=True)
            kinds = kinds[:, None]
        else:
            kinds, places = np.unique(packed, axis=0, return_inverse=True)
        for number in reversed(range(len(kinds))):
            pattern = np.unpackbits(kinds[number], count=matrix.shape[1]).astype(bool)
            if pattern.any():
                yield tuple(pattern.tolist()), np.flatnonzero(places.reshape(-1) == number)

    def _boxes(self, image_id: str) -> dict[str, Any]:
        """Return the fields of a `ShardImage` about boxes."""
        images, boxes = self.resolved.study.images, self.images.boxes
        if boxes is None:
            return {"boxes": None if images.scenes else ()}
        skip = images.boxes is not None and images.boxes.invalid == "skip"
        size = boxes.size_of(image_id)
        return {"boxes": boxes.of(image_id), "declared_size": size, "skip_outside": skip}

    @cached_property
    def _places(self) -> dict[Choice, NDArray[np.int64]]:
        """Return for each choice of images the place of every image among those that it takes."""
        choices = select_each((spec.images for spec in self.resolved.variants), self.images.table["image_id"])
        return {choice: np.cumsum(taken) - 1 for choice, taken in choices.items()}

    @cached_property
    def _kept_maps(self) -> NDArray[np.bool_]:
        """Return for each image whether its maps are kept."""
        return select_images(self.resolved.study.store.maps, self.images.table["image_id"])


def copies_of(resolved: ResolvedStudy) -> int:
    """Return how many maps are attributed for each map: of noisy copies, or from several baselines."""
    return resolved.study.attribution.copies


def expected_steps(spec: VariantSpec) -> int:
    """Return the nodes that an image of a variant is likely to take; adaptive ones by what was measured.

    Where a map is a mean over copies or baselines, each of these takes as many.
    """
    return ADAPTIVE_STEPS[spec.kind] if spec.steps == "auto" else spec.steps


def make_plan(
    resolved: ResolvedStudy, images: StudyImages, output: Output, *, retry_quarantined: bool = False
) -> Plan:
    """Compare what the study expects with what is committed; quarantined rows count as done, or are retried.

    Raises:
        InputError: a committed shard belongs to other numbers than this study's (another fingerprint).
    """
    scan = CommitScan(output, images.table, resolved.target_names, retry_quarantined=retry_quarantined)
    chosen_of = select_each((spec.images for spec in resolved.variants), images.table["image_id"])
    missing: dict[str, PairSet] = {}
    damaged: list[DamagedCommit] = []
    committed: dict[str, Sequence[str]] = {}
    for spec in resolved.variants:
        fingerprint = digest(resolved.fingerprint_of(spec))
        found = scan.variant(spec.variant_id, fingerprint, resolved.models[spec.model].targets)
        missing[spec.variant_id] = PairSet.of(~found.done & chosen_of[spec.images][:, None])
        damaged += found.damaged
        committed[spec.variant_id] = found.attempts
    salt = f"retry {time.time_ns()}" if retry_quarantined else ""
    counts = {spec.variant_id: int(np.count_nonzero(chosen_of[spec.images])) for spec in resolved.variants}
    size = _shard_images(resolved, counts, workers=1)
    return Plan(resolved, images, missing, counts, size, tuple(damaged), committed, salt)


def _shard_images(resolved: ResolvedStudy, image_counts: Mapping[str, int], workers: int) -> int:
    """Return the most images of a shard; `image_counts` are those of `Plan`."""
    requested = resolved.study.run.shard_images
    if requested != "auto":
        return requested
    pixels: int = max(math.prod(model.data_config["input_size"][1:]) for model in resolved.models.values())
    map_bytes = BYTES_A_PIXEL[resolved.study.store.encoding] * pixels
    maps = len(resolved.target_names) * copies_of(resolved)
    largest = max(1, SHARD_MAP_BYTES // (map_bytes * maps))
    spread = math.ceil(sum(image_counts.values()) / (workers * SHARDS_A_WORKER))
    return max(1, min(spread, largest, max(image_counts.values())))


def shard_name(whole: Shard, images: Sequence[ShardImage]) -> str:
    """Return the name of a part of a shard, which follows from the whole and what the part holds."""
    return _name((whole.name, whole.fingerprint, whole.spec.variant_id, *whole.targets), images)


def _name(work: Sequence[str], images: Sequence[ShardImage]) -> str:
    held = [*work, *(f"{image.image_id}\n{image.etag}" for image in images)]
    return bytes_digest("\0".join(held).encode())
