"""Workers that import no torch, and commit what is known already: for tests in which many processes start."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from ray import cloudpickle

from igbatch import open_study
from igbatch.pipeline.messages import Calibration, ShardReport
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.worker import Worker
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.label_maps import FOLDER, LabelMaps, read_label_maps, write_label_maps
from igbatch.store.output import Output

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers find the installed packages alone

Committed = Mapping[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[np.ndarray], LabelMaps]]
"""By image what a shard commits of it: rows of image_stats and of box_stats, maps, and label maps."""


class QuickWorker(Worker):
    """A worker that imports no torch, for a computer that needs none; it dies and is started as any other."""

    def _start(
        self, resolved: ResolvedStudy, output: Output, device: str, make_computer: Any
    ) -> tuple[str, Any]:
        return device, make_computer(resolved, output, device)


class Replayed:
    """Commits what is known already of a shard's images, without torch: its processes start soon.

    `committed` is a file of `write_committed`; `fault` is called before each shard.
    """

    def __init__(self, output: Output, committed: str, fault: Callable[[Shard], None]) -> None:
        self.output, self.fault = output, fault
        self.committed: Committed = pickle.loads(Path(committed).read_bytes())

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        self.fault(shard)
        label_maps = {image.image_id: self.committed[image.image_id][3] for image in shard.images}
        write_label_maps(self.output, shard.spec.model, shard.name, label_maps)
        place = (shard.spec.variant_id, shard.name, shard.fingerprint)
        with ShardWriter(self.output, *place, label_maps=shard.name) as writer:
            for image in shard.images:
                rows, boxes, maps, _ = self.committed[image.image_id]
                writer.add_image_stats(rows)
                writer.add_box_stats(boxes)
                writer.add_maps([image.image_id] * len(maps), [row["target"] for row in rows], np.stack(maps))
            writer.commit()
        return ShardReport(shard.name, len(shard.images), shard.rows, seconds=0.1)

    def under_way(self) -> int:
        return 0


def write_committed(output: Output, path: Path) -> None:
    """Write what the trained variant's shards of a study have committed, by image, for `Replayed`.

    A file, since Ray deletes large arguments of an actor before its second restart.
    """
    results, found = open_study(output.uri), {}
    names = {"image_stats": schemas.IMAGE_STATS.names, "box_stats": schemas.BOX_STATS.names}
    tables = {}
    for kind, columns in names.items():
        files = sorted(Path(output.root, kind, "trained").glob("*.parquet"))
        tables[kind] = [row for file in files for row in pq.read_table(file, columns=columns).to_pylist()]
    (model,) = (each.name for each in Path(output.root, FOLDER).iterdir())
    labels: dict[str, LabelMaps] = {}
    for file in Path(output.root, FOLDER, model).iterdir():
        labels |= read_label_maps(output, model, file.stem)
    for name in results.images["image_id"]:
        rows, boxes = ([row for row in tables[kind] if row["image_id"] == name] for kind in tables)
        maps = [results.attribution("trained", name, row["target"]) for row in rows]
        found[name] = rows, boxes, maps, labels[name]
    path.write_bytes(pickle.dumps(found))
