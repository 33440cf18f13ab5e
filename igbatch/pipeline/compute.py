"""Computes a shard: prepares its images ahead, attributes them on the device, measures and commits the maps.

It does not use Ray: the actor calls it, and a plain loop may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from igbatch.attribution import Attributed, Example, default_micro_batch
from igbatch.attribution.averaging import averaged
from igbatch.attribution.calibrate import PROBED_IMAGES
from igbatch.attribution.contrasts import target_tensor
from igbatch.attribution.device_sharing import HostCopy
from igbatch.attribution.engine import attribute_forward
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.calibration import Sample, calibrate_device, settings_of, uncalibrated
from igbatch.pipeline.copies import ImageCopies, areas_of, spreads_of
from igbatch.pipeline.deletions import BoxRemoval, Removals
from igbatch.pipeline.devices import SHARDS_AT_ONCE, workers_on_one
from igbatch.pipeline.label_maps import ShardLabelMaps
from igbatch.pipeline.messages import Calibration, ShardReport
from igbatch.pipeline.models import HeldVariant, Models, batched_logits
from igbatch.pipeline.occupancy import Occupancy
from igbatch.pipeline.plan import Shard, copies_of
from igbatch.pipeline.prepare import PreparedImage, RefusedImage, prepare_ahead
from igbatch.pipeline.rankings import ShardRankings, target_indices
from igbatch.pipeline.removal_passes import deletes
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.rows import ShardRows
from igbatch.pipeline.stored_classes import StoredClasses
from igbatch.pipeline.study_output import model_record
from igbatch.pipeline.target_names import Class, target_columns
from igbatch.statistics.box_stats import MeasuredMap
from igbatch.statistics.device import launch_map_statistics, unpack_map_statistics
from igbatch.store.commit import ShardWriter
from igbatch.store.commits import read_commit
from igbatch.store.output import Output
from igbatch.store.rankings import RankingStore, model_digest

MEASURED_BY_ROWS = ("cpu",)
"""Devices whose maps the rows' thread measures, with numpy: torch takes ten times as long there."""
DECODE_THREADS = 2
DECODED_IMAGES = 16
"""Images that are decoded ahead of the device."""


@dataclass(frozen=True)
class _Task:
    """An image to be attributed, its targets by name with their logit indices, and both as tensors.

    `example` has the image as it is, the first of its baselines, and every class or contrast once that a
    target names. `fills` are the baselines that are not the image itself.
    """

    image: PreparedImage
    targets: dict[str, Class]
    example: Example
    baselines: Sequence[torch.Tensor]
    fills: Sequence[torch.Tensor]


