"""Ranges of every scope over millions of rows of statistics: seconds and peak memory, by number of rows.

Writes the statistics of a made-up study with the program's own writer: variants of `--images` images and two
targets, shards of `--shard-images`. Histograms are those of real maps of the bundled model (trained and with
random weights), each count drawn anew around the real one, which compresses a little worse. The largest study
is written once; the smaller ones list fewer of its variants. Every figure comes from a fresh process.

    python benchmarks/reduce.py --json reduce.json        # 1, 2, 5 and 10 million rows; about 4 minutes
    python benchmarks/reduce.py --boxes --images 1000000 --variants 3 --only reduce_study report

*Summed*: all rows of a shard count, so that the sum of its histograms is taken. *Rows*: one image of every
shard was removed from the study, so that every histogram is read. With `--boxes` every image has a box of one
of the targets. *Report*: the page and tables of a reduced study of statistics alone, without figures.
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
from rich.table import Table

from igbatch.reduce.image_ranges import IMAGE_SCOPES, joined
from igbatch.reduce.ranges import RangeSummary
from igbatch.reduce.study import reduce_study
from igbatch.reduce.variant_scan import scan_variant
from igbatch.statistics.histogram import N_BINS, histogram
from igbatch.store import schemas
from igbatch.store.commit import stats_bytes
from igbatch.store.output import Output, table_bytes
from igbatch.store.reader import Reader
from igbatch.study import Study

TARGETS = ("eagle", "magpie")
POOL = 4096
"""Different histograms of the made-up study."""

EXTREMES = {"minimum": np.fmin, "maximum": np.fmax}
MAX_SECONDS, MAX_GIB = 30.0, 1.5
MAX_REPORT_SECONDS = 10.0


def real_histograms(scenes: int = 4, steps: int = 8) -> np.ndarray:
    """Return histograms of real maps, int32 [maps, N_BINS]: both targets, trained and random weights."""
    from measure import bundled_case

    from igbatch.attribution import integrated_gradients

    found = []
    for kind in ("trained", "random"):
        case = bundled_case(kind, range(scenes))
        result = integrated_gradients(
            case.model, case.images, targets=list(case.targets), baseline=case.baseline, steps=steps
        )
        found += [histogram(each) for each in result.attributions.flatten(0, 1).numpy()]
    return np.stack(found)


def write_study(folder: Path, variants: int, images: int, shard_images: int, boxes: bool) -> None:
    """Write the statistics of a study of `variants`, in two processes."""
    rng = np.random.default_rng(0)
    real = real_histograms()
    pool = rng.poisson(real[rng.integers(0, len(real), POOL)]).astype(np.int32)
    np.save(folder / "pool.npy", pool)
    tasks = [(folder, variant, images, shard_images, boxes) for variant in range(variants)]
    with ProcessPoolExecutor(2) as processes:
        for _ in processes.map(write_variant, tasks):
            pass


def write_variant(task: tuple[Path, int, int, int, bool]) -> None:
    """Write the shards of one variant."""
    folder, variant, images, shard_images, boxes = task
    output = Output(str(folder))
    pool = np.load(folder / "pool.npy")
    rng = np.random.default_rng(variant)
    for start in range(0, images, shard_images):
        count = min(shard_images, images - start)
        attempt = f"{start:016x}-{variant:08x}"
        rows = shard_rows(variant, start, count, attempt, pool, rng)
        if boxes:
            path = Path(output.data_path("box_stats", f"variant-{variant}", f"{start:016x}", attempt))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(table_bytes(box_rows(variant, start, count, rng)))
            place = rows.column_names.index("box_stats_bytes")
            sizes = pa.array([path.stat().st_size] * len(rows), pa.int64())
            rows = rows.set_column(place, rows.schema.field(place), sizes)
        record = {"version": 1, "attempt": attempt, "fingerprint": "f", "rows": len(rows), "files": {}}
        data = stats_bytes(rows, record)
        path = Path(output.commit_path(f"variant-{variant}", f"{start:016x}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)  # without waiting for the disk, as `Output.put` does


def shard_rows(
    variant: int, start: int, images: int, attempt: str, pool: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Return the rows of `schemas.IMAGE_STATS` of one shard."""
    numbers, rows = range(start, start + images), images * len(TARGETS)

    def twice(values: list[str]) -> pa.Array:
        return pa.array([value for value in values for _ in TARGETS])

    lists = pool[rng.integers(0, len(pool), rows)].ravel()
    texts = {
        "variant_id": pa.array([f"variant-{variant}"] * rows),
        "image_id": twice([image_id(number) for number in numbers]),
        "target": pa.array([*TARGETS] * images),
        "image_etag": twice([etag(number) for number in numbers]),
        "image_sha256": twice([f"{number:064x}" for number in numbers]),
        "weights_sha256": pa.array([f"{variant:064x}"] * rows),
        "attempt": pa.array([attempt] * rows),
        "histogram": pa.ListArray.from_arrays(
            pa.array(np.arange(0, len(lists) + 1, N_BINS, dtype=np.int32)), pa.array(lists)
        ),
    }
    columns = []
    for field in schemas.IMAGE_STATS:
        if field.name in texts:
            columns.append(texts[field.name])
        elif pa.types.is_float64(field.type):
            sign = -1.0 if field.name in ("minimum", "negative_sum", "q01") else 1.0
            columns.append(pa.array(sign * rng.lognormal(-8, 1, rows)))
        elif pa.types.is_string(field.type):
            columns.append(pa.array(["some-text"] * rows))
        elif field.name.endswith("_bytes") or field.name == "other_index":
            columns.append(pa.nulls(rows, field.type))
        elif pa.types.is_boolean(field.type):
            columns.append(pa.array(np.ones(rows, bool)))
        else:
            columns.append(pa.array(np.full(rows, 224), field.type))
    return pa.Table.from_arrays(columns, schema=schemas.IMAGE_STATS)


