"""Planning: what a study expects, less what is committed, cut into shards."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from igbatch.errors import InputError
from igbatch.images.boxes import Box
from igbatch.pipeline.resolve import ResolvedStudy, StudyImages, digest
from igbatch.store.output import Output
from igbatch.store.reader import Commit, read_commits
from igbatch.study import MapSample, VariantSpec

SHARDS_A_WORKER = 8
"""Small studies are cut so that every worker gets about so many shards."""
SHARD_MAP_BYTES = 96 * 1024 * 1024
"""Large studies are cut so that the maps of a shard, before compression, take about so much."""


@dataclass(frozen=True)
class ShardImage:
    """An image of a shard; `boxes` are None where the image brings its own (drawn scenes)."""

    image_id: str
    uri: str
    etag: str
    label: str | None
    boxes: tuple[Box, ...] | None
    keep_map: bool


@dataclass(frozen=True)
class Shard:
    """The unit of work and of commit: one variant, some images, some targets. Its name is a digest of these."""

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
    """What is left to compute: for each variant, which (image, target) pairs are missing, bool [images, targets]."""

    resolved: ResolvedStudy
    images: StudyImages
    missing: dict[str, np.ndarray]
    shard_images: int

    @property
    def expected_rows(self) -> int:
        """Rows of the finished study."""
        return len(self.resolved.variants) * len(self.images.table) * len(self.resolved.target_names)

    @property
    def missing_rows(self) -> int:
        """Rows that are left to compute."""
        return int(sum(matrix.sum() for matrix in self.missing.values()))

    @property
    def missing_images(self) -> int:
        """Images that are left to go through each variant, added over variants."""
        return int(sum(matrix.any(axis=1).sum() for matrix in self.missing.values()))

    def shard_count(self) -> int:
        """How many shards `shards` yields."""
        return sum(1 for _ in self._slices())

    def shards(self) -> Iterator[Shard]:
        """Yield the shards, variant by variant, those with the most integration steps first.

        Costly variants come first so that workers finish together; one variant stays together so that a worker
        seldom changes its model.
        """
        kept = self._kept_maps()
        names = self.resolved.target_names
        prints = {variant: digest(values) for variant, values in self.resolved.fingerprint().items()}
        table = self.images.table
        for spec, rows, pattern in self._slices():
            chosen = table.take(pa.array(rows)).select(["image_id", "uri", "etag", "label"]).to_pylist()
            images = tuple(
                ShardImage(**row, boxes=self._boxes(row["image_id"]), keep_map=bool(kept[index]))
                for row, index in zip(chosen, rows, strict=True)
            )
            targets = tuple(name for name, wanted in zip(names, pattern, strict=True) if wanted)
            yield Shard(_name(prints[spec.variant_id], spec, targets, images), spec, prints[spec.variant_id],
                        targets, images)  # fmt: skip

    def for_workers(self, workers: int) -> Plan:
        """Return the plan with shards cut for so many workers, where the study leaves their size open."""
        return replace(self, shard_images=_shard_images(self.resolved, len(self.images.table), workers))

    def _slices(self) -> Iterator[tuple[VariantSpec, np.ndarray, tuple[bool, ...]]]:
        for spec in sorted(self.resolved.variants, key=lambda spec: -spec.steps):
            matrix = self.missing[spec.variant_id]
            for pattern in np.unique(matrix, axis=0)[::-1]:
                if not pattern.any():
                    continue
                rows = np.flatnonzero((matrix == pattern).all(axis=1))
                for start in range(0, len(rows), self.shard_images):
                    yield spec, rows[start : start + self.shard_images], tuple(bool(x) for x in pattern)

    def _boxes(self, image_id: str) -> tuple[Box, ...] | None:
        if self.resolved.study.images.scenes:
            return None
        return self.images.boxes.of(image_id) if self.images.boxes else ()

    def _kept_maps(self) -> np.ndarray:
        """Tell for each image whether its maps are stored; a sample takes those whose seeded digests are smallest."""
        choice = self.resolved.study.store.maps
        count = len(self.images.table)
        if not isinstance(choice, MapSample):
            return np.full(count, choice == "all")
        ids = self.images.table["image_id"].to_pylist()
        ranks = [hashlib.sha256(f"{choice.seed}:{image_id}".encode()).digest() for image_id in ids]
        kept = np.zeros(count, dtype=bool)
        kept[sorted(range(count), key=ranks.__getitem__)[: choice.sample]] = True
        return kept


def make_plan(
    resolved: ResolvedStudy, images: StudyImages, output: Output, *, retry_quarantined: bool = False
) -> Plan:
    """Compare what the study expects with what is committed; quarantined rows count as done unless asked for.

    Raises:
        InputError: a committed shard belongs to other numbers than this study's (another fingerprint).
    """
    names = resolved.target_names
    prints = {variant: digest(values) for variant, values in resolved.fingerprint().items()}
    index = pd.Index(images.table["image_id"].to_pandas())
    etags = images.table["etag"].to_numpy(zero_copy_only=False)
    missing = {}
    for spec in resolved.variants:
        done = np.zeros((len(index), len(names)), dtype=bool)
        for commit in read_commits(output, [spec.variant_id]):
            if commit.fingerprint != prints[spec.variant_id]:
                raise InputError(
                    f"{commit.path}: was computed under another study (fingerprint {commit.fingerprint}, this one is "
                    f"{prints[spec.variant_id]}); choose another --out"
                )
            for table in _accounted(output, commit, retry_quarantined):
                _mark(done, table, index, etags, names)
        missing[spec.variant_id] = ~done
    return Plan(resolved, images, missing, _shard_images(resolved, len(index), workers=1))


def _accounted(output: Output, commit: Commit, retry_quarantined: bool) -> Iterator[pa.Table]:
    columns = ["image_id", "target", "image_etag"]
    yield output.read_table(commit.path, columns)
    if "quarantine" in commit.files and not retry_quarantined:
        yield output.read_table(output.path(commit.files["quarantine"]["path"]), columns)


def _mark(done: np.ndarray, table: pa.Table, index: pd.Index, etags: np.ndarray, names: Sequence[str]) -> None:
    """Set the cells of committed rows, where the image is still listed and has not changed since."""
    rows = index.get_indexer(table["image_id"].to_pandas())
    known = rows >= 0
    known[known] = etags[rows[known]] == table["image_etag"].to_numpy(zero_copy_only=False)[known]
    targets = table["target"].to_numpy(zero_copy_only=False)
    whole = np.array([target is None for target in targets], dtype=bool)
    done[rows[known & whole]] = True
    for column, name in enumerate(names):
        done[rows[known & (targets == name)], column] = True


def _shard_images(resolved: ResolvedStudy, images: int, workers: int) -> int:
    wanted = resolved.study.run.shard_images
    if wanted != "auto":
        return wanted
    _, height, width = max(tuple(model.data_config["input_size"]) for model in resolved.models.values())
    largest = max(1, SHARD_MAP_BYTES // (4 * height * width * len(resolved.target_names)))
    spread = math.ceil(images * len(resolved.variants) / (workers * SHARDS_A_WORKER))
    return max(1, min(spread, largest, images))


def _name(fingerprint: str, spec: VariantSpec, targets: Sequence[str], images: Sequence[ShardImage]) -> str:
    held = [fingerprint, spec.variant_id, *targets, *(f"{image.image_id}\n{image.etag}" for image in images)]
    return hashlib.sha256("\0".join(held).encode()).hexdigest()[:16]
