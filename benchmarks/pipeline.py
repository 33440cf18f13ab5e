"""What Ray costs: shards by the Ray stage and by bare loops, the start of a run, the driver's memory.

Both sides compute the same shards of drawn scenes with the same engine, fixed steps and one thread a
worker, in turns. Throughput is counted between commits, without start-up: from the W-th of n to the W-th
last, for W workers. Other work on the machine makes the figures worthless: it is measured beforehand, and a
Ray stage that seems clearly faster than bare loops does not count as good.

    python benchmarks/pipeline.py [--seconds 60] [--repeats 3] [--parts one two start memory] [--json FILE]
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of both sides; Ray would set it for its workers alone

import psutil
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
from igbatch.store.output import Output
from igbatch.study_file import load_study

MIN_SHARE = 0.95
"""Of the bare loops' throughput."""
MAX_SHARE = 1.05
"""More than this is not Ray's doing: the machine had other work during the bare loops."""
BUSY_PERCENT = 10.0
"""Of all CPUs, by others, from which on the machine is not idle."""
MAX_START_SECONDS = 15.0
MAX_GROWTH_MEBIBYTES = 50.0
EARLY_SHARDS, LATE_SHARDS = 100, 2000
CALIBRATION = Calibration("float32", 0.0, micro_batch=16)
STEPS, SHARD_IMAGES = 16, 4
START_IMAGES = 16


@dataclass
class Commits:
    """A listener that notes when shards are committed, and calls `each` with their number."""

    times: list[float] = field(default_factory=list)
    each: Callable[[int], None] = lambda number: None

    def __call__(self, run: RunSummary) -> None:
        """Note a shard that is committed; nothing may be lost here."""
        assert not run.quarantined
        if run.retries:
            raise RuntimeError("a worker was lost: the figures would be wrong")
        if run.shards > len(self.times):
            self.times.append(time.monotonic())
            self.each(len(self.times))


class Idle(ShardComputer):
    """Stands in for what computes: every shard is done at once, and nothing is written."""

    def __init__(self, resolved: ResolvedStudy, output: Output, device: str) -> None:
        pass

    def calibrate(self, shards: Sequence[Shard], ahead: int) -> Calibration | None:
        """Measure nothing."""
        return None

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        """Report the shard as done."""
        return ShardReport(shard.name, len(shard.images), shard.rows, 0, 0.0)

    def under_way(self) -> int:
        """Shards are done at once."""
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of work on each side, over all repeats")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    console = wide_console()
    torch.set_num_threads(1)
    table = Table("what", "found", "limit", "held", title="Ray's part of a run", title_justify="left")
    busy = psutil.cpu_percent(interval=3)
    if busy > BUSY_PERCENT:
        console.log(f"the machine is {busy:.0f} % busy with other work: these figures are not to be used")
    figures: dict[str, Any] = {
        "machine": machine(torch.device("cpu")), "seconds": arguments.seconds, "busy_percent_before": busy
    }  # fmt: skip
    held = []
    with tempfile.TemporaryDirectory(prefix="igbatch-") as folder:
        for part in sorted(arguments.parts, key=list(PARTS).index):
            figures[part], text, limit, good = PARTS[part](
                Path(folder), arguments.seconds, arguments.repeats, console
            )
            held.append(good)
            table.add_row(part, text, limit, "yes" if good else "NO")
            write_json(arguments.json, figures)
    console.print(table)
    sys.exit(0 if all(held) else 1)


Part = tuple[dict[str, Any], str, str, bool]
"""Figures, what was found in words, the limit, and whether it was held."""


def measure_memory(folder: Path, seconds: float, repeats: int, console: Console) -> Part:
    """Measure how much this process, the driver, grows while an idle worker goes through many shards."""
    plan, output = planned(folder / "memory", LATE_SHARDS, shard_images=1)
    process = psutil.Process()
    sizes: dict[int, int] = {}

    def note(number: int) -> None:
        if number in (EARLY_SHARDS, LATE_SHARDS):
            sizes[number] = process.memory_info().rss

    commits = Commits(each=note)
    with ray_session():
        stage = AttributionDriver(
            plan, output, Workers(1, 1, "cpu"), CALIBRATION, commits, make_computer=Idle
        )
        stage.run()
    grown = (sizes[LATE_SHARDS] - sizes[EARLY_SHARDS]) / 2**20
    pace = throughput(commits.times, 1)
    found = {"shards": {str(at): size / 2**20 for at, size in sizes.items()}, "shards_per_second": pace}
    text = f"the driver grew by {grown:.1f} MiB from {EARLY_SHARDS} to {LATE_SHARDS} shards ({pace:.0f}/s)"
    return found, text, f"{MAX_GROWTH_MEBIBYTES:.0f} MiB", grown < MAX_GROWTH_MEBIBYTES


def measure_start(folder: Path, seconds: float, repeats: int, console: Console) -> Part:
    """Measure the seconds from `igbatch run` to the first commit, what `auto` comes to being measured."""
    taken = []
    for repeat in range(repeats):
        study = write_study(folder / f"start-{repeat}", START_IMAGES, SHARD_IMAGES)
        out = study.parent / "out"
        command = [sys.executable, "-m", "igbatch.cli", "run", str(study), "--out", str(out)]
        began = time.monotonic()
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while run.poll() is None and not list(out.glob("image_stats/*/*.parquet")):
            time.sleep(0.01)
        taken.append(time.monotonic() - began)
        _, errors = run.communicate()
        if run.returncode:
            raise RuntimeError(f"the run failed: {errors}")
        console.log(f"start {repeat + 1}: first commit after {taken[-1]:.1f} s")
    text = f"first commit after {statistics.median(taken):.1f} s (at most {max(taken):.1f} s)"
    return {"seconds": taken}, text, f"{MAX_START_SECONDS:.0f} s", max(taken) <= MAX_START_SECONDS


