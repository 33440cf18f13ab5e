"""What it costs a worker to go from one variant to the next, beside the first shard that it computes then.

The shard is the smallest there is: one drawn scene with two targets, adaptive steps at 1 %. `swap` is
`Models.variant`: putting the variant's tensors together on the CPU and writing them over the model on the
device. The digest of the weights, which a thread computes while the shard has begun, is timed alone. `built
anew` is what it would cost to build the same model from the file and the seed. The weights of swin_tiny are a
random model's, which take fewer steps than trained ones, so that its shards are cheap.

    python benchmarks/swap.py [--device cpu] [--models bundled swin_tiny] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from measure import SWIN_TINY, TINY_TARGETS, machine, synchronize, wide_console, write_json
from rich.table import Table
from safetensors.torch import save_file

from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.store.output import Output
from igbatch.study import VariantSpec
from igbatch.study_file import load_study
from igbatch.variants.models import state_sha256
from igbatch.variants.randomized import ModelStates, random_model
from igbatch.variants.weights import WeightsSource

CALIBRATION = Calibration("float32", 0.0, micro_batch=16)
VARIANTS = [
    {"kind": "trained"},
    {"kind": "random", "seeds": [1, 2, 3]},
    {"kind": "cascade", "direction": "down", "seeds": [4]},
]


def study_of(model: str, folder: Path) -> dict[str, Any]:
    """Return a study of one scene."""
    targets: Any = ["eagle", "magpie"]
    section: dict[str, Any] = {"weights": "bundled"}
    if model == "swin_tiny":
        weights = folder / "swin_tiny.safetensors"
        save_file(random_model(WeightsSource(SWIN_TINY, None), 0, "weights").state_dict(), weights)
        section = {"architecture": SWIN_TINY, "weights": str(weights)}
        targets = dict(zip(("eagle", "magpie"), TINY_TARGETS, strict=True))
    images = {"scenes": [{"kind": "double", "seeds": [1]}]}
    return {
        "name": "swap", "images": images, "models": {"m": section}, "targets": targets, "variants": VARIANTS,
    }  # fmt: skip


class Swaps:
    """One worker that goes through the variants of a study, each with a shard of one image."""

    def __init__(self, plan: Plan, output: Output, device: torch.device) -> None:
        self.plan = plan
        self.device = device
        self.computer = ShardComputer(plan.resolved, output, device)
        self.shards: dict[str, Shard] = {shard.spec.variant_id: shard for shard in plan.shards()}

    def measure(self) -> list[dict[str, Any]]:
        """Return the seconds of each variant, in the order of the study; the first one warms up."""
        first, *others = self.plan.resolved.variants
        self._variant(first)
        return [self._variant(spec) for spec in others]

    def _variant(self, spec: VariantSpec) -> dict[str, Any]:
        model = self.plan.resolved.models[spec.model]
        swap, held = self._timed(lambda: self.computer.models.variant(spec))
        state = {name: tensor.cpu() for name, tensor in held.model.state_dict().items()}
        hashing, _ = self._timed(lambda: state_sha256(state))
        shard, report = self._timed(lambda: self.computer.compute(self.shards[spec.variant_id], CALIBRATION))
        anew, _ = self._timed(lambda: self._built_anew(ModelStates(model.source, "weights"), spec))
        return {
            "variant": spec.variant_id, "kind": spec.kind, "swap": swap, "digest": hashing, "shard": shard,
            "nodes": report.nodes, "anew": anew,
        }  # fmt: skip

    def _built_anew(self, states: ModelStates, spec: VariantSpec) -> None:
        state = states.state(spec.seed, spec.layers)
        module = states.module().to(self.device)
        module.load_state_dict(state)
        state_sha256(state)

    def _timed(self, work: Any) -> tuple[float, Any]:
        synchronize(self.device)
        start = time.perf_counter()
        result = work()
        synchronize(self.device)
        return time.perf_counter() - start, result


def measure(model: str, device: torch.device) -> list[dict[str, Any]]:
    """Return the figures of every variant of a model but the first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(study_of(model, path.parent)))
        output = Output(str(path.parent / "out"))
        plan = plan_study(load_study(path), output)
        open_output(output, plan.resolved, plan.images)
        return Swaps(plan, output, device).measure()


def groups(rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group variants that follow each other by what their swap has to do."""

    def work(row: dict[str, Any]) -> str:
        if row["kind"] == "random":
            return "random, a new seed"
        first = next(row for row in rows if row["kind"] != "random")
        return "partly random, a new seed" if row is first else "partly random, the same seed"

    return [(name, list(found)) for name, found in itertools.groupby(rows, work)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--models", nargs="+", choices=("bundled", "swin_tiny"), default=["bundled", "swin_tiny"]
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    found = {model: measure(model, device) for model in options.models}
    table = Table(title=f"a swap beside the first shard of one image, {device}; medians in milliseconds")
    for column in (
        "model",
        "to",
        "variants",
        "swap",
        "its digest",
        "first shard",
        "swap / shard",
        "built anew",
    ):
        table.add_column(column, justify="left" if column in ("model", "to") else "right")
    for model, rows in found.items():
        for name, group in groups(rows):
            middle = {
                key: 1e3 * statistics.median(row[key] for row in group)
                for key in ("swap", "digest", "shard", "anew")
            }
            ratio = statistics.median(row["swap"] / row["shard"] for row in group)
            times = [f"{middle[key]:.1f}" for key in ("swap", "digest", "shard")]
            table.add_row(model, name, str(len(group)), *times, f"{ratio:.1%}", f"{middle['anew']:.1f}")
    wide_console().print(table)
    if options.json:
        write_json(options.json, {"machine": machine(device), "models": found})


if __name__ == "__main__":
    main()
