"""The audit, measured: a night of millions of rows, and whether a repeated run passes.

    python benchmarks/audit.py scale --rows 10_000_000     # seconds and peak memory of one audit
    python benchmarks/audit.py repeat --runs 20            # a small study, computed again and again

*scale* writes two outputs of as many rows of `image_stats` (with the program's own writer, each with a row of
`box_stats` for its target's box) and audits the one against the other in a fresh process. The second output
differs in the last bits of every number, as another machine's would. Images are 500,000, targets two; so ten
million rows are ten variants: one trained, nine with random weights.

*repeat* really computes a study of drawn scenes, with its images in another order and shards of another size
each time, and audits each run against the first. With `--vary` the runs have other numbers of threads and
other micro-batches than the first one: their last bits differ. With `--device cuda --against cpu` a GPU's
runs are audited against a CPU's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from igbatch.audit.compare import compare
from igbatch.audit.verdict import Comparison
from igbatch.results import open_study
from igbatch.statistics.histogram import N_BINS
from igbatch.store import schemas
from igbatch.store.commit import stats_bytes
from igbatch.store.output import Output
from igbatch.study import AuditSection
from igbatch.study_file import parse_study

TARGETS = ("eagle", "magpie")
SHARD_IMAGES = 2_500
MAX_SECONDS, MAX_GIB = 60.0, 2.0
SIDES = ("before", "now")


# Scale


def write_output(folder: Path, variants: int, images: int) -> None:
    """Write both outputs, in two processes."""
    tasks = [(folder, variant, images) for variant in range(variants)]
    with ProcessPoolExecutor(2) as processes:
        for _ in processes.map(write_variant, tasks):
            pass
    for side in SIDES:
        write_study(Output(str(folder / side)), variants, images)


def write_variant(task: tuple[Path, int, int]) -> None:
    """Write the shards of one variant on both sides."""
    folder, variant, images = task
    rng = np.random.default_rng(variant)
    for start in range(0, images, SHARD_IMAGES):
        count = min(SHARD_IMAGES, images - start)
        numbers = {name: rng.lognormal(-3, 1, count * len(TARGETS)) for name in _numeric()}
        for side in SIDES:
            noise = 1.0 if side == "before" else 1 + 1e-6 * rng.standard_normal(count * len(TARGETS))
            moved = {name: values * noise for name, values in numbers.items()}
            write_shard(Output(str(folder / side)), variant, start, count, moved)


def write_shard(
    output: Output, variant: int, start: int, images: int, numbers: dict[str, np.ndarray]
) -> None:
    """Write the rows of one shard and their boxes."""
    attempt, name = f"{start:016x}-{variant:08x}", f"{start:016x}"
    boxes = box_rows(variant, start, images, numbers)
    boxes_path = Path(output.data_path("box_stats", variant_id(variant), name, attempt))
    boxes_path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(boxes, boxes_path, compression="zstd")
    rows = shard_rows(variant, start, images, attempt, numbers, boxes_path.stat().st_size)
    record = {"version": 1, "attempt": attempt, "fingerprint": "f", "rows": len(rows), "files": {}}
    path = Path(output.commit_path(variant_id(variant), name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stats_bytes(rows, record))  # without waiting for the disk, as `Output.put` does


def shard_rows(
    variant: int, start: int, images: int, attempt: str, numbers: dict[str, np.ndarray], boxes: int
) -> pa.Table:
    """Return rows of `schemas.IMAGE_STATS`; histograms are short here, for the audit reads none."""
    rows, ids = images * len(TARGETS), range(start, start + images)
    given: dict[str, pa.Array] = {
        "variant_id": pa.array([variant_id(variant)] * rows),
        "image_id": _twice([image_id(number) for number in ids]),
        "target": pa.array([*TARGETS] * images),
        "target_index": pa.array([0, 1] * images, pa.int32()),
        "prediction_index": pa.array(np.arange(rows) // 2 % 2, pa.int32()),
        "converged": pa.array(np.ones(rows, bool)),
        "image_etag": _twice([f"{number:032x}" for number in ids]),
        "attempt": pa.array([attempt] * rows),
        "histogram": pa.ListArray.from_arrays(
            np.arange(0, rows * N_BINS + 1, N_BINS, dtype=np.int32),
            pa.array(np.zeros(rows * N_BINS, np.int32)),
        ),
        "box_stats_bytes": pa.array(np.full(rows, boxes, np.int64)),
        "attributions_bytes": pa.nulls(rows, pa.int64()),
        "quarantine_bytes": pa.nulls(rows, pa.int64()),
        "other_index": pa.nulls(rows, pa.int32()),
    }
    columns = [
        given[field.name] if field.name in given else _column(field, rows, numbers)
        for field in schemas.IMAGE_STATS
    ]
    return pa.Table.from_arrays(columns, schema=schemas.IMAGE_STATS)


def box_rows(variant: int, start: int, images: int, numbers: dict[str, np.ndarray]) -> pa.Table:
    """Return rows of `schemas.BOX_STATS`: one box an image, under both targets."""
    rows, ids = images * len(TARGETS), range(start, start + images)
    given: dict[str, pa.Array] = {
        "variant_id": pa.array([variant_id(variant)] * rows),
        "image_id": _twice([image_id(number) for number in ids]),
        "target": pa.array([*TARGETS] * images),
        "box_id": pa.array(["0"] * rows),
        "box_label": _twice([TARGETS[number % 2] for number in ids]),
        "share": pa.array(np.minimum(numbers["q99"], 1.0)),
    }
    columns = [
        given[field.name] if field.name in given else _column(field, rows, numbers)
        for field in schemas.BOX_STATS
    ]
    return pa.Table.from_arrays(columns, schema=schemas.BOX_STATS)


def write_study(output: Output, variants: int, images: int) -> None:
    """Write the tables that list a study's images and variants, and its `study.json`."""
    ids = [image_id(number) for number in range(images)]
    texts = {
        "image_id": ids,
        "uri": [f"/images/{each}" for each in ids],
        "etag": [f"{number:032x}" for number in range(images)],
        "sha256": [f"{number:064x}" for number in range(images)],
    }
    columns = [pa.array(texts.get(field.name, [None] * images), field.type) for field in schemas.IMAGES]
    output.put_table(output.path("images.parquet"), pa.Table.from_arrays(columns, schema=schemas.IMAGES))
    rows = [
        {
            "variant_id": variant_id(each),
            "model": "m",
            "kind": "random" if each else "trained",
            "seed": each or None,
        }
        for each in range(variants)
    ]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))
    content = {
        "name": "scale", "images": {"root": "/images"}, "models": {"m": {}}, "targets": [*TARGETS],
        "store": {"maps": "none"}, "variants": [{"kind": "trained"}],
    }  # fmt: skip
    study = parse_study(content, "scale.yaml").model_dump(mode="json")
    names = {name: index for index, name in enumerate(TARGETS)}
    record = {
        "format": schemas.FORMAT, "target_names": list(TARGETS), "study": study, "name": "scale",
        "models": {"m": {"class_names": names}}, "versions": {}, "hardware": [], "fingerprint": {},
    }  # fmt: skip
    output.put_json(output.path("study.json"), record)


