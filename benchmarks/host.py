"""What the host does for an image around the passes, and how busy that keeps a device.

No GPU is needed. Real files (PNG, and JPEG of 500 x 375), two targets, adaptive steps, maps kept, everything
from the files to committed Parquet; the model is a stand-in.

- *Parts*: its passes cost next to nothing; what decoding, the engine, statistics, encoding and committing
  take of the CPU, milliseconds an image, on one worker and on two.
- *Overlap*: it sleeps as a GPU would, by batch rows; 8 shards on one worker that takes two at a time, as on a
  GPU. The share of the time in which it is busy, for several speeds, and a trace of the threads as a picture.

    python benchmarks/host.py [--parts parts overlap] [--trace docs/dev/host-trace.png] [--json FILE]
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import torch
import yaml
from measure import machine, write_json
from PIL import Image
from stand_in import StandIn
from torch import Tensor

from igbatch.attribution.device_sharing import DeviceLock
from igbatch.birds.scenes import render_scene
from igbatch.pipeline import prepare, rows
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration, Times
from igbatch.pipeline.models import HeldVariant, Models
from igbatch.pipeline.occupancy import Occupancy
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.study_file import load_study

SHARDS, SHARD_IMAGES = 8, 32
SIZE = (500, 375)
CLASSES, ROWS, TOLERANCE = 33, 64, 0.01
ROW_MS = (0.5, 1.0, 2.0)
"""Milliseconds that the stand-in for a GPU sleeps for a batch row: its forward and both backward passes."""
LABELS = {
    "decode": "decode, resize", "round": "round under way", "passes": "device: passes",
    "statistics": "statistics", "encode": "encode", "commit": "commit",
}  # fmt: skip
COLORS = {
    "decode": "#9aa5b1", "round": "#a7c957", "passes": "#2c6e49", "statistics": "#3d5a80",
    "encode": "#98c1d9", "commit": "#9e2a2b",
}  # fmt: skip


@dataclass
class Trace:
    """What threads did and when, and the CPU that it took."""

    spans: list[tuple[str, str, float, float]] = field(default_factory=list)  # part, thread, from, to
    cpu: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note the block; what it calls that is noted too is not part of it."""
        before = self._of_thread()
        begun, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            own = time.thread_time() - cpu
            with self._lock:
                inner = self._of_thread() - before
                self.cpu[name] = self.cpu.get(name, 0.0) + own - inner
                self._inner.value = before + own
                self.spans.append((name, threading.current_thread().name, begun, time.perf_counter()))

    _inner: Any = field(default_factory=threading.local)

    def _of_thread(self) -> float:
        return float(getattr(self._inner, "value", 0.0))


def traced(trace: Trace) -> ExitStack:
    """Return patches that note what a worker does."""

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            with trace.part(name):
                return function(*arguments, **named)

        return call

    stack = ExitStack()
    for holder, attribute, name in (
        (prepare, "prepare", "decode"), (rows.ShardRows, "_measure", "statistics"),
        (ShardWriter, "add_maps", "encode"), (ShardWriter, "add_image_stats", "encode"),
        (ShardWriter, "add_box_stats", "encode"), (ShardWriter, "commit", "commit"),
        (ShardComputer, "_attribute", "engine"),
    ):  # fmt: skip
        stack.enter_context(mock.patch.object(holder, attribute, noted(name, getattr(holder, attribute))))
    passes, turn = DeviceLock.passes, DeviceLock.round

    @contextmanager
    def noted_passes(self: DeviceLock, device: torch.device) -> Iterator[None]:
        with trace.part("passes"), passes(self, device):
            yield

    @contextmanager
    def noted_round(self: DeviceLock) -> Iterator[None]:
        with trace.part("round"), turn(self):
            yield

    stack.enter_context(mock.patch.object(DeviceLock, "passes", noted_passes))
    stack.enter_context(mock.patch.object(DeviceLock, "round", noted_round))
    return stack


