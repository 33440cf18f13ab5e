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

from igbatch.attribution import AttributionResult, integrated_gradients
from igbatch.errors import one_line
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.models import HeldVariant, Models, probabilities
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare_ahead
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import convergence, finite, map_statistics
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.reader import read_commit

BATCH_IMAGES = 8
"""Images that go through the engine in one call; maps of so many are held at a time."""
DECODE_THREADS = 2


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells the driver of a shard; the rows themselves are in the output."""

    shard: str
    images: int
    rows: int
    quarantined: int
    seconds: float
    already_committed: bool = False


class ShardComputer:
    """Computes shards of one study on one device."""

    def __init__(
        self, resolved: ResolvedStudy, output: Output, device: torch.device, micro_batch: int
    ) -> None:
        self.resolved = resolved
        self.output = output
        self.device = device
        self.micro_batch = micro_batch
        self.models = Models(resolved, device)
        self.preprocessing = {
            name: Preprocessing.from_data_config(model.data_config) for name, model in resolved.models.items()
        }

    def compute(self, shard: Shard) -> ShardReport:
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
        preprocessing = self.preprocessing[shard.spec.model]
        rows = quarantined = 0
        with ShardWriter(self.output, shard.spec.variant_id, shard.name, shard.fingerprint) as writer:
            prepared = prepare_ahead(shard.images, preprocessing, DECODE_THREADS, 2 * BATCH_IMAGES)
            for batch in _batches(prepared, BATCH_IMAGES):
                refused = [_quarantine_row(item, None, "image", item.error) for item in batch
                           if isinstance(item, RefusedImage)]  # fmt: skip
                writer.add_quarantine(refused)
                quarantined += len(refused) * len(shard.targets)
                usable = [item for item in batch if isinstance(item, PreparedImage)]
                done, lost = self._attribute(writer, shard, variant, usable)
                rows += done
                quarantined += lost
            writer.commit()
        return ShardReport(shard.name, len(shard.images), rows, quarantined, time.monotonic() - start)

    def _attribute(
        self, writer: ShardWriter, shard: Shard, variant: HeldVariant, images: Sequence[PreparedImage]
    ) -> tuple[int, int]:
        """Attribute a batch; return how many of its rows were written and how many went to quarantine."""
        done = lost = 0
        model = self.resolved.models[shard.spec.model]
        indexed = [(image, self._target_indices(shard, model, image)) for image in images]
        for image, indices in indexed:
            missing = [target for target in shard.targets if target not in indices]
            writer.add_quarantine(
                [_quarantine_row(image, target, "target", _no_label(image)) for target in missing]
            )
            lost += len(missing)
        for names, group in groupby(indexed, key=lambda pair: tuple(pair[1])):
            if not names:
                continue
            members = list(group)
            written = self._write_group(
                writer,
                variant,
                names,
                [image for image, _ in members],
                np.array([list(indices.values()) for _, indices in members]),
            )
            done += written
            lost += len(members) * len(names) - written
        return done, lost

    def _write_group(
        self,
        writer: ShardWriter,
        variant: HeldVariant,
        targets: Sequence[str],
        images: Sequence[PreparedImage],
        indices: NDArray[np.int64],
    ) -> int:
        """Attribute images that share their target names; return how many rows were written.

        `indices` holds the logit index of each target, int [images, targets].
        """
        result = self._integrate(variant, images, indices)
        maps = result.attributions.cpu().numpy()
        kept: list[tuple[str, str, np.ndarray]] = []
        written = 0
        for n, image in enumerate(images):
            facts, chances = self._image_facts(variant, image)
            for k, target in enumerate(targets):
                row = {**facts, "target": target, "target_index": int(indices[n, k])}
                row["target_probability"] = float(chances[indices[n, k]])
                row["score"] = float(result.scores[n, k])
                row["score_baseline"] = float(result.baseline_scores[n, k])
                unusable = _unusable(maps[n, k], row)
                if unusable is not None:
                    writer.add_quarantine([_quarantine_row(image, target, "attribution", unusable)])
                    continue
                writer.add_image_stats([row | self._map_facts(maps[n, k], row, result, n, k)])
                boxes = box_statistics(maps[n, k], image.boxes)
                place = {"image_id": image.entry.image_id, "target": target}
                writer.add_box_stats([place | box for box in boxes])
                if image.entry.keep_map:
                    kept.append((image.entry.image_id, target, maps[n, k]))
                written += 1
        if kept:
            ids, names, arrays = zip(*kept, strict=True)
            writer.add_maps(ids, names, np.stack(arrays))
        return written

    def _integrate(
        self, variant: HeldVariant, images: Sequence[PreparedImage], indices: NDArray[np.int64]
    ) -> AttributionResult:
        settings = self.resolved.study.attribution
        starts = [baseline_pixels(self.resolved.baseline, image.pixels) for image in images]
        return integrated_gradients(
            variant.model,
            self._input(variant.spec.model, [image.pixels for image in images]),
            targets=torch.from_numpy(indices),
            baseline=self._input(variant.spec.model, starts),
            rule=settings.rule,
            steps=variant.spec.steps,
            tolerance=settings.tolerance,
            atol=settings.atol,
            output=settings.output,
            precision=settings.precision,
            micro_batch=self.micro_batch,
        )

    def _input(self, model: str, pixels: Sequence[np.ndarray]) -> torch.Tensor:
        normalized = np.stack([self.preprocessing[model].normalize(each) for each in pixels])
        return torch.from_numpy(normalized).to(self.device)

    def _target_indices(self, shard: Shard, model: ResolvedModel, image: PreparedImage) -> dict[str, int]:
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
                    chances = probabilities(trained, self._input(model.name, [image.pixels])[0])
                    ranked = torch.argsort(chances, descending=True, stable=True).tolist()
                indices[target] = ranked[0 if target == "predicted" else int(target[4:]) - 1]
        return indices

    def _image_facts(self, variant: HeldVariant, image: PreparedImage) -> tuple[dict[str, Any], torch.Tensor]:
        """Return the columns that all targets of an image share, and the probabilities float64 [classes]."""
        name = variant.spec.model
        chances = probabilities(variant.model, self._input(name, [image.pixels])[0])
        best = int(chances.argmax())
        facts = {
            "image_id": image.entry.image_id,
            "label": image.label,
            "prediction": self.models.class_name(name, best),
            "prediction_index": best,
            "prediction_probability": float(chances[best]),
            "precision": self.resolved.study.attribution.precision,
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
        result: AttributionResult,
        n: int,
        k: int,
    ) -> dict[str, Any]:
        """Return the columns that follow from one map and from the scores in its `row`."""
        settings = self.resolved.study.attribution
        measured = map_statistics(attribution)
        error = float(result.map_error[n, k])
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
            **measured, **verdict._asdict(), "map_error": known_error, "steps": int(result.steps[n, k]),
        }  # fmt: skip


def device_name(device: torch.device) -> str:
    """Return the kind of device as statistics name it: `cpu`, or `cuda` with the GPU's model."""
    return f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _batches(
    items: Iterable[PreparedImage | RefusedImage], size: int
) -> Iterator[list[PreparedImage | RefusedImage]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


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