def box_rows(variant: int, start: int, images: int, rng: np.random.Generator) -> pa.Table:
    """Return the rows of `schemas.BOX_STATS` of one shard: a box an image, of the targets in turn."""
    numbers, rows = np.repeat(np.arange(start, start + images), len(TARGETS)), images * len(TARGETS)
    sums = rng.normal(0, 0.1 if variant == 0 else 1e-4, rows)
    values = {
        "variant_id": [f"variant-{variant}"] * rows,
        "image_id": [image_id(number) for number in numbers],
        "target": [*TARGETS] * images,
        "box_id": ["0"] * rows,
        "box_label": [TARGETS[number % len(TARGETS)] for number in numbers],
        "sum": sums,
        "share": rng.random(rows),
        "density_ratio": rng.random(rows),
    }
    whole = {"pixels": 900, "x_max": 30, "y_max": 30, "visible_fraction": 1.0, "contains_peak": False}
    columns = [
        pa.array(values.get(field.name, [whole.get(field.name, 0)] * rows), field.type)
        for field in schemas.BOX_STATS
    ]
    return pa.Table.from_arrays(columns, schema=schemas.BOX_STATS)


def image_id(number: int) -> str:
    """Return an id as ImageNet has them."""
    return f"n{number // 1000:08d}/n{number // 1000:08d}_{number:08d}.JPEG"


def etag(number: int) -> str:
    """Return an etag as a folder of files gives them."""
    return f"{100_000 + number}-1700000000{number:09d}-0123456789abcdef"


def list_study(folder: Path, variants: int, images: int, shard_images: int, whole: bool) -> None:
    """Write what makes a study of the first variants, without every shard's first image if not `whole`."""
    output = Output(str(folder))
    numbers = [number for number in range(images) if whole or number % shard_images]
    texts = {
        "image_id": [image_id(number) for number in numbers],
        "uri": ["/images"] * len(numbers),
        "etag": [etag(number) for number in numbers],
    }
    columns = [pa.array(texts.get(field.name, [None] * len(numbers)), field.type) for field in schemas.IMAGES]
    output.put_table(output.path("images.parquet"), pa.Table.from_arrays(columns, schema=schemas.IMAGES))
    rows = [
        {"variant_id": f"variant-{each}", "model": "m", "kind": "random" if each else "trained"}
        for each in range(variants)
    ]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))
    study = Study.model_validate({
        "name": "made-up", "images": {"root": "/images"}, "models": {"m": {}}, "targets": list(TARGETS),
        "report": {"figures": False, "max_images": 8},
    })  # fmt: skip
    config = {"input_size": [3, 224, 224]}
    record = {
        "format": schemas.FORMAT,
        "target_names": list(TARGETS),
        "study": study.model_dump(mode="json"),
        "targets": {"m": dict(zip(TARGETS, range(2), strict=True))},
        "models": {"m": {"architecture": "swin", "weights": "sha256:0", "data_config": config}},
        "fingerprint": {row["variant_id"]: {"rule": "adaptive"} for row in rows},
        "versions": {},
        "hardware": [],
    }
    output.put_json(output.path("study.json"), record)


def every_scope(folder: str) -> dict[str, Any]:
    """Compute the ranges of every scope in one scan a variant, keeping none of those of single images."""
    reader = Reader(Output(folder))
    whole, rows, ranges = RangeSummary(), [], 0
    joint: dict[str, np.ndarray] = {}
    expected = reader.listing.size
    for variant_id in reader.variant_ids:
        found = scan_variant(reader, variant_id)
        extremes = {name: found.columns[name] for name in EXTREMES}
        for scope in IMAGE_SCOPES[:-1]:
            ranges += len(joined(reader, scope, extremes, found.present, variant_id))
        joint = {
            name: merged(joint.get(name, extremes[name]), extremes[name]) for name, merged in EXTREMES.items()
        }
        rows.append(found.ranges.row("variant", variant_id, expected))
        whole += found.ranges
    ranges += len(joined(reader, "models", joint, found.present))
    rows.append(whole.row("dataset", None, expected * len(reader.variant_ids)))
    return {
        "rows": whole.n_maps,
        "ranges": ranges + len(rows),
        "complete": all(row["complete"] for row in rows),
    }