class Pace:
    """How long the stand-in sleeps for a batch row: for its forward and both backward passes."""

    row_seconds = 0.0


def stand_in() -> mock._patch[Any]:
    """Return a patch that puts the stand-in in the place of a variant's model."""
    weights = torch.randn(3 * 224 * 224, CLASSES, generator=torch.Generator().manual_seed(1)) / 50
    bends = torch.linspace(0.8, 1.2, CLASSES)

    def forward(self: Models, variant: HeldVariant, precision: str) -> Any:
        def logits(points: Tensor, example_indices: Tensor) -> Tensor:
            time.sleep(Pace.row_seconds * len(points))
            found: Tensor = StandIn.apply(points, weights, bends)
            return found

        return logits

    return mock.patch.object(Models, "forward", forward)


def planned(folder: Path, kind: str) -> tuple[Plan, Output]:
    """Write images and a study of them, and plan it."""
    images = folder / "images"
    images.mkdir(parents=True)
    for seed in range(SHARDS * SHARD_IMAGES):
        drawn = Image.fromarray(render_scene(seed, "double").image).resize(SIZE)
        drawn.save(images / f"{seed:04}.{kind}", **({"quality": 90} if kind == "jpg" else {}))
    boxes = folder / "boxes.csv"
    lines = [
        f"{seed:04}.{kind},{label},{x},60,{x + 180},300"
        for seed in range(SHARDS * SHARD_IMAGES) for label, x in (("eagle", 20), ("magpie", 260))
    ]  # fmt: skip
    boxes.write_text("\n".join(["image,label,x_min,y_min,x_max,y_max", *lines]), "utf-8")
    study = folder / "study.yaml"
    content = {
        "name": "host",
        "images": {"root": str(images), "boxes": {"path": str(boxes)}},
        "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "attribution": {"tolerance": TOLERANCE, "output": "logit", "passes": "eager"},
        "run": {"device": "cpu", "threads": 1, "shard_images": SHARD_IMAGES},
    }
    study.write_text(yaml.safe_dump(content), "utf-8")
    output = Output(str(folder / "out"))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    return plan, output


def computed(folder: Path, kind: str, shards_at_once: int, share: tuple[int, int] = (0, 1)) -> dict[str, Any]:
    """Compute the shards of a study with the stand-in, as a worker does; return times and what was noted."""
    torch.set_num_threads(1)
    plan, output = planned(folder / str(share[0]), kind)
    shards = list(plan.shards())[share[0] :: share[1]]
    calibration, trace = Calibration("float32", 0.0, ROWS), Trace()
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    computer._occupancy = Occupancy(shards_at_once)
    with stand_in(), traced(trace), ThreadPoolExecutor(shards_at_once + 1, "shard") as pool:
        start = time.perf_counter()
        reports = list(pool.map(lambda shard: computer.compute(shard, calibration), shards))
        seconds = time.perf_counter() - start
    times = Times()
    for report in reports:
        times += report.times
    images = sum(report.images for report in reports)
    assert all(report.rows == 2 * report.images for report in reports)
    return {
        "images": images,
        "nodes_per_image": sum(report.nodes for report in reports) / images,
        "seconds": seconds,
        "times": asdict(times),
        "words": times.words(),
        "cpu_ms_per_image": {name: 1e3 * spent / images for name, spent in sorted(trace.cpu.items())},
        "spans": [(name, thread, begun - start, ended - start) for name, thread, begun, ended in trace.spans],
    }