def variant_id(number: int) -> str:
    """Return an id: the first variant is the trained one."""
    return f"random-{number}" if number else "trained"


def image_id(number: int) -> str:
    """Return an id as ImageNet has them."""
    return f"n{number // 1000:08d}/n{number // 1000:08d}_{number:08d}.JPEG"


def _numeric() -> list[str]:
    fields = [*schemas.IMAGE_STATS, *schemas.BOX_STATS]
    return sorted({field.name for field in fields if pa.types.is_float64(field.type)})


def _column(field: pa.Field, rows: int, numbers: dict[str, np.ndarray]) -> pa.Array:
    if pa.types.is_float64(field.type):
        sign = -1.0 if field.name in ("minimum", "negative_sum", "q01") else 1.0
        return pa.array(sign * numbers[field.name])
    if pa.types.is_string(field.type):
        return pa.array(["some-text"] * rows)
    if pa.types.is_boolean(field.type):
        return pa.array(np.zeros(rows, bool))
    return pa.array(np.full(rows, 224), field.type)


def _twice(values: list[str]) -> pa.Array:
    return pa.array([value for value in values for _ in TARGETS])


def audited_here(folder: Path) -> dict[str, Any]:
    """Audit in this process: seconds, CPU seconds, peak resident memory in GiB."""
    start = time.perf_counter()
    found = compare(open_study(str(folder / "now")), open_study(str(folder / "before")), AuditSection())
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory as well
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
    outcomes = {check.name: check.outcome.value for check in found.checks}
    return {"seconds": seconds, "cpu_seconds": time.process_time(), "peak_gib": peak, "outcomes": outcomes}


def scale(arguments: argparse.Namespace) -> None:
    """Write the outputs where they are not there yet, and audit them in fresh processes."""
    variants = max(1, round(arguments.rows / (arguments.images * len(TARGETS))))
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="igbatch-audit-"))
    try:
        if not (folder / "now" / "study.json").is_file():
            start = time.perf_counter()
            write_output(folder, variants, arguments.images)
            print(f"written in {time.perf_counter() - start:.0f} s", flush=True)
        for _ in range(arguments.repeats):
            done = subprocess.run(
                [sys.executable, __file__, "scale", "--folder", str(folder), "--here"],
                stdout=subprocess.PIPE, text=True, check=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            rows = variants * arguments.images * len(TARGETS)
            print(
                f"{rows:,} rows a side: {found['seconds']:.1f} s ({found['cpu_seconds']:.0f} s of CPU), "
                f"peak {found['peak_gib']:.2f} GiB; load {os.getloadavg()[0]:.1f}; {found['outcomes']}",
                flush=True,
            )
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)
    print(f"Limits: {MAX_SECONDS:g} s and {MAX_GIB:g} GiB.")