def measure_one(folder: Path, seconds: float, repeats: int, console: Console) -> Part:
    """Compare one worker with a bare loop in one process."""
    return compare(folder / "one", 1, seconds, repeats, console)


def measure_two(folder: Path, seconds: float, repeats: int, console: Console) -> Part:
    """Compare two workers with two bare processes at the same time."""
    return compare(folder / "two", 2, seconds, repeats, console)


PARTS: dict[str, Callable[[Path, float, int, Console], Part]] = {
    "memory": measure_memory,  # first, since what others leave behind in this process would be counted
    "one": measure_one,
    "two": measure_two,
    "start": measure_start,
}


def compare(folder: Path, workers: int, seconds: float, repeats: int, console: Console) -> Part:
    """Compare as many workers with as many bare processes, in turns, the one that begins changing too."""
    trial = bare(folder / "trial", workers, 4 * workers)
    shard_seconds = workers / throughput(trial, workers)
    shards = workers * (math.ceil(seconds / repeats / shard_seconds) + 2)
    console.log(f"{workers} at a time: {shard_seconds:.2f} s a shard, {shards} shards a repeat")
    paces: dict[str, list[float]] = {"ray": [], "bare": []}
    worked: dict[str, float] = {"ray": 0.0, "bare": 0.0}
    sides = {"ray": staged, "bare": bare}
    for repeat in range(repeats):
        for name in ("ray", "bare") if repeat % 2 == 0 else ("bare", "ray"):
            times = sides[name](folder / f"{name}-{repeat}", workers, shards)
            paces[name].append(SHARD_IMAGES * throughput(times, workers))
            worked[name] += times[-workers] - times[workers - 1]
        console.log(f"repeat {repeat + 1}: ray {paces['ray'][-1]:.3f}, bare {paces['bare'][-1]:.3f} images/s")
    shares = [ray / alone for ray, alone in zip(paces["ray"], paces["bare"], strict=True)]
    share = statistics.median(shares)
    found = {"images_per_second": paces, "seconds_of_work": worked, "shares": shares, "share": share}
    spread = f"{min(shares):.1%} to {max(shares):.1%}"
    text = f"{share:.1%} of {workers} bare loop(s) ({spread}; {min(worked.values()):.0f} s a side)"
    return found, text, f"{MIN_SHARE:.0%} to {MAX_SHARE:.0%}", MIN_SHARE <= share <= MAX_SHARE


def throughput(times: Sequence[float], workers: int) -> float:
    """Return shards a second from the W-th commit to the W-th last: all workers are busy then."""
    return (len(times) - 2 * workers + 1) / (times[-workers] - times[workers - 1])


def staged(folder: Path, workers: int, shards: int) -> list[float]:
    """Compute so many shards by the Ray stage on a Ray of its own; return when each was committed."""
    plan, output = planned(folder, shards * SHARD_IMAGES, SHARD_IMAGES)
    commits = Commits()
    with ray_session():
        AttributionDriver(plan, output, Workers(workers, 1, "cpu"), CALIBRATION, commits).run()
    return commits.times


def bare(folder: Path, workers: int, shards: int) -> list[float]:
    """Compute so many shards by loops in processes of their own; return when each was committed."""
    planned(folder, shards * SHARD_IMAGES, SHARD_IMAGES)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    times: Any = context.Queue()
    loops = [
        context.Process(target=loop, args=(folder, place, workers, barrier, times))
        for place in range(workers)
    ]
    for process in loops:
        process.start()
    found = [times.get() for _ in range(shards)]
    for process in loops:
        process.join()
        assert process.exitcode == 0
    return sorted(found)


def loop(folder: Path, place: int, places: int, barrier: Any, times: Any) -> None:
    """Compute every `places`-th shard of a study, one after the other."""
    torch.set_num_threads(1)
    output = Output(str(folder / "out"))
    plan = plan_study(load_study(folder / "study.yaml"), output)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    barrier.wait()
    for number, shard in enumerate(plan.shards()):
        if number % places == place:
            computer.compute(shard, CALIBRATION)
            times.put(time.monotonic())


def planned(folder: Path, images: int, shard_images: int) -> tuple[Plan, Output]:
    """Write a study with an empty output, and plan it."""
    output = Output(str(folder / "out"))
    plan = plan_study(load_study(write_study(folder, images, shard_images)), output)
    open_output(output, plan.resolved, plan.images)
    return plan, output


def write_study(folder: Path, images: int, shard_images: int) -> Path:
    """Write a study of so many drawn scenes, explained by the bundled model for two targets."""
    folder.mkdir(parents=True)
    file = folder / "study.yaml"
    content = {
        "name": "pipeline",
        "images": {"scenes": [{"kind": "double", "first_seed": 0, "count": images}]},
        "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "attribution": {"steps": STEPS},
        "run": {"device": "cpu", "threads": 1, "shard_images": shard_images},
    }
    file.write_text(yaml.safe_dump(content), "utf-8")
    return file


if __name__ == "__main__":
    main()
