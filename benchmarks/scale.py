"""What driver and storage sustain when the engine costs nothing, and what planning and resuming take.

    python benchmarks/scale.py [--parts driver storage plan resume] [--shards 4000] [--resumed 100000]

`driver`: shards a second through the Ray stage where a worker returns at once and writes nothing. `storage`:
the same where it writes and commits real files of small maps, beside the same writes in a bare loop. `plan`:
`igbatch plan` over a million images and 50 variants. `resume`: a study with so many committed shards, from
the first step of planning to the first new shard.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import psutil
import pyarrow as pa
import torch
import yaml
from measure import machine, wide_console, write_json
from rich.console import Console
from rich.table import Table

from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.driver import AttributionDriver
from igbatch.pipeline.messages import Calibration, RunSummary, ShardReport
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.session import ray_session
from igbatch.pipeline.study_output import open_output
from igbatch.statistics.image_stats import map_statistics
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.study_file import load_study

CALIBRATION = Calibration("float32", 0.0, micro_batch=16)
SHARD_IMAGES, SIDE = 8, 32
PLAN_IMAGES, PLAN_VARIANTS = 1_000_000, 50
MAX_PLAN_SECONDS, MAX_PLAN_BYTES = 60.0, 2**30
RESUMED_VARIANTS, RESUMED_IMAGES = 20, 20
MAX_RESUME_SECONDS = 60.0
LEFT_SHARDS = 20


class Listener:
    """Notes when shards are done; stops after `enough` of them."""

    def __init__(self, enough: int | None = None) -> None:
        self.times: list[float] = []
        self._enough = enough

    def __call__(self, run: RunSummary) -> None:
        """Note a shard that is committed; nothing may be lost here."""
        if run.retries:
            raise RuntimeError("a worker was lost: the figures would be wrong")
        if run.shards > len(self.times):
            self.times.append(time.monotonic())
        if self._enough is not None and len(self.times) >= self._enough:
            raise KeyboardInterrupt


class StandIn(ShardComputer):
    """An engine that returns at once: nothing is written, or made-up maps and statistics are."""

    def __init__(self, resolved: ResolvedStudy, output: Output, device: str, writes: bool) -> None:
        self.output, self.writes = output, writes
        self.map = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
        self.numbers = map_statistics(self.map)

    def calibrate(self, shards: Sequence[Shard], ahead: int) -> Calibration | None:
        """Measure nothing."""
        return None

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        """Write the shard's files, if it is to, and report it as done."""
        if self.writes:
            write(self.output, shard, self.numbers, self.map)
        return ShardReport(shard.name, len(shard.images), shard.rows, 0, 0.001)

    def under_way(self) -> int:
        """Shards are done at once."""
        return 0


def write(output: Output, shard: Shard, numbers: dict[str, Any], array: np.ndarray | None) -> None:
    """Commit a shard of the same map and numbers everywhere."""
    with ShardWriter(output, shard.spec.variant_id, shard.name, shard.fingerprint) as writer:
        for image in shard.images:
            for target in shard.targets:
                writer.add_image_stats([row(image.image_id, image.etag, target, numbers)])
            if array is not None:
                count = len(shard.targets)
                writer.add_maps([image.image_id] * count, shard.targets, np.stack([array] * count))
        writer.commit()


