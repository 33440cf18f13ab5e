"""Computing a shard: images prepared ahead, attributed on the device, measured, and committed together.

Nothing here knows Ray: the actor calls it, and so may a bare loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from igbatch.attribution import Attributed, Example, Settings, attribute
from igbatch.attribution.probe import PROBED_IMAGES
from igbatch.errors import one_line
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.models import HeldVariant, Models, probabilities
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare_ahead
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.settle import Sample, Settled, settings_of, settle
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import convergence, finite, map_statistics
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.reader import read_commit

MAP_GROUP_IMAGES = 8
"""Images whose maps make a row group of a file; maps of so many wait to be written."""
DECODE_THREADS = 2
DECODED_IMAGES = 16
"""Images that are decoded ahead of the device."""


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells the driver of a shard; the rows themselves are in the output."""

    shard: str
    images: int
    rows: int
    quarantined: int
    seconds: float
    already_committed: bool = False


@dataclass(frozen=True)
class _Task:
    """An image to be attributed, its targets by name with their logit indices, and both as tensors."""

    image: PreparedImage
    targets: dict[str, int]
    example: Example


class ShardComputer:
    """Computes shards of one study on one device."""

    def __init__(self, resolved: ResolvedStudy, output: Output, device: torch.device) -> None:
        self.resolved = resolved
        self.output = output
        self.device = device
        self.models = Models(resolved, device)
        self.preprocessing = {
            name: Preprocessing.from_data_config(model.data_config) for name, model in resolved.models.items()
        }

    def settle(self, shards: Sequence[Shard]) -> Settled | None:
        """Measure what the study leaves open, on the first usable images of shards of different variants.

        Returns:
            what all workers on this kind of device are to run with; None where no image can be used.
        """
        samples = []
        for shard in shards:
            variant = self.models.variant(shard.spec)
            usable = islice(self._usable(shard), PROBED_IMAGES)
            examples = [task.example for task in usable]
            if examples:
                samples.append(Sample(variant.model, shard.spec.steps, examples))
        return settle(self.resolved.study.attribution, samples) if samples else None

    def compute(self, shard: Shard, settled: Settled) -> ShardReport:
        """Compute and commit a shard, unless it is committed already.

        Raises:
            InputError: the model cannot be built, or the shard's commit was cut short.
        """
        start = time.monotonic()
        path = self.output.commit_path(shard.spec.variant_id, shard.name)
        if self.output.exists(path):
            rows = read_commit(self.output.filesystem, shard.spec.variant_id, path).rows
            lost = shard.rows - rows
            return ShardReport(shard.name, len(shard.images), rows, lost, 0.0, already_committed=True)
        variant = self.models.variant(shard.spec)
        settings = settings_of(self.resolved.study.attribution, shard.spec.steps, settled)
        with ShardWriter(self.output, shard.spec.variant_id, shard.name, shard.fingerprint) as writer:
            rows_of = _ShardRows(writer, shard)
            tasks = self._usable(shard, rows_of)
            for _, group in groupby(tasks, key=lambda task: tuple(task.targets)):
                self._attribute(variant, group, settings, rows_of)
            rows_of.flush()
            writer.commit()
        seconds = time.monotonic() - start
        return ShardReport(shard.name, len(shard.images), rows_of.written, rows_of.quarantined, seconds)

    def _usable(self, shard: Shard, rows: _ShardRows | None = None) -> Iterator[_Task]:
        """Yield what is to be attributed of a shard, in its order, as it is decoded ahead.

        What cannot be used is left to `rows` to be put in quarantine.
        """
        preprocessing = self.preprocessing[shard.spec.model]
        model = self.resolved.models[shard.spec.model]
        for item in prepare_ahead(shard.images, preprocessing, DECODE_THREADS, DECODED_IMAGES):
            if isinstance(item, RefusedImage):
                if rows is not None:
                    rows.refuse(item)
                continue
            pixels = self._input(shard.spec.model, item.pixels)
            targets = self._target_indices(shard, model, item, pixels)
            if rows is not None:
                rows.miss(item, [target for target in shard.targets if target not in targets])
            if targets:
                yield _Task(item, targets, self._example(shard.spec.model, item, pixels, targets))

    def _example(
        self, model: str, image: PreparedImage, pixels: torch.Tensor, targets: Mapping[str, int]
    ) -> Example:
        start = baseline_pixels(self.resolved.baseline, image.pixels)
        indices = torch.tensor(list(targets.values()), device=self.device)
        return Example(pixels, self._input(model, start), indices)

    def _attribute(
        self, variant: HeldVariant, tasks: Iterable[_Task], settings: Settings, rows: _ShardRows
    ) -> None:
        """Attribute images that share their target names, as many at a time as the device has room for."""
        waiting: dict[int, _Task] = {}

        def examples() -> Iterator[Example]:
            for index, task in enumerate(tasks):
                waiting[index] = task
                yield task.example

        for done in attribute(variant.model, examples(), settings):
            task = waiting.pop(done.index)
            facts, chances = self._image_facts(variant, task, settings.precision)
            maps = done.attributions.float().cpu().numpy()
            for k, (target, index) in enumerate(task.targets.items()):
                row = {**facts, "target": target, "target_index": index}
                row["target_probability"] = float(chances[index])
                row["score"] = float(done.scores[k])
                row["score_baseline"] = float(done.baseline_scores[k])
                unusable = _unusable(maps[k], row)
                if unusable is not None:
                    rows.lose(task.image, target, unusable)
                    continue
                rows.add(task.image, row | self._map_facts(maps[k], row, done, k), maps[k])

    def _input(self, model: str, pixels: np.ndarray) -> torch.Tensor:
        """Return pixels [H, W, 3] as the model takes them, [3, H, W] on the device."""
        return torch.from_numpy(self.preprocessing[model].normalize(pixels)).to(self.device)

    def _target_indices(
        self, shard: Shard, model: ResolvedModel, image: PreparedImage, pixels: torch.Tensor
    ) -> dict[str, int]:
        """Return the logit index of each target of an image, without `label` where it is no known class."""
        ranked: list[int] | None = None
        indices: dict[str, int] = {}
        for target in shard.targets:
            fixed = model.targets[target]
            if fixed is not None:
                indices[target] = fixed
            elif target == "label":
                label = image.label or ""
                known = model.targets.get(label)
                found = known if known is not None else model.class_names.get(label)
                if found is not None:
                    indices[target] = found
            else:
                if ranked is None:
                    trained = self.models.trained(model.name)
                    chances = probabilities(trained, pixels)
                    ranked = torch.argsort(chances, descending=True, stable=True).tolist()
                indices[target] = ranked[0 if target == "predicted" else int(target[4:]) - 1]
        return indices

    def _image_facts(
        self, variant: HeldVariant, task: _Task, precision: str
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """Return the columns that all targets of an image share, and the probabilities float64 [classes]."""
        image, name = task.image, variant.spec.model
        chances = probabilities(variant.model, task.example.image)
        best = int(chances.argmax())
        facts = {
            "image_id": image.entry.image_id,
            "label": image.label,
            "prediction": self.models.class_name(name, best),
            "prediction_index": best,
            "prediction_probability": float(chances[best]),
            "precision": precision,
            "device": device_name(self.device),
            "image_etag": image.entry.etag,
            "image_sha256": image.sha256,
            "image_width": image.width,
            "image_height": image.height,
            "weights_sha256": variant.weights_sha256,
        }
        return facts, chances

    def _map_facts(
        self,
        attribution: NDArray[np.float32],
        row: Mapping[str, Any],
        done: Attributed,
        k: int,
    ) -> dict[str, Any]:
        """Return the columns that follow from one map and from the scores in its `row`."""
        settings = self.resolved.study.attribution
        measured = map_statistics(attribution)
        error = float(done.map_error[k])
        known_error = None if math.isnan(error) else error
        verdict = convergence(
            measured["sum"],
            measured["abs_sum"],
            row["score"],
            row["score_baseline"],
            known_error,
            settings.tolerance,
            settings.atol,
        )
        return {
            **measured, **verdict._asdict(), "map_error": known_error, "steps": int(done.steps[k]),
        }  # fmt: skip


class _ShardRows:
    """The rows of a shard on their way to its writer, and the count of those that were lost."""

    def __init__(self, writer: ShardWriter, shard: Shard) -> None:
        self.written = 0
        self.quarantined = 0
        self._writer = writer
        self._targets = len(shard.targets)
        self._kept: list[tuple[str, str, np.ndarray]] = []

    def add(self, image: PreparedImage, row: Mapping[str, Any], attribution: NDArray[np.float32]) -> None:
        """Take a map with its statistics; maps are written a few images at a time."""
        self._writer.add_image_stats([dict(row)])
        place = {"image_id": image.entry.image_id, "target": row["target"]}
        self._writer.add_box_stats([place | box for box in box_statistics(attribution, image.boxes)])
        self.written += 1
        if image.entry.keep_map:
            self._kept.append((image.entry.image_id, row["target"], attribution))
            if len(self._kept) >= MAP_GROUP_IMAGES * self._targets:
                self.flush()

    def flush(self) -> None:
        """Write the maps that wait."""
        if self._kept:
            ids, names, arrays = zip(*self._kept, strict=True)
            self._writer.add_maps(ids, names, np.stack(arrays))
            self._kept = []

    def refuse(self, image: RefusedImage) -> None:
        """Put an image that cannot be used in quarantine, with all its targets."""
        self._writer.add_quarantine([_quarantine_row(image, None, "image", image.error)])
        self.quarantined += self._targets

    def miss(self, image: PreparedImage, targets: Sequence[str]) -> None:
        """Put targets that an image does not have in quarantine."""
        self._writer.add_quarantine(
            [_quarantine_row(image, target, "target", _no_label(image)) for target in targets]
        )
        self.quarantined += len(targets)

    def lose(self, image: PreparedImage, target: str, error: str) -> None:
        """Put a map that is no map in quarantine."""
        self._writer.add_quarantine([_quarantine_row(image, target, "attribution", error)])
        self.quarantined += 1


def device_name(device: torch.device) -> str:
    """Return the kind of device as statistics name it: `cpu`, or `cuda` with the GPU's model."""
    return f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _unusable(attribution: NDArray[np.float32], row: Mapping[str, Any]) -> str | None:
    """Say why a map cannot be used, None if it can: what is no number must not enter a range."""
    if not finite(attribution):
        return f"the map holds {np.count_nonzero(~np.isfinite(attribution))} values that are NaN or infinite"
    for name in ("score", "score_baseline", "target_probability", "prediction_probability"):
        if not math.isfinite(row[name]):
            return f"the model's {name} is {row[name]}"
    return None


def _quarantine_row(
    image: PreparedImage | RefusedImage, target: str | None, stage: str, error: str
) -> dict[str, str | None]:
    return {
        "image_id": image.entry.image_id,
        "target": target,
        "stage": stage,
        "error": one_line(error),
        "image_etag": image.entry.etag,
    }


def _no_label(image: PreparedImage) -> str:
    if image.label is None:
        return "target `label`: the image has no label; give one in the manifest or a box"
    return (
        f"target `label`: {image.label!r} is no class of the model; name its index in the model's `classes`"
    )