class ShardComputer:
    """Computes shards of one study on one device, and commits them.

    Where maps are means it computes no more copies of an image than `max_copies`, to try what they take.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        output: Output,
        device: torch.device | str,
        max_copies: int | None = None,
    ) -> None:
        self.resolved, self.output, self.device = resolved, output, torch.device(device)
        self.models = Models(resolved, self.device)
        self.preprocessing = {
            name: Preprocessing.from_data_config(model.data_config) for name, model in resolved.models.items()
        }
        self._rankings = {
            name: RankingStore(output, name, model_digest(model_record(resolved, name)))
            for name in resolved.models
        }
        self._stored = StoredClasses(resolved, output)
        self._occupancy = Occupancy(SHARDS_AT_ONCE[self.device.type])
        self._models_change = Lock()
        self._reports: list[ShardReport] = []  # of shards that are not committed yet
        self.copies = ImageCopies(resolved, self.preprocessing, self._input, max_copies)

    def calibrate(self, shards: Sequence[Shard], ahead: int) -> Calibration | None:
        """Measure what the study leaves open, on the first usable images of shards of different variants.

        `ahead` images are to be computed, added over variants. Returned is what all workers on such devices
        are to run with, None where no image can be used.
        """
        samples = []
        for shard in shards:
            model = self.models.separate(shard.spec)
            usable = islice(self._usable(shard, self._prepared(shard)), PROBED_IMAGES)
            examples = [next(self._copies(shard.spec.model, task)) for task in usable]
            if examples:
                samples.append(Sample(model, shard.spec.steps, examples))
        ahead *= copies_of(self.resolved)
        sharing = workers_on_one(self.device.type, self.resolved.study.run.workers_per_gpu)
        return calibrate_device(self.resolved.study.attribution, samples, ahead, sharing) if samples else None

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        """Compute and commit a shard, unless it is committed already.

        Without a calibration, which is so where no image can be used, it runs with safe values.

        Raises:
            InputError: the model cannot be built, or the shard's commit was cut short.
        """
        path = self.output.commit_path(shard.spec.variant_id, shard.name)
        if self.output.exists(path):
            rows = read_commit(self.output.filesystem, shard.spec.variant_id, path).rows
            lost = shard.rows - rows
            return ShardReport(shard.name, len(shard.images), rows, lost, already_committed=True)
        study = self.resolved.study.attribution
        identity = (shard.spec.variant_id, shard.name, shard.fingerprint)
        images, config = self.resolved.study.images, self.resolved.models[shard.spec.model].data_config
        label_maps = ShardLabelMaps(self.output, shard, images, config)
        encoding = self.resolved.study.store.encoding
        writer = ShardWriter(self.output, *identity, encoding=encoding, label_maps=label_maps.name)
        prepared, report = self._prepared(shard, label_maps), ShardReport(shard.name, len(shard.images))
        self._reports.append(report)
        try:
            with self._occupancy.shard(), writer, ShardRows(writer, shard, study, report) as rows_of:
                with self._occupancy.slot(shard.spec.variant_id):
                    start = time.monotonic()
                    left = self._stored.left(shard, prepared, rows_of, report)
                    if (first := next(left, None)) is not None:
                        known = calibration or uncalibrated(study)
                        self._attribute(shard, chain([first], left), known, rows_of, report)
                label_maps.keep()
                rows_of.commit()
        finally:
            self._reports.remove(report)
        report.seconds, report.times = time.monotonic() - start, self._occupancy.times()
        return report

    def under_way(self) -> int:
        """Return how many images are attributed of shards that are not committed yet."""
        return sum(report.attributed for report in tuple(self._reports))

    def _prepared(
        self, shard: Shard, label_maps: ShardLabelMaps | None = None
    ) -> Iterator[PreparedImage | RefusedImage]:
        """Return the shard's images in their order, which threads decode ahead from now on."""
        prepared = prepare_ahead(
            shard.images, self.preprocessing[shard.spec.model], DECODE_THREADS, DECODED_IMAGES,
            label_maps=label_maps.of if label_maps else None,
            without=deletes(self.resolved.study.attribution, shard.spec),
        )  # fmt: skip

        def waited_for() -> Iterator[PreparedImage | RefusedImage]:
            while True:
                with self._occupancy.waiting("images"):
                    item = next(prepared, None)
                if item is None:
                    return
                yield item

        return waited_for()

    def _usable(
        self, shard: Shard, prepared: Iterator[PreparedImage | RefusedImage], rows: ShardRows | None = None
    ) -> Iterator[_Task]:
        """Yield what is to be attributed of a shard, in its order.

        What cannot be used is left to `rows` to be put in quarantine.
        """
        model = self.resolved.models[shard.spec.model]
        stored = self._rankings[shard.spec.model]
        rankings = ShardRankings(self.models, stored, shard, default_micro_batch(self.device))
        ahead = len(shard.images)
        while group := list(islice(prepared, rankings.group_size)):
            usable = []
            for item in group:
                if not isinstance(item, RefusedImage):
                    usable.append((item, self._input(shard.spec.model, item.pixels)))
                elif rows is not None:
                    rows.refuse(item)
            with self._occupancy.device_lock.launch:
                ranked = rankings.of(usable)
            ahead -= len(group)
            if not ahead:
                rankings.keep()  # before the last are yielded: who takes them may stop early
            for (item, pixels), ranking in zip(usable, ranked, strict=True):
                targets = target_indices(shard, model, item, ranking)
                if rows is not None:
                    rows.miss(item, [target for target in shard.targets if target not in targets])
                if targets:
                    baselines = self.copies.baselines(shard.spec.model, item)
                    classes = target_tensor(dict.fromkeys(targets.values()))
                    fills = self.copies.fills(shard.spec.model, item) if item.boxes else ()
                    yield _Task(item, targets, Example(pixels, baselines[0], classes), baselines, fills)

    def _copies(self, model: str, task: _Task) -> Iterator[Example]:
        """Yield what is attributed of an image."""
        return self.copies.of(model, task.image, task.example, task.baselines)

    def _attribute(
        self,
        shard: Shard,
        prepared: Iterator[PreparedImage | RefusedImage],
        calibration: Calibration,
        rows: ShardRows,
        report: ShardReport,
    ) -> None:
        """Attribute a shard's images, as many at a time as fit on the device; count them in its report."""
        study = self.resolved.study.attribution
        settings = settings_of(study, shard.spec.steps, calibration)
        with self._occupancy.waiting("models"), self._models_change:
            variant = self.models.variant(shard.spec)
            forward = self.models.forward(variant, settings.precision)
            graphs = self.models.graphs(calibration.passes_for(study.passes))
        waiting: dict[int, tuple[_Task, Removals | None]] = {}
        removal = BoxRemoval(
            forward, settings, partial(self._input, shard.spec.model), self._occupancy.device_lock,
            smoothed=study.smoothing is not None, off=not deletes(study, shard.spec),
        )  # fmt: skip

        def examples() -> Iterator[Example]:
            measured = removal.measured(self._usable(shard, prepared, rows))
            for index, (task, removals) in enumerate(measured):
                waiting[index] = task, removals
                yield from self._copies(variant.spec.model, task)

        attributed = attribute_forward(
            forward, examples(), settings, graphs=graphs, device_lock=self._occupancy.device_lock
        )
        areas = (lambda index: areas_of(waiting[index][0].image.boxes)) if self.copies.spread else None
        for done in averaged(attributed, self.copies.count, areas):
            task, removals = waiting.pop(done.index)
            report.attributed += 1
            report.nodes += int(done.steps.max())
            report.micro_batch = max(report.micro_batch, done.micro_batch)
            facts, chances = self._image_facts(variant, task, done, settings.precision)
            maps, measured = self._measured(done.attributions, task.image)
            spreads = spreads_of(done, keep=task.image.entry.keep_map)
            place_of = {index: place for place, index in enumerate(dict.fromkeys(task.targets.values()))}
            for target, index in task.targets.items():
                k = place_of[index]
                row = {
                    **facts, "target": target, **target_columns(index, chances.tolist()),
                    "steps": int(done.steps[k]),
                    "score": float(done.scores[k]), "score_baseline": float(done.baseline_scores[k]),
                }  # fmt: skip
                deletions = removals.deletions(k, row["score"]) if removals else ()
                with self._occupancy.waiting("writing"):
                    rows.add(
                        task.image, row, maps[k], float(done.map_error[k]), measured[k], deletions, spreads[k]
                    )
        report.refused = graphs.refused

    def _input(self, model: str, pixels: np.ndarray) -> torch.Tensor:
        """Return pixels [H, W, 3] as the model takes them, [3, H, W] on the device."""
        return torch.from_numpy(self.preprocessing[model].normalize(pixels)).to(self.device)

    def _measured(
        self, attributions: torch.Tensor, image: PreparedImage
    ) -> tuple[Sequence[NDArray[np.float32] | None], Sequence[MeasuredMap | None]]:
        """Return an image's maps, float32 [targets, H, W], and their numbers, as the rows take them.

        A device measures them itself, and only maps that are kept leave it.
        """
        if attributions.device.type in MEASURED_BY_ROWS:
            return list(attributions.float().numpy()), [None] * len(attributions)
        with self._occupancy.device_lock.launch:
            maps = attributions.float()
            kept = maps.to("cpu", non_blocking=True) if image.entry.keep_map else None
            numbers = HostCopy(launch_map_statistics(maps, image.boxes, image.label_maps))
        arrived = numbers.wait()  # and so have the maps
        measured = unpack_map_statistics(arrived, image.boxes, maps.shape[1:], image.label_maps)
        return [None] * len(maps) if kept is None else list(kept.numpy()), measured

    def _image_facts(
        self, variant: HeldVariant, task: _Task, done: Attributed, precision: str
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """Return the columns that all targets of an image share, and the probabilities float64 [classes].

        These are read off the node at the image, but where maps are smoothed: the copies are other images.
        """
        image, name = task.image, variant.spec.model
        logits = done.logits
        if self.resolved.study.attribution.smoothing:
            with self._occupancy.device_lock.launch:
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
            "weights_sha256": variant.digest.result(),
        }
        return facts, chances


def device_name(device: torch.device) -> str:
    """Return the kind of device as statistics name it: `cpu`, or `cuda` with the GPU's model."""
    return f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