def row(image_id: str, etag: str, target: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """Return a row of statistics."""
    return {
        "image_id": image_id, "label": None, "target": target, "target_index": int(target == "magpie"),
        "prediction": "eagle", "prediction_index": 0, "prediction_probability": 0.9,
        "target_probability": 0.9, "score": 0.9, "score_baseline": 0.1, **numbers, "convergence_delta": 0.0,
        "relative_delta": 0.0, "map_error": 0.001, "steps": 40, "converged": True, "negligible": False,
        "precision": "float32", "device": "cpu", "image_etag": etag, "image_sha256": "0" * 64,
        "image_width": 224, "image_height": 224, "weights_sha256": "0" * 64,
    }  # fmt: skip


def write_study(folder: Path, images: int, variants: int, shard_images: int | str) -> Path:
    """Write a study of drawn scenes: the trained model and so many random ones in all."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = list(range(1, variants))
    random = [{"kind": "random", "seeds": seeds}] if seeds else []
    content = {
        "name": "scale", "images": {"scenes": [{"kind": "double", "first_seed": 0, "count": images}]},
        "models": {"small": {}}, "targets": ["eagle", "magpie"],
        "variants": [{"kind": "trained"}, *random],
        "run": {"shard_images": shard_images, "threads": 1, "device": "cpu"},
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def opened(study: Path) -> tuple[Plan, Output]:
    """Plan a study, and lay out its output."""
    output = Output(str(study.parent / "out"))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    return plan, output


Part = tuple[dict[str, Any], str, str]


def measure_driver(folder: Path, shards: int, resumed: int, console: Console) -> Part:
    """Shards a second where workers return at once."""
    return measure_stage(folder / "driver", shards, writes=False)


def measure_storage(folder: Path, shards: int, resumed: int, console: Console) -> Part:
    """Shards a second where workers write small files, beside the same writes in a bare loop."""
    found, text, limit = measure_stage(folder / "storage", shards, writes=True)
    plan, output = opened(write_study(folder / "bare", shards // 4 * SHARD_IMAGES, 1, SHARD_IMAGES))
    stand_in = StandIn(plan.resolved, output, "cpu", writes=True)
    began = time.monotonic()
    for shard in plan.shards():
        stand_in.compute(shard, None)
    found["bare_shards_per_second"] = plan.shard_count() / (time.monotonic() - began)
    return found, f"{text}; one bare loop {found['bare_shards_per_second']:.0f}", limit


def measure_stage(folder: Path, shards: int, writes: bool) -> Part:
    """Run the stage with two workers of the stand-in; say where the driver's time went."""
    plan, output = opened(write_study(folder, shards * SHARD_IMAGES, 1, SHARD_IMAGES))
    listener = Listener()
    make = partial(StandIn, writes=writes)
    with ray_session():
        AttributionDriver(plan, output, Workers(2, 1, "cpu"), CALIBRATION, listener, make_computer=make).run()
        used = psutil.Process().cpu_times()
    steady = listener.times[len(listener.times) // 10 :]
    pace = (len(steady) - 1) / (steady[-1] - steady[0])
    found = {"shards": shards, "shards_per_second": pace, "driver_cpu_seconds": used.user + used.system}
    return found, f"{pace:.0f} shards/s with two workers", ""


def measure_plan(folder: Path, shards: int, resumed: int, console: Console) -> Part:
    """Time and memory of `igbatch plan`, without and with its trial."""
    study = write_study(folder / "plan", PLAN_IMAGES, PLAN_VARIANTS, "auto")
    found, texts, good = {}, [], True
    for name, options in (("without trial", ["--no-trial"]), ("with trial", [])):
        command = [sys.executable, "-m", "igbatch.cli", "plan", str(study), "--out", str(folder / "no")]
        began = time.monotonic()
        child = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        peak = 0
        while child.poll() is None:
            peak = max(peak, peak_bytes(child.pid))
            time.sleep(0.02)
        assert child.returncode == 0
        taken = time.monotonic() - began
        found[name] = {"seconds": taken, "peak_bytes": peak}
        texts.append(f"{name} {taken:.0f} s, {peak / 2**30:.2f} GiB")
        good &= taken <= MAX_PLAN_SECONDS and peak <= MAX_PLAN_BYTES
    return found, "; ".join(texts), "60 s, 1 GiB" + (" held" if good else " NOT held")


def peak_bytes(process: int) -> int:
    """Return the most memory that a process has held since it began; what its parent held does not count."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    return 0


def measure_resume(folder: Path, shards: int, resumed: int, console: Console) -> Part:
    """Seconds until a study with so many committed shards computes its first new one."""
    images = resumed * RESUMED_IMAGES // RESUMED_VARIANTS
    plan, output = opened(write_study(folder / "resume", images, RESUMED_VARIANTS, RESUMED_IMAGES))
    began = time.monotonic()
    variants = [spec.variant_id for spec in plan.resolved.variants]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(partial(commit_variant, folder / "resume"), variants))
    console.log(f"{resumed} shards written in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    again = plan_study(load_study(folder / "resume" / "study.yaml"), output)
    planned = time.monotonic() - began
    assert again.shard_count() == LEFT_SHARDS, again.shard_count()
    listener, make = Listener(enough=1), partial(StandIn, writes=False)
    with suppress(KeyboardInterrupt), ray_session():
        AttributionDriver(
            again, output, Workers(1, 1, "cpu"), CALIBRATION, listener, make_computer=make
        ).run()
    taken = listener.times[0] - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found = {"shards": resumed, "plan_seconds": planned, "first_shard_seconds": taken, "peak_gib": memory}
    held = "held" if taken <= MAX_RESUME_SECONDS else "NOT held"
    text = f"{resumed} shards: planned in {planned:.0f} s, first new shard after {taken:.0f} s"
    return found, text, f"60 s {held}"


def commit_variant(folder: Path, variant_id: str) -> None:
    """Commit the shards of a variant, all but one, with statistics alone."""
    output = Output(str(folder / "out"))
    plan = plan_study(load_study(folder / "study.yaml"), Output(str(folder / "nothing")))
    (spec,) = [spec for spec in plan.resolved.variants if spec.variant_id == variant_id]
    numbers = map_statistics(np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32))
    os.fsync = lambda _: None  # type: ignore[assignment]  # only here: made-up files need not survive
    pa.set_cpu_count(1)
    for number, shard in enumerate(plan.shards_of(spec)):
        if number:
            write(output, shard, numbers, None)


PARTS: dict[str, Callable[[Path, int, int, Console], Part]] = {
    "driver": measure_driver,
    "storage": measure_storage,
    "plan": measure_plan,
    "resume": measure_resume,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--shards", type=int, default=4000)
    parser.add_argument("--resumed", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    console = wide_console()
    table = Table("what", "found", "limit", title="Without an engine", title_justify="left")
    figures: dict[str, Any] = {"machine": machine(torch.device("cpu"))}
    with tempfile.TemporaryDirectory(prefix="igbatch-scale-") as folder:
        for part in arguments.parts:
            figures[part], text, limit = PARTS[part](
                Path(folder), arguments.shards, arguments.resumed, console
            )
            table.add_row(part, text, limit)
            write_json(arguments.json, figures)
    console.print(table)


if __name__ == "__main__":
    main()
