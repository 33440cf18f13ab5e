"""What infidelity and maximum sensitivity cost, of images alone and in groups: CPU time, calls, how full.

Drawn scenes under the bundled model, two targets, adaptive steps, on a CPU. Both sides are measured in turns,
and their numbers held against each other. A call is a forward pass of a micro-batch, with its backward passes
or without; how full micro-batches are is measured on calls as large as a GPU's, where `--micro-batch` is.

    python benchmarks/faithfulness.py [--images 8] [--micro-batch 8] [--repeats 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from measure import machine, write_json

from igbatch.pipeline import part_measurer as measuring
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.faithfulness_measurer import FaithfulnessMeasurer
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.sampled import FAITHFULNESS, find_parts
from igbatch.pipeline.study_output import open_output
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study_file import load_study

SIDES = {"alone": 1, "groups": measuring.GROUP_IMAGES}
"""Images of a group at most, by side."""
NUMBERS = ["infidelity", "squared_change", "sensitivity"]


def computed(folder: Path, arguments: argparse.Namespace) -> tuple[Plan, Output]:
    """Compute the maps of a study that asks for faithfulness of all of them."""
    folder.mkdir()
    study = folder / "study.yaml"
    images = {"scenes": [{"kind": "double", "first_seed": 0, "count": arguments.images}]}
    faithfulness = {"images": {"sample": arguments.images}, "perturbations": arguments.perturbations}
    content = {
        "name": "faithful", "images": images, "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"], "attribution": {"tolerance": arguments.tolerance},
        "audit": {"faithfulness": faithfulness},
    }  # fmt: skip
    study.write_text(yaml.safe_dump(content))
    output = Output(str(folder / "out"))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    for shard in plan.shards():
        computer.compute(shard, Calibration("float32", 0.0, arguments.micro_batch))
    return plan_study(load_study(study), output), output


class Calls:
    """The batch rows of each forward pass of the models that a measurer asks."""

    def __init__(self, measurer: FaithfulnessMeasurer) -> None:
        self.rows: list[int] = []
        model = measurer.models.variant(measurer.spec).model
        model.register_forward_hook(lambda module, given, logits: self.rows.append(len(logits)))


def side(name: str, plan: Plan, output: Output, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all images once; return CPU seconds, calls, how full they were, and the numbers."""
    parts = list(find_parts(Reader(output), plan.resolved, FAITHFULNESS))
    calibration = Calibration("float32", 0.0, arguments.micro_batch)
    measuring.GROUP_IMAGES = SIDES[name]
    measurer = FaithfulnessMeasurer(plan.resolved, output, torch.device("cpu"), calibration, parts)
    calls = Calls(measurer)
    start = time.process_time()
    skipped = measurer.run()
    seconds = time.process_time() - start
    assert not skipped
    numbers = pd.concat(output.read_table(part.path(output)).to_pandas() for part in parts)
    return {
        "cpu_seconds": seconds, "calls": len(calls.rows), "rows": sum(calls.rows),
        "fill": sum(calls.rows) / len(calls.rows) / arguments.micro_batch, "numbers": numbers[NUMBERS],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--perturbations", type=int, default=10)
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory(prefix="igbatch-") as folder:
        plan, output = computed(Path(folder) / "study", arguments)
        for repeat in range(arguments.repeats):
            for name in list(SIDES)[:: -1 if repeat % 2 else 1]:
                found[name].append(side(name, plan, output, arguments))
    numbers = {name: each[0].pop("numbers") for name, each in found.items()}
    apart = float((numbers["groups"] / numbers["alone"] - 1).abs().max().max())
    for name, each in found.items():
        seconds = statistics.median(one["cpu_seconds"] for one in each) / arguments.images
        print(
            f"{name}: {seconds:.2f} s of CPU an image, {each[0]['calls']} calls of {each[0]['rows']} rows, "
            f"micro-batches of {arguments.micro_batch} {each[0]['fill']:.0%} full"
        )
    ratio = [one["cpu_seconds"] / other["cpu_seconds"] for one, other in zip(*found.values(), strict=True)]
    print(f"alone over groups: {', '.join(f'{each:.2f}' for each in ratio)}; numbers {apart:.1e} apart")
    for each in found.values():
        for one in each:
            one.pop("numbers", None)
    write_json(
        arguments.json, {"machine": machine(torch.device("cpu")), "sides": found, "numbers_apart": apart}
    )


if __name__ == "__main__":
    main()
