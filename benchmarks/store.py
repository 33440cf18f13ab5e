"""How maps are best kept: bytes, seconds and errors of encodings, and who reads them.

Computes real maps with the bundled model, as trained and with random weights, and writes each kind to Parquet
the way `ShardWriter` does, a row group of 16 maps at a time, in every case below. Faint maps are those of
random weights times 1e-6. A file is read back with pyarrow from memory, on one thread; speeds are per CPU
second.

    python benchmarks/store.py --json store.json        # 2 minutes
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from measure import bundled_case, machine, wide_console, write_json
from rich.table import Table

from igbatch.attribution import integrated_gradients
from igbatch.store.commit import ShardWriter
from igbatch.store.encoding import map_table, stored_maps
from igbatch.store.output import Output

GROUP = 16
"""Maps of a row group: 8 images with two targets."""

ELEMENT = "attribution.list.element"
SPLIT, DELTA = {ELEMENT: "BYTE_STREAM_SPLIT"}, {ELEMENT: "DELTA_BINARY_PACKED"}
CASES: dict[str, tuple[str, str, int | None, dict[str, str] | None]] = {
    "float32 plain": ("float32", "none", None, None),
    "float32 snappy": ("float32", "snappy", None, None),
    "float32 lz4": ("float32", "lz4", None, None),
    "float32 zstd 1": ("float32", "zstd", 1, None),
    "float32 zstd 3": ("float32", "zstd", 3, None),
    "float32 zstd 9": ("float32", "zstd", 9, None),
    "float32 split": ("float32", "none", None, SPLIT),
    "float32 split snappy": ("float32", "snappy", None, SPLIT),
    "float32 split lz4": ("float32", "lz4", None, SPLIT),
    "float32 split zstd 1 (kept)": ("float32", "zstd", 1, SPLIT),
    "float32 split zstd 3": ("float32", "zstd", 3, SPLIT),
    "float32 split zstd 9": ("float32", "zstd", 9, SPLIT),
    "int16 plain": ("int16", "none", None, None),
    "int16 zstd 1": ("int16", "zstd", 1, None),
    "int16 zstd 3": ("int16", "zstd", 3, None),
    "int16 delta": ("int16", "none", None, DELTA),
    "int16 delta zstd 1 (kept)": ("int16", "zstd", 1, DELTA),
    "int16 split lz4": ("int16", "lz4", None, SPLIT),
    "int16 split zstd 1": ("int16", "zstd", 1, SPLIT),
    "int16 split zstd 3": ("int16", "zstd", 3, SPLIT),
    "float16 zstd 1": ("float16", "zstd", 1, None),
    "float16 split zstd 1": ("float16", "zstd", 1, SPLIT),
}


def real_maps(scenes: int, steps: int) -> dict[str, np.ndarray]:
    """Return maps by kind, float32 [2 scenes, 224, 224]."""
    found = {}
    for kind in ("trained", "random"):
        case = bundled_case(kind, range(scenes))
        maps = []
        for start in range(0, scenes, 8):
            part = case.part(start, start + 8)
            result = integrated_gradients(
                part.model, part.images, targets=list(part.targets), baseline=part.baseline, steps=steps
            )
            maps.append(result.attributions.flatten(0, 1).numpy())
        found[kind] = np.concatenate(maps)
    found["random, faint"] = found["random"] * np.float32(1e-6)
    return found


def table_of(maps: np.ndarray, number: str) -> pa.Table:
    """Return maps as rows, in a number format."""
    ids, targets = [f"image-{index}" for index in range(len(maps))], ["eagle"] * len(maps)
    if number != "float16":
        return map_table("v", ids, targets, maps, "int16" if number == "int16" else "float32")
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(maps.astype(np.float16))
    return pa.table(
        {"variant_id": ["v"] * len(maps), "image_id": ids, "target": targets, "attribution": tensor}
    )


def encoded(maps: np.ndarray, case: str) -> bytes:
    """Return maps as the bytes of a Parquet file; the integers of int16 are found here as well."""
    number, compression, level, encoding = CASES[case]
    sink, writer = io.BytesIO(), None
    for start in range(0, len(maps), GROUP):
        table = table_of(maps[start : start + GROUP], number)
        if writer is None:
            writer = pq.ParquetWriter(
                sink, table.schema, compression=compression, compression_level=level,
                use_dictionary=False, column_encoding=encoding,
            )  # fmt: skip
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return sink.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """Return the maps of a file: float32 [n, height, width]."""
    return stored_maps(pq.read_table(io.BytesIO(data), use_threads=False))


def best(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the least CPU seconds of a call, which other work disturbs little, and its result."""
    least, found = np.inf, None
    for _ in range(repeats):
        start = time.process_time()
        found = function()
        least = min(least, time.process_time() - start)
    return least, found


