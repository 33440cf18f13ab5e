"""Computing a shard: images prepared ahead, attributed on the device, measured, and committed together.

Nothing here knows Ray: the actor calls it, and so may a bare loop.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from igbatch.attribution import Attributed, Example, Settings, attribute, default_micro_batch
from igbatch.attribution.calibrate import PROBED_IMAGES
from igbatch.attribution.graphs import Graphs
from igbatch.attribution.smoothing import averaged, copy_noise
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.models import HeldVariant, Models, batched_logits
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare_ahead
from igbatch.pipeline.rankings import Rankings
from igbatch.pipeline.reports import ShardReport
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.rows import ShardRows
from igbatch.pipeline.settle import Sample, settings_of, settle, unmeasured
from igbatch.pipeline.settled import Settled
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.reader import read_commit

DECODE_THREADS = 2
DECODED_IMAGES = 16
"""Images that are decoded ahead of the device."""


@dataclass(frozen=True)
class _Task:
    """An image to be attributed, its targets by name with their logit indices, and both as tensors.

    `example` has the image as it is, and every class once that a target names; where maps are smoothed,
    `ShardComputer` makes noisy copies of it.
    """

    image: PreparedImage
    targets: dict[str, int]
    example: Example


@dataclass
class _Work:
    """What a shard took: nodes over all images, and the most rows that went through the model together."""

    nodes: int = 0
    micro_batch: int = 0


class _Clock:
    """Time since it was made, and how much of it the device had nothing to do."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.idle_seconds = 0.0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Count the block as time in which the device waits."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.idle_seconds += time.monotonic() - start

    def idle_between(self, items: Iterable[_Task]) -> Iterator[_Task]:
        """Yield the items; waiting for the next one is time in which the device waits."""
        following = iter(items)
        while True:
            with self.idle():
                item = next(following, None)
            if item is None:
                return
            yield item


