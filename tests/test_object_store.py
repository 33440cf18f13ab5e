"""A study on an object store from images to results, over HTTP, with Ray: computed, killed, resumed, read."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from igbatch import open_study
from igbatch.birds.scenes import write_scenes
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
        "attribution": {"steps": 8, "micro_batch": 4},
        "run": {"shard_images": 1, "threads": 1},
        "randomization": {},
    }
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def start(study: Path, out: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "igbatch.cli", "run", str(study), "--out", out]
    with open(log, "wb") as file:
        return subprocess.Popen(command, cwd=study.parent, stdout=file, stderr=subprocess.STDOUT)


def finish(study: Path, out: str, log: Path) -> str:
    code = start(study, out, log).wait(timeout=240)
    assert code == 0, log.read_text()
    return log.read_text()


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.set_index(KEY)[NUMBERS].sort_index()


def test_killed_resumed_and_read_on_s3_it_is_the_same_as_undisturbed_on_a_disk(
    s3: Any, tiny_content: dict[str, Any], tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    bucket, scenes = s3.new_bucket(), tmp_path / "scenes"
    write_scenes(scenes, 3, first_seed=40, kind="single")
    for path in scenes.iterdir():
        s3.client.upload_file(str(path), bucket, f"images/{path.name}")
    out = f"s3://{bucket}/out"
    study = write_study(tmp_path / "s3.yaml", tiny_content, f"s3://{bucket}/images")

    def committed() -> dict[str, bytes]:
        return {key: data for key, data in s3.objects(bucket).items() if key.startswith("out/image_stats/")}

    logs = [tmp_path / f"{name}.log" for name in ("killed", "resumed", "again")]
    driver = start(study, out, logs[0])
    deadline = time.monotonic() + 240
    while not committed() and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    before = committed()
    assert before, logs[0].read_text()
    assert f"target {tiny_content['targets'][0]}" in finish(study, out, logs[1])
    after = committed()
    assert before.items() <= after.items()
    assert len(after) == 6
    assert "nothing to compute" in finish(study, out, logs[2])
    assert committed() == after
    assert f"report: {out}/report/index.html" in logs[2].read_text().splitlines()

    local = compute_study(write_study(tmp_path / "local.yaml", tiny_content, str(scenes)), tmp_path / "local")
    pd.testing.assert_frame_equal(numbers(out), numbers(local.uri))
    here, there = open_study(local.uri), open_study(out)
    assert there.complete
    assert there.box_stats["sum"].tolist() == here.box_stats["sum"].tolist()
    assert there.ranges.equals(here.ranges)
    assert len(here.similarity)
    for name in ("similarity", "map_measures", "localization", "randomization", "significance"):
        pd.testing.assert_frame_equal(getattr(there, name), getattr(here, name), rtol=1e-9, check_exact=False)
    for place in numbers(out).index[:3]:
        np.testing.assert_array_equal(there.attribution(*place), here.attribution(*place))
    assert there.pixels("scene-40.png").shape == (224, 224, 3)

    held = s3.objects(bucket)
    assert "out/report/index.html" in held
    assert not [key for key in held if key.startswith("out/locks/") and key.endswith(".json")]
    for name, text in {**held, **{str(log): log.read_bytes() for log in logs}}.items():
        assert s3.secret.encode() not in text, name


def test_a_bucket_that_is_not_there_is_refused_in_one_line(s3: Any, tiny_study: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "igbatch.cli", "run", str(tiny_study), "--out", "s3://no-such-bucket/out"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "--out s3://no-such-bucket/out: there is no bucket no-such-bucket" in done.stderr
    assert s3.secret not in done.stderr
