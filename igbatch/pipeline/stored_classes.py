"""Contrasts that follow from the stored maps of their two classes, without a pass of the model.

A study that grows by a contrast has both maps already where it keeps them. Integrated Gradients are linear:
the contrast's map is their difference, off by no more than both are off together (the triangle inequality).
Where that is within the tolerance, or both maps are of the same fixed nodes, it is taken; elsewhere the
contrast is computed, with nodes of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.pipeline.messages import ShardReport
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage, RefusedImage
from igbatch.pipeline.removal_passes import deletes
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.rows import ShardRows
from igbatch.pipeline.target_names import index_columns
from igbatch.statistics.agreement import MEASURES
from igbatch.statistics.image_stats import add_up, convergence
from igbatch.store.output import Output
from igbatch.store.pruned import KIND
from igbatch.store.reader import Reader

_SAME = (
    "prediction", "prediction_index", "prediction_probability", "precision", "device",
    "image_etag", "image_sha256", "image_width", "image_height", "weights_sha256",
)  # fmt: skip
"""Columns that both classes' rows have to agree in, and that the contrast's row takes over."""
Deletions = list[dict[str, float]]
"""What the output loses without each box of an image, by column of `box_stats`."""
_ALWAYS = "deletion_blurred"
"""Of the removals, what every visible box has whose removals were measured."""
_COLUMNS = (*_SAME, "target", "score", "score_baseline", "map_error", "steps")


class StoredClasses:
    """The stored maps of a study's classes, as they were when the first of them was looked for."""

    def __init__(self, resolved: ResolvedStudy, output: Output) -> None:
        self.resolved, self.output = resolved, output
        self._exact: dict[str, bool] = {}
        self._lock = Lock()  # shards of a worker overlap

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.output)

    def left(
        self,
        shard: Shard,
        prepared: Iterator[PreparedImage | RefusedImage],
        rows: ShardRows,
        report: ShardReport,
    ) -> Iterator[PreparedImage | RefusedImage]:
        """Yield the images of a shard that have to be attributed; the rows of the others are added."""
        pairs = [self.resolved.contrasts.get(target) for target in shard.targets]
        listed = {*self.resolved.target_names} - {*self.resolved.contrasts}
        several = self.resolved.study.attribution.baselines > 1  # a spread does not follow from theirs
        if several or not all(pair is not None and listed.issuperset(pair) for pair in pairs):
            yield from prepared
            return
        for item in prepared:
            with self._lock:
                found = [] if isinstance(item, RefusedImage) else self._derived(shard, item)
            if isinstance(item, RefusedImage) or len(found) < len(shard.targets):
                yield item
                continue
            report.attributed += 1
            for row, attribution, map_error, deletions in found:
                rows.add(item, row, attribution, map_error, deletions=deletions)

    def _derived(
        self, shard: Shard, image: PreparedImage
    ) -> list[tuple[dict[str, Any], NDArray[np.float32], float, Deletions]]:
        """Return row, map, error and deletions of each contrast, as far as they follow from what is stored.

        What the output loses without a box is the difference of what both classes lose. Where the study wants
        it and a class lacks it, the contrast is computed: else only those that do not follow from stored maps
        would have it, which are not like the others.
        """
        variant_id, image_id = shard.spec.variant_id, image.entry.image_id
        stored = self._reader.rows_of([image_id], _COLUMNS, variant_id).to_pylist()
        of = {row["target"]: row for row in stored if row["image_sha256"] == image.sha256}
        columns = ["target", "box_id", *MEASURES]
        deleted = deletes(self.resolved.study.attribution, shard.spec)
        visible = [box.box_id for box in image.boxes if deleted and box.visible]
        boxes = self._reader.boxes_of([image_id], columns, variant_id).to_pylist() if visible else []
        lost = {(row["target"], row["box_id"]): row for row in boxes}
        found = []
        for target in shard.targets:
            names = self.resolved.contrasts[target]
            if not of.keys() >= set(names):
                break
            maps = [self._exact_map(variant_id, image_id, name) for name in names]
            one, other = (of[name] for name in names)
            if any(lost.get((name, each), {}).get(_ALWAYS) is None for name in names for each in visible):
                break
            if maps[0] is None or maps[1] is None or any(one[name] != other[name] for name in _SAME):
                break
            index = self.resolved.models[shard.spec.model].targets[target]
            assert index is not None
            attribution = maps[0].astype(np.float64) - maps[1]
            error = _error(one, other, maps[0], maps[1], attribution)
            row = {
                **{name: one[name] for name in _SAME},
                "image_id": image_id, "label": image.label, "target": target,
                **index_columns(index),
                "target_probability": None,
                "score": one["score"] - other["score"],
                "score_baseline": one["score_baseline"] - other["score_baseline"],
                "steps": max(one["steps"], other["steps"]),
                "boxes_clipped": image.boxes_clipped, "boxes_skipped": image.boxes_skipped,
            }  # fmt: skip
            kept = attribution.astype(np.float32)
            if not self._good_enough(row, kept, error):
                break
            pairs = [[lost.get((name, box.box_id), {}) for name in names] for box in image.boxes]
            found.append((row, kept, error, [_difference(*pair) for pair in pairs]))
        return found

    def _good_enough(self, row: Mapping[str, Any], attribution: NDArray[np.float32], error: float) -> bool:
        """Tell whether a map is within the tolerance; of fixed nodes it is what would be computed."""
        if math.isnan(error):
            return True
        settings = self.resolved.study.attribution
        facts = {**row, **add_up(attribution)._asdict(), "map_error": error}
        return bool(convergence(facts, settings.tolerance, settings.atol)["converged"])

    def _exact_map(self, variant_id: str, image_id: str, target: str) -> NDArray[np.float32] | None:
        """Return a map that is stored as it was computed, None where there is none."""
        file = self._reader.row_index_of(variant_id, [image_id]).file_of(image_id, target)
        if file is None or file.sizes[KIND] is None:
            return None
        path = self.output.data_path(KIND, variant_id, file.shard, file.attempt)
        try:
            if path not in self._exact:
                schema = pq.read_schema(path, filesystem=self.output.filesystem)
                self._exact[path] = "scale" not in schema.names
            return self._reader.attribution(variant_id, image_id, target) if self._exact[path] else None
        except (KeyError, OSError, InputError):  # pruned, or lost: it is computed
            return None


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """Return the deletions of a box for a contrast, as far as both classes have them."""
    known = [name for name in MEASURES if one.get(name) is not None and other.get(name) is not None]
    return {name: one[name] - other[name] for name in known}


def _error(
    one: Mapping[str, Any],
    other: Mapping[str, Any],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    attribution: NDArray[np.float64],
) -> float:
    """Return a bound of the relative L2 error of a difference; NaN where those of the two are not known."""
    if one["map_error"] is None or other["map_error"] is None:
        return math.nan
    both = sum(
        float(row["map_error"]) * float(np.linalg.norm(each.astype(np.float64)))
        for row, each in ((one, first), (other, second))
    )
    norm = float(np.linalg.norm(attribution))
    return 0.0 if both == 0 else both / norm if norm else math.inf