def parts(folder: Path) -> dict[str, Any]:
    """Measure the parts of an image, on one worker and on two."""
    Pace.row_seconds = 0.0
    found: dict[str, Any] = {}
    for kind in ("png", "jpg"):
        alone = computed(folder / f"{kind}-one", kind, 1)
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            both = pool.starmap(
                computed, [(folder / f"{kind}-two", kind, 1, (place, 2)) for place in range(2)]
            )
        for workers, runs in ((1, [alone]), (2, both)):
            names = runs[0]["cpu_ms_per_image"]
            spent = {name: float(np.mean([run["cpu_ms_per_image"][name] for run in runs])) for name in names}
            found[f"{kind}, {workers} worker(s)"] = {
                "nodes_per_image": alone["nodes_per_image"],
                "cpu_ms_per_image": spent,
                "decode_encode_commit_ms": spent["decode"] + spent["encode"] + spent["commit"],
                "statistics_ms_per_map": spent["statistics"] / 2,
            }
    return found


def overlap(folder: Path, trace: Path | None) -> dict[str, Any]:
    """Measure how busy a stand-in for a GPU is kept, for several of its speeds; draw the last one."""
    found: dict[str, Any] = {}
    for row_ms in ROW_MS:
        Pace.row_seconds = row_ms / 1e3
        for shards in (1, 2):
            run = computed(folder / f"{row_ms}-{shards}", "jpg", shards)
            spans = run.pop("spans")
            run["busy"] = run["times"]["passes"] / run["seconds"]
            found[f"{row_ms} ms a row, {shards} shard(s) at once"] = run
            if trace is not None and shards == 2 and row_ms == ROW_MS[-1]:
                draw(spans, run, row_ms, trace)
    Pace.row_seconds = 0.0
    return found


def draw(
    spans: Sequence[tuple[str, str, float, float]], run: dict[str, Any], row_ms: float, file: Path
) -> None:
    """Draw what threads did over time."""
    threads = sorted({thread for name, thread, _, _ in spans if name in COLORS})
    figure, axes = plt.subplots(figsize=(11, 0.36 * len(threads) + 1.6), layout="constrained")
    for name, thread, begun, ended in sorted(spans, key=lambda span: span[2] - span[3]):  # long ones behind
        if name in COLORS:
            place = threads.index(thread)
            axes.barh(place, ended - begun, left=begun, height=0.8, color=COLORS[name], linewidth=0)
    axes.set_yticks(range(len(threads)), threads, fontsize=7)
    axes.set_xlabel("seconds")
    axes.set_title(
        f"{SHARDS} shards of {SHARD_IMAGES} JPEGs, {row_ms:g} ms a batch row: "
        f"passes take {run['busy']:.0%} of the time",
        loc="left", fontsize=10,
    )  # fmt: skip
    shown = [plt.Rectangle((0, 0), 1, 1, color=COLORS[name]) for name in COLORS]
    labels = [LABELS[name] for name in COLORS]
    axes.legend(
        shown, labels, ncols=6, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12), frameon=False
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=("parts", "overlap"), default=("parts", "overlap"))
    parser.add_argument("--trace", type=Path, help="draw the threads of a run to this file")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(torch.device("cpu"))}
    print(report["machine"])
    with tempfile.TemporaryDirectory() as folder:
        if "parts" in arguments.parts:
            report["parts"] = parts(Path(folder) / "parts")
            for name, found in report["parts"].items():
                spent = ", ".join(f"{part} {value:.2f}" for part, value in found["cpu_ms_per_image"].items())
                print(
                    f"{name}: ms of CPU an image of {found['nodes_per_image']:.0f} nodes: {spent}; decoding, "
                    f"encoding, committing {found['decode_encode_commit_ms']:.2f}; statistics "
                    f"{found['statistics_ms_per_map']:.2f} a map"
                )
        if "overlap" in arguments.parts:
            report["overlap"] = overlap(Path(folder) / "overlap", arguments.trace)
            for name, found in report["overlap"].items():
                rate = found["images"] / found["seconds"]
                print(f"{name}: busy {found['busy']:.1%}, {rate:.1f} images/s; {found['words']}")
    write_json(arguments.json, report)


if __name__ == "__main__":
    main()
