"""Planning: what a study expects, less what is committed, cut into shards."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.boxes import Box
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy, StudyImages, digest
from igbatch.store.output import Output
from igbatch.store.reader import Commit, read_commits
from igbatch.study import MapSample, VariantSpec

SHARDS_A_WORKER = 8
"""Small studies are cut so that every worker gets about so many shards."""
SHARD_MAP_BYTES = 96 * 1024 * 1024
"""Large studies are cut so that the maps of a shard, before compression, take about so much."""


ADAPTIVE_TRAINED_STEPS, ADAPTIVE_RANDOM_STEPS = 45, 10
"""What maps of the bundled model and of random ones took on average at a tolerance of 1 %."""
_MARKED = ["image_id", "target", "image_etag"]


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
        missing: for each variant, which (image, target) pairs are left: bool [images, targets].
        shard_images: the most images of a shard.
        salt: goes into the names of shards: a retry of quarantined images is another shard than the one that
            failed.
    """

    resolved: ResolvedStudy
    images: StudyImages
    missing: dict[str, NDArray[np.bool_]]
    shard_images: int
    salt: str = ""

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

    def maps_to_store(self) -> int:
        """Maps that a run will store, as `store.maps` says."""
        kept = self._kept_maps()
        return int(sum(matrix[kept].sum() for matrix in self.missing.values()))

    def shard_count(self) -> int:
        """How many shards `shards` yields."""
        return sum(1 for _ in self._slices())

    def shards(self) -> Iterator[Shard]:
        """Yield the shards, variant by variant, those with the most integration steps to expect first.

        Costly variants come first so that workers finish together; one variant stays together so that a
        worker seldom changes its model.
        """
        kept = self._kept_maps()
        prints = {variant: digest(values) for variant, values in self.resolved.fingerprint().items()}
        for spec, rows, pattern in self._slices():
            yield self._shard(spec, rows, pattern, prints[spec.variant_id], kept)

    def samples(self, images: int) -> list[Shard]:
        """Return a shard of a few images for the first variant of every model and kind that is not done.

        It holds all targets, whatever the size of shards that are computed.
        """
        kept = np.zeros(len(self.images.table), dtype=bool)
        every = [True] * len(self.resolved.target_names)
        found: dict[tuple[str, str], Shard] = {}
        for spec in self._ordered():
            rows = np.flatnonzero(self.missing[spec.variant_id].any(axis=1))[:images]
            if len(rows) and (spec.model, spec.kind) not in found:
                found[spec.model, spec.kind] = self._shard(spec, rows, every, "", kept)
        return list(found.values())

    def _shard(
        self,
        spec: VariantSpec,
        rows: NDArray[np.int64],
        pattern: Sequence[bool],
        fingerprint: str,
        kept: NDArray[np.bool_],
    ) -> Shard:
        table, names = self.images.table, self.resolved.target_names
        chosen = table.take(pa.array(rows)).select(["image_id", "uri", "etag", "label"]).to_pylist()
        images = tuple(
            ShardImage(**row, boxes=self._boxes(row["image_id"]), keep_map=bool(kept[index]))
            for row, index in zip(chosen, rows, strict=True)
        )
        targets = tuple(name for name, wanted in zip(names, pattern, strict=True) if wanted)
        name = _name((self.salt, fingerprint, spec.variant_id, *targets), images)
        return Shard(name, spec, fingerprint, targets, images)

    def for_workers(self, workers: int) -> Plan:
        """Return the plan with shards cut for so many workers, where the study leaves their size open."""
        return replace(self, shard_images=_shard_images(self.resolved, len(self.images.table), workers))

    def _ordered(self) -> list[VariantSpec]:
        return sorted(self.resolved.variants, key=lambda spec: -expected_steps(spec))

    def _slices(self) -> Iterator[tuple[VariantSpec, np.ndarray, tuple[bool, ...]]]:
        for spec in self._ordered():
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
        """Tell for each image whether its maps are kept; a sample takes the smallest of seeded digests."""
        choice = self.resolved.study.store.maps
        count = len(self.images.table)
        if not isinstance(choice, MapSample):
            return np.full(count, choice == "all")
        ids = self.images.table["image_id"].to_pylist()
        ranks = [hashlib.sha256(f"{choice.seed}:{image_id}".encode()).digest() for image_id in ids]
        kept = np.zeros(count, dtype=bool)
        kept[sorted(range(count), key=ranks.__getitem__)[: choice.sample]] = True
        return kept


def expected_steps(spec: VariantSpec) -> int:
    """Return the nodes that an image of a variant is likely to take; adaptive ones by what was measured."""
    if spec.steps != "auto":
        return spec.steps
    return ADAPTIVE_TRAINED_STEPS if spec.kind == "trained" else ADAPTIVE_RANDOM_STEPS


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
                    f"{commit.path}: was computed under another study (fingerprint {commit.fingerprint}, "
                    f"this one is {prints[spec.variant_id]}); choose another --out"
                )
            rows = output.read_table(commit.path, [*_MARKED, "target_index"])
            _check_indices(rows, resolved.models[spec.model], commit)
            _mark(done, rows, index, etags, names)
            if "quarantine" in commit.files and not retry_quarantined:
                path = output.path(commit.files["quarantine"]["path"])
                _mark(done, output.read_table(path, _MARKED), index, etags, names)
        missing[spec.variant_id] = ~done
    salt = f"retry {time.time_ns()}" if retry_quarantined else ""
    return Plan(resolved, images, missing, _shard_images(resolved, len(index), workers=1), salt)


def _check_indices(rows: pa.Table, model: ResolvedModel, commit: Commit) -> None:
    """Refuse rows of a named target that were computed for another class than it stands for now."""
    for target, index in model.targets.items():
        if index is None:
            continue
        others = rows.filter((pc.field("target") == target) & (pc.field("target_index") != index))
        if len(others):
            raise InputError(
                f"{commit.path}: target {target!r} was computed for class {others['target_index'][0]}, "
                f"the study now says {index}; choose another --out, or another name for the target"
            )


def _mark(
    done: np.ndarray, table: pa.Table, index: pd.Index, etags: np.ndarray, names: Sequence[str]
) -> None:
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
    pixels: int = max(math.prod(model.data_config["input_size"][1:]) for model in resolved.models.values())
    largest = max(1, SHARD_MAP_BYTES // (4 * pixels * len(resolved.target_names)))
    spread = math.ceil(images * len(resolved.variants) / (workers * SHARDS_A_WORKER))
    return max(1, min(spread, largest, images))


def _name(work: Sequence[str], images: Sequence[ShardImage]) -> str:
    held = [*work, *(f"{image.image_id}\n{image.etag}" for image in images)]
    return hashlib.sha256("\0".join(held).encode()).hexdigest()[:16]
