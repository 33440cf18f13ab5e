"""What removing boxes costs beside the maps: CPU time of shards with it and without, in turns.

Scenes with two birds, two targets, the bundled model at a tolerance of 1 %, one thread. CPU time is the
process's, so that other work on the machine counts little; each repeat gives a ratio, and the median counts.
Files have the two fills of each box, scenes the scene without each bird too.

    python benchmarks/deletions.py [--images 4] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import yaml

from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.store.output import Output
from igbatch.study_file import load_study

CALIBRATION = Calibration("float32", 0.0, micro_batch=8)


def seconds(study: Path, out: Path, *overrides: str) -> float:
    """Return the CPU time of a study's shards, without reading the model."""
    output = Output(str(out))
    plan = plan_study(load_study(study, overrides), output)
    open_output(output, plan.resolved, plan.images)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    for spec in plan.resolved.variants:
        computer.models.variant(spec).digest.result()
    start = time.process_time()
    for shard in plan.shards():
        computer.compute(shard, CALIBRATION)
    return time.process_time() - start


def main() -> None:
    """Print the ratio of each repeat and their median, by kind of scene and variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for kind, variant in (("file", "trained"), ("scene", "trained"), ("file", "random")):
        with tempfile.TemporaryDirectory() as folder:
            study = Path(folder) / "study.yaml"
            study.write_text(yaml.safe_dump(content(Path(folder), kind, variant, options.images)))
            ratios = []
            for repeat in range(options.repeats + 1):
                took = {
                    deletion: seconds(
                        study, Path(folder, f"{deletion}-{repeat}"), f"attribution.deletion={deletion}"
                    )
                    for deletion in (("none", "all") if repeat % 2 else ("all", "none"))
                }
                if repeat:  # the first one warms up
                    ratios.append(took["all"] / took["none"] - 1)
        each = ", ".join(f"{ratio:+.1%}" for ratio in ratios)
        print(f"{kind}, {variant}: {statistics.median(ratios):+.1%} ({each})", flush=True)


def content(folder: Path, kind: str, variant: str, images: int) -> dict[str, object]:
    """Return a study of scenes with two birds, drawn by it or in files."""
    from igbatch.birds.scenes import write_scenes

    chosen: dict[str, object] = {"scenes": [{"kind": "double", "first_seed": 0, "count": images}]}
    if kind == "file":
        write_scenes(folder / "scenes", images, kind="double")
        chosen = {"root": str(folder / "scenes"), "boxes": str(folder / "scenes" / "boxes.csv")}
    return {
        "name": "cost", "images": chosen, "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "variants": [{"kind": variant, **({"seeds": [1]} if variant == "random" else {})}],
        "attribution": {"tolerance": 0.01},
    }  # fmt: skip


if __name__ == "__main__":
    main()
