"""Measures and writes the rows of a shard in a thread, while the device attributes the next maps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import one_line
from igbatch.pipeline.messages import ShardReport
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage, RefusedImage
from igbatch.statistics.baseline_spread import MapSpread
from igbatch.statistics.box_stats import MeasuredMap, measure
from igbatch.statistics.image_stats import convergence
from igbatch.store.commit import ShardWriter
from igbatch.study import AttributionSection

MAP_GROUP_IMAGES = 8
"""Images whose maps make a row group of a file; maps of so many wait to be written."""
MAPS_WAITING = 32
"""Maps that may wait to be measured before the device has to wait for them."""


class ShardRows:
    """The rows of a shard on their way to its writer. Use it in a `with` block, which ends the thread.

    Rows reach the writer in the order in which they are given. Their number is in the shard's report.
    """

    def __init__(
        self, writer: ShardWriter, shard: Shard, settings: AttributionSection, report: ShardReport
    ) -> None:
        self.report = report
        self._writer = writer
        self._settings = settings
        self._targets = len(shard.targets)
        self._kept: list[tuple[str, str, NDArray[np.float32], NDArray[np.float32] | None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> ShardRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def add(
        self,
        image: PreparedImage,
        row: Mapping[str, Any],
        attribution: NDArray[np.float32] | None,
        map_error: float,
        measured: MeasuredMap | None = None,
        deletions: Sequence[Mapping[str, float]] = (),
        spread: MapSpread | None = None,
    ) -> None:
        """Take a map, float32 [H, W], and what is known beside its own numbers; it may be lost as unusable.

        It is None where the device measured it (`measured`) and it is not to be kept; else the thread of the
        rows measures it. `map_error` is its estimated relative L2 error, NaN where it was not estimated.
        `deletions` are what the output loses without each box of the image, by column of `box_stats`; none
        where that was not measured. `spread` says how the map depends on the baseline, None where it is one.
        """
        self._submit(self._measure, image, row, attribution, map_error, measured, deletions, spread)
        while len(self._waiting) > MAPS_WAITING or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()

    def commit(self) -> None:
        """Wait for all rows and commit the shard."""
        while self._waiting:
            self._waiting.popleft().result()
        self._flush()
        self._writer.commit()

    def refuse(self, image: RefusedImage) -> None:
        """Put an image that cannot be used in quarantine, with all its targets."""
        self._submit(self._quarantine, image, None, "image", image.error, self._targets)

    def miss(self, image: PreparedImage, targets: Sequence[str]) -> None:
        """Put targets that an image does not have in quarantine."""
        reason = (
            "the image has no label; give one in the manifest or a box"
            if image.label is None
            else f"{image.label!r} is no class of the model; name its index in the model's `classes`"
        )
        for target in targets:
            self._submit(self._quarantine, image, target, "target", f"target `label`: {reason}")

    def _submit(self, function: Callable[..., None], *arguments: Any) -> None:
        self._waiting.append(self._thread.submit(function, *arguments))

    def _measure(
        self,
        image: PreparedImage,
        row: Mapping[str, Any],
        attribution: NDArray[np.float32] | None,
        map_error: float,
        measured: MeasuredMap | None,
        deletions: Sequence[Mapping[str, float]],
        spread: MapSpread | None,
    ) -> None:
        if measured is None:
            assert attribution is not None
            measured = measure(attribution, image.boxes, image.label_maps)
        deletions = deletions or [{}] * len(image.boxes)
        unusable = _unusable(measured, row, deletions)
        if unusable is not None:
            self._quarantine(image, row["target"], "attribution", unusable)
            return
        assert measured.statistics is not None
        facts = {**measured.statistics, "map_error": None if math.isnan(map_error) else map_error}
        facts |= convergence({**row, **facts}, self._settings.tolerance, self._settings.atol)
        boxes = measured.boxes
        facts |= spread.columns() if spread is not None else {"spread": None}
        if spread is not None:
            boxes = [box | own for box, own in zip(boxes, spread.box_columns(boxes), strict=True)]
        self.report.constant += facts["abs_sum"] == 0 and row["score"] == row["score_baseline"]
        self._writer.add_image_stats([{**row, **facts}])
        place = {"image_id": image.entry.image_id, "target": row["target"]}
        more = zip(boxes, deletions, strict=True)
        self._writer.add_box_stats([{**place, **box, **loss} for box, loss in more])
        self.report.rows += 1
        if image.entry.keep_map:
            assert attribution is not None
            deviation = spread.deviation if spread is not None else None
            self._kept.append((image.entry.image_id, row["target"], attribution, deviation))
            if len(self._kept) >= MAP_GROUP_IMAGES * self._targets:
                self._flush()

    def _flush(self) -> None:
        if self._kept:
            ids, names, arrays, deviations = zip(*self._kept, strict=True)
            spreads = None if deviations[0] is None else np.stack(deviations)
            self._writer.add_maps(ids, names, np.stack(arrays), *(() if spreads is None else (spreads,)))
            self._kept = []

    def _quarantine(
        self, image: PreparedImage | RefusedImage, target: str | None, stage: str, error: str, rows: int = 1
    ) -> None:
        entry = image.entry
        self._writer.add_quarantine([quarantine_row(entry.image_id, entry.etag, target, stage, error)])
        self.report.quarantined += rows


def quarantine_row(
    image_id: str, etag: str, target: str | None, stage: str, error: str
) -> dict[str, str | None]:
    """Return a row of `schemas.QUARANTINE` without its variant; a null target stands for all of them."""
    return {
        "image_id": image_id, "target": target, "stage": stage, "error": one_line(error), "image_etag": etag,
    }  # fmt: skip


def _unusable(
    measured: MeasuredMap, row: Mapping[str, Any], deletions: Sequence[Mapping[str, float]]
) -> str | None:
    """Say why a map cannot be used, None if it can: what is no number must not enter a range."""
    if measured.not_finite:
        return f"the map holds {measured.not_finite} values that are NaN or infinite"
    for name in ("score", "score_baseline", "target_probability", "prediction_probability"):
        if row[name] is not None and not math.isfinite(row[name]):
            return f"the model's {name} is {row[name]}"
    for deletion in deletions:
        for name, value in deletion.items():
            if not math.isfinite(value):
                return f"the {name} of a box is {value}"
    return None
