"""Computing a shard: images prepared ahead, attributed on the device, measured, and committed together.

Nothing here knows Ray: the actor calls it, and so may a bare loop.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch

from igbatch.attribution import integrated_gradients
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

    def __init__(self, resolved: ResolvedStudy, output: Output, device: torch.device, micro_batch: int) -> None:
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
            InputError: the model cannot be built.
        """
        start = time.monotonic()
        if self.output.exists(self.output.commit_path(shard.spec.variant_id, shard.name)):
            return ShardReport(shard.name, len(shard.images), shard.rows, 0, 0.0, already_committed=True)
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
        """Attribute a batch; return how many (image, target) rows were written and how many were quarantined."""
        done = lost = 0
        model = self.resolved.models[shard.spec.model]
        indexed = [(image, self._target_indices(shard, model, image)) for image in images]
        for image, indices in indexed:
            missing = [target for target in shard.targets if target not in indices]
            writer.add_quarantine([_quarantine_row(image, target, "target", _no_label(image)) for target in missing])
            lost += len(missing)
        for names, group in groupby(indexed, key=lambda pair: tuple(pair[1])):
            if not names:
                continue
            members = list(group)
            written = self._write_group(
                writer, shard, variant, names, [image for image, _ in members],
                np.array([list(indices.values()) for _, indices in members]),
            )  # fmt: skip
            done += written
            lost += len(members) * len(names) - written
        return done, lost

    def _write_group(
        self,
        writer: ShardWriter,
        shard: Shard,
        variant: HeldVariant,
        targets: Sequence[str],
        images: Sequence[PreparedImage],
        indices: np.ndarray,
    ) -> int:
        """Attribute images that share their target names; `indices` is [images, targets]. Returns rows written."""
        settings = self.resolved.study.attribution
        inputs = self._input(shard.spec.model, [image.pixels for image in images])
        starts = [baseline_pixels(self.resolved.baseline, image.pixels) for image in images]
        result = integrated_gradients(
            variant.model,
            inputs,
            targets=torch.from_numpy(indices),
            baseline=self._input(shard.spec.model, starts),
            rule=settings.rule,
            steps=shard.spec.steps,
            tolerance=settings.tolerance,
            atol=settings.atol,
            output=settings.output,
            precision=settings.precision,
            micro_batch=self.micro_batch,
        )
        maps = result.attributions.cpu().numpy()
        kept: list[tuple[str, str, np.ndarray]] = []
        written = 0
        for n, image in enumerate(images):
            facts = self._image_facts(shard, variant, image, inputs[n])
            chances = facts.pop("probabilities")
            for k, target in enumerate(targets):
                attribution = maps[n, k]
                if not finite(attribution):
                    count = int((~np.isfinite(attribution)).sum())
                    reason = f"the map holds {count} values that are NaN or infinite"
                    writer.add_quarantine([_quarantine_row(image, target, "attribution", reason)])
                    continue
                index = int(indices[n, k])
                row = {**facts, "target": target, "target_index": index, "target_probability": float(chances[index])}
                row |= self._map_facts(attribution, result, n, k)
                writer.add_image_stats([row])
                boxes = box_statistics(attribution, image.boxes)
                writer.add_box_stats([{"image_id": image.entry.image_id, "target": target, **box} for box in boxes])
                if image.entry.keep_map:
                    kept.append((image.entry.image_id, target, attribution))
                written += 1
        if kept:
            ids, names, arrays = zip(*kept, strict=True)
            writer.add_maps(ids, names, np.stack(arrays))
        return written

    def _input(self, model: str, pixels: Sequence[np.ndarray]) -> torch.Tensor:
        normalized = np.stack([self.preprocessing[model].normalize(each) for each in pixels])
        return torch.from_numpy(normalized).to(self.device)

    def _target_indices(self, shard: Shard, model: ResolvedModel, image: PreparedImage) -> dict[str, int]:
        """Return the logit index of each target of an image; `label` is left out where no class is known for it."""
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

    def _image_facts(
        self, shard: Shard, variant: HeldVariant, image: PreparedImage, tensor: torch.Tensor
    ) -> dict[str, Any]:
        """Return the columns that all targets of an image share, and its `probabilities` [classes]."""
        chances = probabilities(variant.model, tensor)
        best = int(chances.argmax())
        return {
            "image_id": image.entry.image_id,
            "label": image.label,
            "prediction": self.models.class_name(shard.spec.model, best),
            "prediction_index": best,
            "prediction_probability": float(chances[best]),
            "precision": self.resolved.study.attribution.precision,
            "device": device_name(self.device),
            "image_etag": image.entry.etag,
            "image_sha256": image.sha256,
            "image_width": image.width,
            "image_height": image.height,
            "weights_sha256": variant.weights_sha256,
            "probabilities": chances,
        }

    def _map_facts(self, attribution: np.ndarray, result: Any, n: int, k: int) -> dict[str, Any]:
        """Return the columns that follow from one map and its scores."""
        settings = self.resolved.study.attribution
        measured = map_statistics(attribution)
        score, baseline = float(result.scores[n, k]), float(result.baseline_scores[n, k])
        error = float(result.map_error[n, k])
        known_error = None if np.isnan(error) else error
        verdict = convergence(
            measured["sum"], measured["abs_sum"], score, baseline, known_error, settings.tolerance, settings.atol
        )
        return {
            **measured,
            **verdict._asdict(),
            "score": score,
            "score_baseline": baseline,
            "map_error": known_error,
            "steps": int(result.steps[n, k]),
        }


def device_name(device: torch.device) -> str:
    """Return the kind of device as statistics name it: `cpu`, or `cuda` with the GPU's model."""
    return f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _batches(
    items: Iterable[PreparedImage | RefusedImage], size: int
) -> Iterator[list[PreparedImage | RefusedImage]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _quarantine_row(
    image: PreparedImage | RefusedImage, target: str | None, stage: str, error: str
) -> dict[str, str | None]:
    entry = image.entry
    one_line = " ".join(error.split())
    return {"image_id": entry.image_id, "target": target, "stage": stage, "error": one_line, "image_etag": entry.etag}


def _no_label(image: PreparedImage) -> str:
    if image.label is None:
        return "target `label`: the image has no label; give one in the manifest or a box"
    return f"target `label`: {image.label!r} is no class of the model; name its index in the model's `classes`"
