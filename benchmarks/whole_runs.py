"""Whole runs of `igbatch run` on files: images a second to committed maps, and how busy the device was.

A run is a process of its own, as a user starts it. Images are drawn scenes of 500 x 375, JPEG and PNG files,
explained for two targets at a tolerance of 1 %, all maps kept, under random variants; an image counts once a
variant. Two rates are reported: between the first commit and the last, and from the call to the last commit,
with the start of Ray, loading and what `auto` comes to. Busy is what the run itself reports. When it has, or
takes too long, it is interrupted: what it committed counts, and nothing is reduced or drawn.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIZE = (500, 375)
SHARD_IMAGES = 64
TARGETS = {"first": 0, "second": 3}
"""Classes that all models have."""
SWIN_BASE = {"architecture": "swin_base_patch4_window7_224", "weights": "pretrained"}
"""Random variants read no weights, so nothing is fetched."""
NEEDED = ("ray", "pyarrow", "pydantic", "click", "fsspec")
"""What a run needs beside what the engine needs."""
END_SECONDS = 20.0
"""How long an interrupted run may take to end."""
WORDS = re.compile(
    r"device was busy (\d+)% of the time, with passes (\d+)%; it was held back (.+?%\)|by the p\w+)"
)


@dataclass(frozen=True)
class WholeRun:
    """A run to be measured.

    Attributes:
        name: of its figures.
        model: the study's section of its model.
        images, variants: how many.
        per_gpu: `run.workers_per_gpu`.
        rate, busy: what is required on a GPU: images a second, and the part of the time; None: nothing.
    """

    name: str
    model: dict[str, str]
    images: int
    variants: int
    per_gpu: int = 1
    rate: float | None = None
    busy: float | None = None


def whole_runs(images: int | None) -> Iterator[WholeRun]:
    """Yield the runs, important ones first: of so many images under one variant, or of enough for a GPU."""
    many, few = ((images, 1), (images, 1)) if images else ((256, 16), (256, 2))
    yield WholeRun("bundled, 4 workers", {"weights": "bundled"}, *many, per_gpu=4, rate=200.0)
    yield WholeRun("bundled, 1 worker", {"weights": "bundled"}, *many, rate=200.0)
    yield WholeRun("swin_base, 1 worker", SWIN_BASE, *few, busy=0.9)


def missing_packages() -> list[str]:
    """Return the packages that a run needs and this Python lacks."""
    return [name for name in NEEDED if find_spec(name) is None]


def write_images(folder: Path, count: int) -> None:
    """Draw scenes into files, JPEG and PNG in turns, where they are not there yet."""
    from igbatch.birds.scenes import render_scene

    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        file = folder / f"{seed:05}.{'png' if seed % 2 else 'jpg'}"
        if not file.exists():
            Image.fromarray(render_scene(seed, "double").image).resize(SIZE).save(file, quality=90)


def write_study(folder: Path, run: WholeRun, device: str) -> Path:
    """Write the images and the study of a run; runs of as many images share them."""
    images = folder / f"images-{run.images}"
    write_images(images, run.images)
    study = folder / "study.yaml"
    content = {
        "name": "whole", "images": {"root": str(images)}, "models": {"model": run.model}, "targets": TARGETS,
        "variants": [{"kind": "random", "first_seed": 1, "count": run.variants}],
        "attribution": {"tolerance": 0.01}, "store": {"maps": "all"},
        "run": {"device": device, "workers_per_gpu": run.per_gpu, "shard_images": SHARD_IMAGES},
    }  # fmt: skip
    study.write_text(yaml.safe_dump(content), "utf-8")
    return study


def command(study: Path, out: Path) -> list[str]:
    """Return the call of a run."""
    return [sys.executable, "-m", "igbatch.cli", "run", str(study), "--out", str(out)]


def measured(folder: Path, run: WholeRun, device: str, seconds: float) -> dict[str, Any]:
    """Measure a run, of so many seconds at most.

    Raises:
        RuntimeError: it failed, or committed nothing in that time.
    """
    study, out, log = write_study(folder, run, device), folder / "out", folder / "log"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "400"}
    began = time.time()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(study, out), stdout=output, stderr=output, env=environment, start_new_session=True
        )
        try:
            while process.poll() is None and time.time() - began < seconds and not reported(log):
                time.sleep(0.2)
            failed = process.poll() not in (None, 0)
        finally:
            end(process)
    text = " ".join(log.read_text("utf-8", errors="replace").split())
    if failed:
        raise RuntimeError(f"{run.name}: {text[-200:]}")
    commits = list(committed(out))
    if not commits:
        raise RuntimeError(f"{run.name}: nothing was committed in {seconds:.0f} s: {text[-200:]}")
    words = reported(log)
    result: dict[str, Any] = {
        "run": run.name, "images": run.images * run.variants, "committed": sum(count for _, count in commits),
        **rates(commits, began), "busy": None, "passes": None, "held_back": None,
    }  # fmt: skip
    if words is not None:
        result |= {"busy": int(words[1]) / 100, "passes": int(words[2]) / 100, "held_back": words[3]}
    return {**result, "required": {"images_per_second": run.rate, "busy": run.busy}}


def reported(log: Path) -> re.Match[str] | None:
    """Return what a run reported of its time, None where it has not yet."""
    return WORDS.search(" ".join(log.read_text("utf-8", errors="replace").split()))


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a run, which ends its Ray, and kill what is left of it."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def committed(out: Path) -> Iterator[tuple[float, int]]:
    """Yield when each shard was committed, seconds of the epoch, and its number of images, in that order."""
    import pyarrow.parquet as pq

    files = sorted(out.glob("image_stats/*/*.parquet"), key=lambda file: file.stat().st_mtime)
    for file in files:
        yield file.stat().st_mtime, pq.read_metadata(file).num_rows // len(TARGETS)


def rates(commits: Sequence[tuple[float, int]], began: float) -> dict[str, float | None]:
    """Return images a second from the first commit to the last (None of one alone), and from the call on."""
    (first, first_images), (last, _) = commits[0], commits[-1]
    images = sum(count for _, count in commits)
    return {
        "first_commit_seconds": first - began,
        "images_per_second": (images - first_images) / (last - first) if last > first else None,
        "images_per_second_from_call": images / (last - began),
    }


def line_of(result: dict[str, Any]) -> str:
    """Return the result of a run as a line."""
    rate, busy, required = result["images_per_second"], result["busy"], result["required"]
    steady = "one commit" if rate is None else f"{rate:.1f} images/s between commits"
    least = f" (required: {required['images_per_second']:g})" if required["images_per_second"] else ""
    busy_time = "interrupted before it reported how busy the device was"
    if busy is not None:
        least_busy = f" (required: {required['busy']:.0%})" if required["busy"] else ""
        busy_time = f"device busy {busy:.0%}{least_busy}, passes {result['passes']:.0%}"
        busy_time += f", held back {result['held_back']}"
    return (
        f"whole run, {result['run']}: {result['committed']} of {result['images']} images, {steady}{least}, "
        f"{result['images_per_second_from_call']:.1f} from the call on, first commit after "
        f"{result['first_commit_seconds']:.1f} s; {busy_time}"
    )