# Repeat


def compute(
    folder: Path, number: int, threads: int = 1, micro_batch: int = 4, device: str = "cpu", name: str = "run"
) -> str:
    """Compute a small study in this process, its images in the order of a seed; return its output."""
    import torch
    import yaml

    from igbatch.pipeline.compute import ShardComputer
    from igbatch.pipeline.faithfulness import find_parts, lots, measure_faithfulness, measure_parts
    from igbatch.pipeline.messages import Calibration
    from igbatch.pipeline.reduction_state import state_of
    from igbatch.pipeline.run import plan_study
    from igbatch.pipeline.study_output import open_output
    from igbatch.reduce.study import reduce_study
    from igbatch.store.reader import Reader
    from igbatch.study_file import load_study

    rng = np.random.default_rng(number)
    seeds = [int(seed) for seed in rng.permutation(np.arange(1, 5))]
    content = {
        "name": "repeat",
        "images": {"scenes": [{"kind": "double", "seeds": seeds}]},
        "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [1]}],
        "attribution": {"tolerance": 0.05, "micro_batch": micro_batch},
        "run": {"shard_images": 1 + number % 4},
        "audit": {"faithfulness": {"images": {"sample": 2}, "perturbations": 3}},
    }
    path = folder / f"{name}-{number}.yaml"
    path.write_text(yaml.safe_dump(content))
    torch.set_num_threads(threads)
    output = Output(str(folder / f"{name}-{number}"))
    plan = plan_study(load_study(path, ()), output)
    open_output(output, plan.resolved, plan.images)
    computer = ShardComputer(plan.resolved, output, torch.device(device))
    calibration = Calibration("float32", 0.0, micro_batch)
    shards = list(plan.shards())
    for place in rng.permutation(len(shards)):
        computer.compute(shards[place], calibration)
    reduce_study(output)
    settings = plan.resolved.study.audit.faithfulness
    assert settings is not None
    parts = list(find_parts(Reader(output), plan.resolved, settings))
    for lot in lots(parts, 1):
        assert not measure_parts(plan.resolved, output, device, threads, calibration, lot)
    measure_faithfulness(output, plan.resolved, state_of(plan))  # what is measured is joined
    return output.uri


def repeat(arguments: argparse.Namespace) -> None:
    """Compute the study once, then again and again; audit each against the first."""
    with tempfile.TemporaryDirectory(prefix="igbatch-audit-") as name:
        device, against = arguments.device, arguments.against or arguments.device
        first = open_study(compute(Path(name), 0, device=against, name="first"))
        found = []
        for number in range(1, arguments.runs + 1):
            shape = (1 + number % 2, (3, 8, 5)[number % 3]) if arguments.vary else (1, 4)
            now = open_study(compute(Path(name), number, *shape, device=device))
            comparison = compare(now, first, AuditSection())
            found.append(comparison)
            print(f"run {number}: {'passed' if comparison.passed else 'FAILED'}", flush=True)
    show(found)


def show(found: list[Comparison]) -> None:
    """Print each check's worst figure of all runs beside its threshold."""
    table = Table("check", "worst figure", "threshold", "passed", "skipped")
    for checks in zip(*(comparison.checks for comparison in found), strict=True):
        figures = [check.figure for check in checks if check.figure is not None]
        worst = (min if checks[0].at_least else max)(figures, default=None)
        bound = f"{'at least' if checks[0].at_least else 'at most'} {checks[0].threshold:g}"
        outcomes = [check.outcome.value for check in checks]
        table.add_row(
            checks[0].name, "–" if worst is None else f"{worst:.9g}", bound,
            str(outcomes.count("passed")), str(outcomes.count("skipped")),
        )  # fmt: skip
    console = Console(width=100)
    console.print(table)
    console.print(f"{sum(comparison.passed for comparison in found)} of {len(found)} runs passed.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    large = commands.add_parser("scale", help="time and memory of an audit of millions of rows")
    large.add_argument("--rows", type=int, default=10_000_000, help="of image_stats, on each side")
    large.add_argument("--images", type=int, default=500_000)
    large.add_argument("--repeats", type=int, default=2)
    large.add_argument("--folder", type=Path, help="where to write; kept, and used again if it is there")
    large.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    large.set_defaults(run=scale)
    again = commands.add_parser("repeat", help="audits of a study that is computed again and again")
    again.add_argument("--runs", type=int, default=20)
    again.add_argument("--vary", action="store_true", help="one or two threads, and other micro-batches")
    again.add_argument("--device", default="cpu", help="that the runs are computed on")
    again.add_argument("--against", help="the device of the first run, by default the same")
    again.set_defaults(run=repeat)
    arguments = parser.parse_args()
    if getattr(arguments, "here", False):  # in a process of its own, so that its memory is that of the audit
        print(json.dumps(audited_here(arguments.folder)))
    else:
        arguments.run(arguments)


if __name__ == "__main__":
    main()