def reduce_whole(folder: str) -> dict[str, Any]:
    """Run `igbatch reduce`'s function."""
    reduce_study(Output(folder))
    return {}


def report(folder: str) -> dict[str, Any]:
    """Run `igbatch report`'s function, keeping nothing of what it writes."""
    from igbatch.report.build import render_report
    from igbatch.results import open_study

    written: list[int] = []
    render_report(open_study(folder), lambda path, content: written.append(len(content)))
    return {"written_mb": sum(written) / 1e6}


def find_maps(folder: str) -> dict[str, Any]:
    """Find the files of a thousand maps of one variant, the first of which takes a scan."""
    reader = Reader(Output(folder))
    variant_id, images = reader.variant_ids[0], len(reader.images)
    start = time.perf_counter()
    reader.row_index(variant_id)
    scanned = time.perf_counter()
    for number in np.random.default_rng(0).integers(0, images, 1000).tolist():
        file = reader.row_index(variant_id).file_of(image_id(number), TARGETS[number % 2])
        assert file is not None
    each = (time.perf_counter() - scanned) / 1000
    return {"first_lookup_seconds": scanned - start, "next_lookup_ms": 1e3 * each}


MEASURED = {
    "every scope": every_scope,
    "reduce_study": reduce_whole,
    "find maps": find_maps,
    "report": report,
}


def measure(folder: Path, what: str) -> dict[str, Any]:
    """Run one of `MEASURED` in a fresh process: seconds, CPU seconds, peak resident memory in GiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--folder", str(folder), "--measure", what],
        stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured_here(folder: str, what: str) -> dict[str, Any]:
    """Run one of `MEASURED` in this process."""
    start = time.perf_counter()
    found = MEASURED[what](folder)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory as well
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
    return {**found, "seconds": seconds, "cpu_seconds": time.process_time(), "peak_gib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--images", type=int, default=500_000)
    parser.add_argument("--shard-images", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--boxes", action="store_true", help="write a box for every image")
    parser.add_argument("--only", nargs="+", choices=MEASURED, default=list(MEASURED))
    parser.add_argument("--folder", type=Path, help="where to write; kept, and used again if it is there")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured_here(str(arguments.folder), arguments.measure)))
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="igbatch-reduce-"))
    try:
        rows = compare(arguments, folder)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)
    show(rows)
    if arguments.json:
        import torch
        from measure import machine, write_json

        write_json(arguments.json, {"machine": machine(torch.device("cpu")), "rows": rows})


def compare(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Write the study where it is not there yet, and measure its parts."""
    sizes = (arguments.images, arguments.shard_images)
    if not (folder / "image_stats").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        write_study(folder, max(arguments.variants), *sizes, arguments.boxes)
        print(f"written in {time.perf_counter() - start:.0f} s", flush=True)
    size = sum(path.stat().st_size for path in (folder / "image_stats").rglob("*.parquet"))
    print(f"{size / 2**30:.2f} GiB of statistics", flush=True)
    rows = []
    for variants in arguments.variants:
        list_study(folder, variants, *sizes, whole=True)
        for what in arguments.only:
            if what == "find maps" and variants > 1:
                continue  # of one variant
            rows += [{"shards": "summed", "what": what, "variants": variants, **measure(folder, what)}
                     for _ in range(arguments.repeats)]  # fmt: skip
            print(rows[-1], flush=True)
    if "every scope" in arguments.only:
        list_study(folder, max(arguments.variants), *sizes, whole=False)
        rows.append({"shards": "rows", "what": "every scope", "variants": max(arguments.variants),
                     **measure(folder, "every scope")})  # fmt: skip
    maps = 2 * arguments.images
    return [{"million_rows": maps * row["variants"] / 1e6, **row} for row in rows]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the figures, the range over the repeats."""
    from measure import wide_console

    table = Table("what", "shards", "million rows", "seconds", "CPU seconds", "us a row", "peak GiB")
    for key in dict.fromkeys((row["what"], row["shards"], row["million_rows"]) for row in rows):
        same = [row for row in rows if (row["what"], row["shards"], row["million_rows"]) == key]
        seconds = [row["seconds"] for row in same]
        table.add_row(
            key[0], key[1], f"{key[2]:g}", f"{min(seconds):.1f} to {max(seconds):.1f}",
            f"{max(row['cpu_seconds'] for row in same):.1f}", f"{min(seconds) / key[2]:.2f}",
            f"{max(row['peak_gib'] for row in same):.2f}",
        )  # fmt: skip
    console = wide_console()
    console.print(table)
    console.print(
        f"Limits: every scope over 10 million rows in {MAX_SECONDS:g} s and {MAX_GIB:g} GiB; the report of 6 "
        f"million in {MAX_REPORT_SECONDS:g} s."
    )


if __name__ == "__main__":
    main()
