"""A study on an object store from images to results, over HTTP, with Ray: computed, killed, resumed, read."""

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from helpers import Command

from igbatch import open_study
from igbatch.birds.scenes import write_scenes
from igbatch.results import StudyResults
from igbatch.store.output import Output

KEY = ["variant_id", "image_id", "target"]
NUMBERS = [
    "score",
    "score_baseline",
    "minimum",
    "maximum",
    "sum",
    "abs_sum",
    "q50",
    "convergence_delta",
    "steps",
]


def write_study(path: Path, content: dict[str, Any], root: str) -> Path:
    changes = {
        "images": {"root": root, "boxes": f"{root}/boxes.csv"},
        "attribution": {"steps": 2, "micro_batch": 4},
        "run": {"shard_images": 1, "threads": 1, "workers": 1},  # so that some are left when it is killed
        "randomization": {},
    }
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def numbers(results: StudyResults) -> pd.DataFrame:
    return results.image_stats.set_index(KEY)[NUMBERS].sort_index()


@pytest.mark.slow
def test_killed_resumed_and_read_on_s3_it_is_the_same_as_undisturbed_on_a_disk(
    s3: Any,
    tiny_content: dict[str, Any],
    tmp_path: Path,
    compute_study: Callable[..., Output],
    call: Command,
    warm_workers: None,
) -> None:
    """The run that is killed is a process; those after it are calls of this one."""
    bucket, scenes = s3.new_bucket(), tmp_path / "scenes"
    write_scenes(scenes, 3, first_seed=40, kind="single")
    for path in scenes.iterdir():
        s3.client.upload_file(str(path), bucket, f"images/{path.name}")
    out = f"s3://{bucket}/out"
    study = write_study(tmp_path / "s3.yaml", tiny_content, f"s3://{bucket}/images")

    def committed() -> dict[str, bytes]:
        found: dict[str, bytes] = s3.objects(bucket, "out/image_stats/")
        return found

    def committed_files() -> int:
        return int(s3.client.list_objects_v2(Bucket=bucket, Prefix="out/image_stats/")["KeyCount"])

    log, run = tmp_path / "killed.log", ("run", study, "--out", out)
    with open(log, "wb") as file:
        driver = subprocess.Popen(
            [sys.executable, "-m", "igbatch.cli", *map(str, run)], stdout=file, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 240
    while driver.poll() is None and time.monotonic() < deadline:
        if "rows to compute" in log.read_text() and committed_files():
            break
        time.sleep(0.3)  # each look costs the server what a pass costs the worker
    driver.kill()
    driver.wait()
    before = committed()
    assert 0 < len(before) < 6, log.read_text()
    resumed = call(*run)
    assert resumed.code == 0, resumed.err
    assert f"target {tiny_content['targets'][0]}" in resumed.out
    after = committed()
    assert before.items() <= after.items()
    assert len(after) == 6
    plain = pa.concat_tables(pq.read_table(io.BytesIO(data)) for data in after.values())
    assert plain.num_rows == 12
    again = call(*run)
    assert again.code == 0, again.err
    assert "nothing to compute" in again.out
    assert committed() == after
    assert f"report: {out}/report/index.html" in again.out.splitlines()

    on_disk = write_study(tmp_path / "local.yaml", tiny_content, str(scenes))
    local = compute_study(on_disk, tmp_path / "local")
    here, there = open_study(local.uri), open_study(out)
    pd.testing.assert_frame_equal(numbers(there), numbers(here))
    assert len(there.image_stats) == 12
    assert there.complete
    assert there.box_stats["sum"].tolist() == here.box_stats["sum"].tolist()
    assert there.ranges.equals(here.ranges)
    assert len(here.similarity)
    for name in ("similarity", "map_measures", "localization", "randomization", "significance"):
        pd.testing.assert_frame_equal(getattr(there, name), getattr(here, name), rtol=1e-9, check_exact=False)
    for place in numbers(there).index[:3]:
        np.testing.assert_array_equal(there.attribution(*place), here.attribution(*place))
    assert there.pixels("scene-40.png").shape == (224, 224, 3)

    held = s3.objects(bucket)
    assert "out/report/index.html" in held
    assert not [key for key in held if key.startswith("out/locks/") and key.endswith(".json")]
    printed = log.read_text() + resumed.out + resumed.err + again.out + again.err
    assert s3.secret not in printed
    for name, data in held.items():
        assert s3.secret.encode() not in data, name


def test_a_bucket_that_is_not_there_is_refused_in_one_line(s3: Any, tiny_study: Path, call: Command) -> None:
    line = call("run", tiny_study, "--out", "s3://no-such-bucket/out").refused(
        "--out s3://no-such-bucket/out: there is no bucket no-such-bucket"
    )
    assert s3.secret not in line