class ShardComputer:
    """Computes shards of one study on one device.

    Args:
        resolved: the study.
        output: where shards are committed.
        device: that computes.
        most_copies: where maps are smoothed, no more copies of an image than these, to try what they take.
    """

    def __init__(
        self, resolved: ResolvedStudy, output: Output, device: torch.device, most_copies: int | None = None
    ) -> None:
        self.resolved = resolved
        self.output = output
        self.device = device
        self.models = Models(resolved, device)
        self.preprocessing = {
            name: Preprocessing.from_data_config(model.data_config) for name, model in resolved.models.items()
        }
        self.rankings = Rankings(self.models, output, default_micro_batch(device))
        smoothing = resolved.study.attribution.smoothing
        self.copies = min(smoothing.samples, most_copies or smoothing.samples) if smoothing else 1

    def settle(self, shards: Sequence[Shard], ahead: int) -> Settled | None:
        """Measure what the study leaves open, on the first usable images of shards of different variants.

        Args:
            shards: a few images of each variant.
            ahead: images to be computed, added over variants.

        Returns:
            what all workers on this kind of device are to run with; None where no image can be used.
        """
        samples = []
        for shard in shards:
            model = self.models.separate(shard.spec)
            usable = islice(self._usable(shard), PROBED_IMAGES)
            examples = [next(self._copies(shard.spec.model, task)) for task in usable]
            if examples:
                samples.append(Sample(model, shard.spec.steps, examples))
        copies = self.resolved.study.attribution.smoothing
        ahead *= copies.samples if copies else 1
        return settle(self.resolved.study.attribution, samples, ahead) if samples else None

    def compute(self, shard: Shard, settled: Settled | None) -> ShardReport:
        """Compute and commit a shard, unless it is committed already.

        Without anything settled, which is so where no image can be used, it runs with safe values.

        Raises:
            InputError: the model cannot be built, or the shard's commit was cut short.
        """
        clock = _Clock()
        path = self.output.commit_path(shard.spec.variant_id, shard.name)
        if self.output.exists(path):
            rows = read_commit(self.output.filesystem, shard.spec.variant_id, path).rows
            lost = shard.rows - rows
            return ShardReport(shard.name, len(shard.images), rows, lost, 0.0, already_committed=True)
        study = self.resolved.study
        with clock.idle():
            variant = self.models.variant(shard.spec)
        settled = settled or unmeasured(study.attribution)
        settings = settings_of(study.attribution, shard.spec.steps, settled)
        asked = study.attribution.passes
        graphs = self.models.graphs(settled.passes if asked == "auto" else asked)
        identity = (shard.spec.variant_id, shard.name, shard.fingerprint)
        writer = ShardWriter(self.output, *identity, encoding=study.store.encoding)
        work = _Work()
        with writer, ShardRows(writer, shard, study.attribution) as rows_of:
            tasks = clock.idle_between(self._usable(shard, rows_of))
            self._attribute(variant, tasks, settings, graphs, rows_of, work, clock)
            with clock.idle():
                rows_of.commit()
        return ShardReport(
            shard.name,
            len(shard.images),
            rows_of.written,
            rows_of.quarantined,
            clock.elapsed,
            clock.elapsed - clock.idle_seconds,
            work.nodes,
            work.micro_batch,
            constant=rows_of.constant,
        )

    def _usable(self, shard: Shard, rows: ShardRows | None = None) -> Iterator[_Task]:
        """Yield what is to be attributed of a shard, in its order, as it is decoded ahead.

        What cannot be used is left to `rows` to be put in quarantine.
        """
        preprocessing = self.preprocessing[shard.spec.model]
        model = self.resolved.models[shard.spec.model]
        prepared = prepare_ahead(shard.images, preprocessing, DECODE_THREADS, DECODED_IMAGES)
        rankings = self.rankings.of(shard)
        ahead = len(shard.images)
        while group := list(islice(prepared, rankings.rows)):
            usable = []
            for item in group:
                if not isinstance(item, RefusedImage):
                    usable.append((item, self._input(shard.spec.model, item.pixels)))
                elif rows is not None:
                    rows.refuse(item)
            ranked = rankings.of(usable)
            ahead -= len(group)
            if not ahead:
                rankings.keep()  # before the last are yielded: who takes them may stop early
            for (item, pixels), ranking in zip(usable, ranked, strict=True):
                targets = _target_indices(shard, model, item, ranking)
                if rows is not None:
                    rows.miss(item, [target for target in shard.targets if target not in targets])
                if targets:
                    yield _Task(item, targets, self._example(shard.spec.model, item, pixels, targets))

    def _example(
        self, model: str, image: PreparedImage, pixels: torch.Tensor, targets: Mapping[str, int]
    ) -> Example:
        start = baseline_pixels(self.resolved.baseline, image.pixels)
        return Example(pixels, self._input(model, start), torch.tensor(list(dict.fromkeys(targets.values()))))

    def _copies(self, model: str, task: _Task) -> Iterator[Example]:
        """Yield what is attributed of an image: itself, or noisy copies where maps are smoothed.

        Noise is added to pixels in 0..1, before the model's normalization, and is not clipped. It is the same
        for all variants and targets. Baselines are those of the clean image.
        """
        smoothing = self.resolved.study.attribution.smoothing
        if smoothing is None:
            yield task.example
            return
        image = task.image
        for copy in range(self.copies):
            noise = copy_noise(
                image.pixels.shape, smoothing.noise, smoothing.seed, image.entry.image_id, copy
            )
            yield replace(task.example, image=self._input(model, image.pixels + noise))

    def _attribute(
        self,
        variant: HeldVariant,
        tasks: Iterable[_Task],
        settings: Settings,
        graphs: Graphs,
        rows: ShardRows,
        work: _Work,
        clock: _Clock,
    ) -> None:
        """Attribute images, as many at a time as the device has room for."""
        waiting: dict[int, _Task] = {}

        def examples() -> Iterator[Example]:
            for index, task in enumerate(tasks):
                waiting[index] = task
                yield from self._copies(variant.spec.model, task)

        attributed = attribute(variant.model, examples(), settings, graphs=graphs)
        for done in averaged(attributed, self.copies):
            task = waiting.pop(done.index)
            work.nodes += int(done.steps.max())
            work.micro_batch = max(work.micro_batch, done.micro_batch)
            facts, chances = self._image_facts(variant, task, done, settings.precision)
            maps = done.attributions.float().cpu().numpy()
            place_of = {index: place for place, index in enumerate(task.example.targets.tolist())}
            for target, index in task.targets.items():
                k = place_of[index]
                row = {**facts, "target": target, "target_index": index, "steps": int(done.steps[k])}
                row["target_probability"] = float(chances[index])
                row["score"] = float(done.scores[k])
                row["score_baseline"] = float(done.baseline_scores[k])
                with clock.idle():
                    rows.add(task.image, row, maps[k], float(done.map_error[k]))

    def _input(self, model: str, pixels: np.ndarray) -> torch.Tensor:
        """Return pixels [H, W, 3] as the model takes them, [3, H, W] on the device."""
        return torch.from_numpy(self.preprocessing[model].normalize(pixels)).to(self.device)

    def _image_facts(
        self, variant: HeldVariant, task: _Task, done: Attributed, precision: str
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """Return the columns that all targets of an image share, and the probabilities float64 [classes].

        These are read off the node at the image, but where maps are smoothed: the copies are other images.
        """
        image, name = task.image, variant.spec.model
        logits = done.logits
        if self.copies > 1:
            (logits,) = batched_logits(variant.model, [task.example.image])
        chances = logits.softmax(0).cpu()
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
            "boxes_clipped": image.boxes_clipped,
            "boxes_skipped": image.boxes_skipped,
            "weights_sha256": variant.weights_sha256,
        }
        return facts, chances


def _target_indices(
    shard: Shard, model: ResolvedModel, image: PreparedImage, ranking: Sequence[int]
) -> dict[str, int]:
    """Return the logit index of each target of an image, without `label` where it is no known class."""
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
            indices[target] = ranking[0 if target == "predicted" else int(target[4:]) - 1]
    return indices


def device_name(device: torch.device) -> str:
    """Return the kind of device as statistics name it: `cpu`, or `cuda` with the GPU's model."""
    return f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
