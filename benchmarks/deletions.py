"""What removing boxes costs beside the maps: the CPU time of their passes over that of all else in a shard.

Scenes with two birds, two targets, the bundled model at a tolerance of 1 %, one thread. Both parts are of the
same run, so that other work on the machine slows both. Files have the two fills of each box; scenes are also
drawn without each bird.

    python benchmarks/deletions.py [--images 4] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import yaml

from igbatch.birds.scenes import write_scenes
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.deletions import BoxRemoval
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.store.output import Output
from igbatch.study_file import load_study

CALIBRATION = Calibration("float32", 0.0, micro_batch=8)


def cost(study: Path, out: Path) -> float:
    """Return the CPU time of a study's removals over that of all else, without reading the model."""
    output = Output(str(out))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    for spec in plan.resolved.variants:
        computer.models.variant(spec).digest.result()
    whole, removing = BoxRemoval._group, 0.0

    def timed(self: BoxRemoval, group: Any) -> Iterator[Any]:
        nonlocal removing
        start = time.thread_time()
        found = list(whole(self, group))
        removing += time.thread_time() - start
        yield from found

    BoxRemoval._group = timed  # type: ignore[method-assign]
    start = time.process_time()
    for shard in plan.shards():
        computer.compute(shard, CALIBRATION)
    BoxRemoval._group = whole  # type: ignore[method-assign]
    return removing / (time.process_time() - start - removing)


def main() -> None:
    """Print what removals cost, by source of the images and kind of variant: each repeat, and the median."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for source, variant in (("files", "trained"), ("scenes", "trained"), ("files", "random")):
        with tempfile.TemporaryDirectory() as folder:
            study = Path(folder) / "study.yaml"
            study.write_text(yaml.safe_dump(content(Path(folder), source, variant, options.images)))
            found = [cost(study, Path(folder, f"{repeat}")) for repeat in range(options.repeats)]
        each = ", ".join(f"{ratio:.2%}" for ratio in found)
        print(f"{source}, {variant}: {statistics.median(found):.2%} ({each})", flush=True)


def content(folder: Path, source: str, variant: str, images: int) -> dict[str, object]:
    """Return a study of scenes with two birds, drawn by it or in files."""
    chosen: dict[str, object] = {"scenes": [{"kind": "double", "first_seed": 0, "count": images}]}
    if source == "files":
        write_scenes(folder / "scenes", images, kind="double")
        chosen = {"root": str(folder / "scenes"), "boxes": str(folder / "scenes" / "boxes.csv")}
    return {
        "name": "cost", "images": chosen, "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "variants": [{"kind": variant, **({"seeds": [1]} if variant == "random" else {})}],
        "attribution": {"tolerance": 0.01, "deletion": "all"},
    }  # fmt: skip


if __name__ == "__main__":
    main()
