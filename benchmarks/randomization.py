"""What comparing stored maps costs: comparisons a second, and how cost grows with the number of variants.

Studies of 10 to 200 variants are written with drawn maps instead of a model's: filtered noise of 224 x 224,
two targets an image, through the pipeline's own rows and commits. Then they are reduced in Ray tasks on all
cores, as a run does it: maps read and compared (`measure`), summaries, values for the tests, the tests and
the joined files. The largest study is grown by ten seeds last, which must cost what ten seeds cost.

    python benchmarks/randomization.py [--variants 10 50 100 200] [--images 8] [--repeats 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import yaml
from measure import machine, wide_console, write_json
from rich.table import Table
from scipy.ndimage import gaussian_filter

from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.cluster import map_shards
from igbatch.pipeline.messages import ShardReport
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.prepare import PreparedImage, prepare
from igbatch.pipeline.rows import ShardRows
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.session import ray_session
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.randomization.study import reduce_randomization
from igbatch.reduce.study import reduce_study
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study import Randomization
from igbatch.study_file import load_study

GROWN_BY = 10
PAIRS = 2


@dataclass
class Timed:
    """`map_shards`, with the seconds that passed in each function's tasks."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        start = time.perf_counter()
        yield from map_shards(function, tasks)
        passed = time.perf_counter() - start
        self.seconds[function.__name__] = self.seconds.get(function.__name__, 0.0) + passed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, nargs="+", default=[10, 50, 100, 200])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    console = wide_console()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, ray_session():
        list(map_shards(warm, range(4)))
        folder = Path(name)
        for variants in arguments.variants:
            output = write_study(folder, variants, arguments.images)
            reduce_study(output, map_shards)  # the ranges, and all else once
            for _ in range(arguments.repeats):
                shutil.rmtree(output.path("measures"))
                rows.append({"variants": variants, "grown": False, **reduce_once(output)})
                console.log(rows[-1])
        grown = write_study(
            folder, max(arguments.variants) + GROWN_BY, arguments.images, max(arguments.variants)
        )
        rows.append({"variants": max(arguments.variants) + GROWN_BY, "grown": True, **reduce_once(grown)})
    show(rows, console)
    write_json(arguments.json, {"machine": machine(torch.device("cpu")), "rows": rows})


def warm(number: int) -> int:
    """Import on every core what tasks need."""
    import igbatch.reduce.randomization.study  # noqa: F401

    time.sleep(0.5)
    return number


def write_study(folder: Path, variants: int, images: int, since: int = 0) -> Output:
    """Write a study of one trained and many random variants, or the variants that it has not yet."""
    study = folder / "study.yaml"
    content = {
        "name": "randomization-benchmark",
        "images": {"scenes": [{"kind": "double", "first_seed": 0, "count": images}]},
        "models": {"small": {"weights": "bundled"}},
        "targets": ["eagle", "magpie"],
        "variants": [{"kind": "trained"}, {"kind": "random", "first_seed": 1, "count": variants - 1}],
        "attribution": {"steps": 1, "rule": "midpoint"},
        "randomization": {"random_pairs": PAIRS},
    }
    study.write_text(yaml.safe_dump(content))
    output = Output(str(folder / f"out-{since or variants}"))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    prepared: dict[str, PreparedImage] = {}
    for shard in plan.shards():
        write_shard(plan, output, shard, prepared)
    return output


def write_shard(plan: Plan, output: Output, shard: Shard, prepared: dict[str, PreparedImage]) -> None:
    """Commit a shard of drawn maps."""
    preprocessing = Preprocessing.from_data_config(plan.resolved.models["small"].data_config)
    writer = ShardWriter(output, shard.spec.variant_id, shard.name, shard.fingerprint)
    report = ShardReport(shard.name, len(shard.images))
    with writer, ShardRows(writer, shard, plan.resolved.study.attribution, report) as rows:
        for entry in shard.images:
            if entry.image_id not in prepared:
                found = prepare(entry, preprocessing)
                assert isinstance(found, PreparedImage)
                prepared[entry.image_id] = found
            for index, target in enumerate(shard.targets):
                drawn = drawn_map(shard.spec.variant_id, entry.image_id, target)
                rows.add(
                    prepared[entry.image_id],
                    facts(prepared[entry.image_id], target, index, drawn),
                    drawn,
                    0.0,
                )
        rows.commit()


def drawn_map(*names: str) -> np.ndarray:
    """Return filtered noise, the trained model's a hundred times stronger."""
    rng = np.random.default_rng(list("/".join(names).encode()))
    smooth = gaussian_filter(rng.normal(size=(224, 224)), 2)
    return (smooth * (1e-2 if names[0] == "trained" else 1e-4)).astype(np.float32)


def facts(image: PreparedImage, target: str, index: int, drawn: np.ndarray) -> dict[str, Any]:
    """Return what a worker would say of a map beside its own numbers."""
    return {
        "image_id": image.entry.image_id, "label": image.label, "target": target, "target_index": index,
        "prediction": "eagle", "prediction_index": 0, "prediction_probability": 0.9,
        "target_probability": 0.5, "score": float(drawn.sum(dtype=np.float64)), "score_baseline": 0.0,
        "steps": 1, "precision": "float32", "device": "cpu", "image_etag": image.entry.etag,
        "image_sha256": image.sha256, "image_width": image.width, "image_height": image.height,
        "weights_sha256": "0" * 64,
    }  # fmt: skip


def reduce_once(output: Output) -> dict[str, Any]:
    """Reduce a study and tell what it took."""
    whole = output.read_table(output.path("ranges.parquet")).to_pandas().set_index("scope").loc["dataset"]
    dataset, timed = {"": (float(whole["minimum"]), float(whole["maximum"]))}, Timed()
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    found = reduce_randomization(Reader(output), Randomization(random_pairs=PAIRS), dataset, timed)
    seconds = time.perf_counter() - start
    inside = timed.seconds
    return {
        "comparisons": found.comparisons,
        "new_parts": found.new_parts,
        "seconds": seconds,
        "measure": inside.get("measure_slice", 0.0),
        "summaries": inside.get("summary_of", 0.0),
        "values": inside.get("values_of", 0.0),
        "rest": seconds - sum(inside.values()),
        "driver_mb": (psutil.Process().memory_info().rss - before) / 2**20,
    }


COLUMNS = ("seconds", "measure", "summaries", "values", "rest")


def show(rows: list[dict[str, Any]], console: Any) -> None:
    """Print a row for every number of variants: medians over repeats."""
    table = Table(title="Comparing the maps of a study, seconds")
    heads = ("variants", "comparisons", "in all", "measure", "summaries", "values", "tests, files")
    for head in (*heads, "ms a variant", "comparisons/s", "driver +MB"):
        table.add_column(head, justify="right")
    for key in dict.fromkeys((row["variants"], row["grown"]) for row in rows):
        same = [row for row in rows if (row["variants"], row["grown"]) == key]
        of = {name: statistics.median(row[name] for row in same) for name in same[0] if name != "grown"}
        computed = GROWN_BY if key[1] else key[0]
        table.add_row(
            f"{key[0]}, {GROWN_BY} new" if key[1] else f"{key[0]}",
            f"{of['comparisons']:,.0f}",
            *(f"{of[name]:.1f}" for name in COLUMNS),
            f"{1000 * of['seconds'] / computed:.0f}",
            f"{of['comparisons'] / of['measure']:.0f}",
            f"{of['driver_mb']:.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