def error_of(maps: np.ndarray, found: np.ndarray) -> float:
    """Return the largest error of a map in units of its largest absolute value."""
    peaks = np.abs(maps).max(axis=(1, 2))
    return float((np.abs(found.astype(np.float64) - maps).max(axis=(1, 2)) / peaks).max())


def readers_of(data: bytes, maps: np.ndarray, case: str) -> str:
    """Say what pandas, DuckDB and polars make of a file: `ok`, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "maps.parquet")
        Path(path).write_bytes(data)
        expected = np.asarray(pq.read_table(path)["attribution"].combine_chunks().to_numpy_ndarray())[
            0
        ].ravel()
        ways: dict[str, Callable[[], Any]] = {
            "pandas": lambda: pd.read_parquet(path)["attribution"][0],
            "DuckDB": lambda: duckdb.sql(f"select attribution from '{path}'").fetchnumpy()["attribution"][0],
            "polars": lambda: pl.read_parquet(path)["attribution"].ext.storage().to_numpy()[0],
        }
        found = {}
        for name, way in ways.items():
            try:
                same = np.array_equal(np.asarray(way(), dtype=expected.dtype).ravel(), expected)
                found[name] = "ok" if same else "other numbers"
            except BaseException as error:  # polars panics outside of Exception
                found[name] = f"{type(error).__name__}"
    return ", ".join(f"{name} {result}" for name, result in found.items())


def compare(maps: dict[str, np.ndarray], repeats: int) -> list[dict[str, Any]]:
    """Write and read every kind of maps in every case."""
    rows = []
    for case in CASES:
        for kind, arrays in maps.items():
            writing, data = best(lambda: encoded(arrays, case), repeats)  # noqa: B023
            reading, found = best(lambda: decoded(data), repeats)  # noqa: B023
            rows.append({
                "case": case, "maps": kind, "bytes_a_map": len(data) / len(arrays),
                "ratio": arrays.nbytes / len(data), "write_mb_s": arrays.nbytes / writing / 1e6,
                "read_mb_s": arrays.nbytes / reading / 1e6, "error": error_of(arrays, found),
                "readers": readers_of(data, arrays, case),
            })  # fmt: skip
    return rows


def look_up(maps: np.ndarray, repeats: int) -> dict[str, float]:
    """Measure one map out of a shard of 480 maps, 92 MiB as float32, on the local disk: milliseconds each."""
    found = {}
    for encoding in ("float32", "int16"):
        with tempfile.TemporaryDirectory() as folder:
            output = Output(folder)
            with ShardWriter(output, "v", "s", "f", encoding=encoding) as writer:
                for start in range(0, 480, GROUP):
                    part = np.resize(maps, (GROUP, *maps.shape[1:]))
                    writer.add_maps(
                        [f"image-{start + index:06d}" for index in range(GROUP)], ["eagle"] * GROUP, part
                    )
                writer.commit()
            path = output.data_path("attributions", "v", "s", writer.attempt)
            seconds, table = best(
                lambda: stored_maps(pq.read_table(path, filters=[("image_id", "=", "image-000200")])),  # noqa: B023
                10 * repeats,
            )
            assert len(table) == 1
            found[encoding] = 1e3 * seconds
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--maps", type=Path, help="an .npz file to keep the maps in, and to take them from")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.maps and arguments.maps.is_file():
        with np.load(arguments.maps) as kept:
            maps = {name: kept[name] for name in kept.files}
    else:
        maps = real_maps(arguments.scenes, arguments.steps)
        if arguments.maps:
            np.savez(arguments.maps, **maps)
    rows = compare(maps, arguments.repeats)
    table = Table(
        "encoding",
        "maps",
        "kB a map",
        "ratio",
        "writing MB/CPU s",
        "reading MB/CPU s",
        "error / max|a|",
        "readers",
    )
    for row in rows:
        table.add_row(
            row["case"], row["maps"], f"{row['bytes_a_map'] / 1e3:.1f}", f"{row['ratio']:.2f}",
            f"{row['write_mb_s']:.0f}", f"{row['read_mb_s']:.0f}", f"{row['error']:.1e}", row["readers"],
        )  # fmt: skip
    console = wide_console()
    console.print(table)
    lookups = look_up(maps["trained"], arguments.repeats)
    console.print(
        "One map of a shard of 480:", ", ".join(f"{name} {ms:.1f} ms" for name, ms in lookups.items())
    )
    if arguments.json:
        this = machine(torch.device("cpu"))
        write_json(arguments.json, {"machine": this, "rows": rows, "lookups_ms": lookups})


if __name__ == "__main__":
    main()
