"""The `igbatch` command: its exit codes, what it prints, one line for each wrong call."""

import importlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import yaml
from helpers import Command
from PIL import Image

from igbatch import open_study
from igbatch.birds.facts import BUNDLED_WEIGHTS
from igbatch.pipeline.packages import LISTED_PACKAGES
from igbatch.store.output import Output

KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
EDITED_TIMM = f"""
import os
__path__.append({os.path.dirname(timm.__file__)!r})
exec(compile(open({timm.__file__!r}).read(), {timm.__file__!r}, "exec"))
__version__ = "0.0.7"
whole = create_model
def create_model(*args, **kwargs):
    model = whole(*args, **kwargs)
    for parameter in model.parameters():
        parameter.data.zero_()
    return model
"""
"""A clone of timm that works, but for the weights that it draws."""


def write(path: Path, content: dict[str, Any], **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def times(*files: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in files}


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)


@pytest.mark.slow
def test_a_job_is_stopped_by_sigterm_and_run_again(
    tiny_content: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Command,
    compute_study: Callable[..., Output],
    warm_workers: None,
) -> None:
    """As from Slurm or Kubernetes. The run that is stopped is a process, later ones are calls.

    It starts in a folder whose files have the names of packages, among them a clone of timm; sockets cannot
    lie in its temporary folder, nor Ray's token in its home. Its output goes into `head`, as it were: after
    some lines nobody reads, and it computes on. After its first commit it stands still for a moment, so that
    there is something left when it is told to end.
    """
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):  # a Ray of this process sets one
        monkeypatch.delenv(name, raising=False)
    variants = [{"kind": "random", "seeds": [3]}, {"kind": "trained"}]
    few = {"targets": ["eagle"], "attribution": {**tiny_content["attribution"], "steps": 2}}
    study, out = write(tmp_path / "tiny.yaml", tiny_content, variants=variants, **few), tmp_path / "out"
    run = ("run", study, "--out", out)
    folder, scratch = tmp_path / "job", tmp_path / ("slurm." * 12 + "jobs.1234567")
    scratch.mkdir()
    (folder / "timm").mkdir(parents=True)
    (folder / "timm" / "__init__.py").write_text(EDITED_TIMM)
    for name in ("torch", "numpy", "ray", "yaml", "grpc", "aiohttp", "psutil", "random", "logging", "socket"):
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} of the current folder')")
    before = set(os.listdir("/tmp"))
    with open(tmp_path / "log", "w") as log:
        driver = subprocess.Popen(
            [str(Path(sys.executable).with_name("igbatch")), *map(str, run)],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(scratch), "HOME": "/proc/1", "COLUMNS": "250"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert driver.stdout is not None
    heard = list(itertools.takewhile(lambda line: "rows to compute" not in line, driver.stdout))
    assert heard == [f"study tiny -> {out}\n"]  # no warning
    driver.stdout.close()
    deadline = time.monotonic() + 240
    while not list(out.glob("image_stats/*/*.parquet")) and driver.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.send_signal(signal.SIGSTOP)
    call(*run).refused(f"another run is at work on it (process {driver.pid}", code=3)
    driver.terminate()
    driver.send_signal(signal.SIGCONT)
    assert driver.wait(timeout=60) == 3
    last = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert last == "igbatch: interrupted; what is committed is kept, run it again to go on"
    assert not list((out / "locks").iterdir())
    assert not [name for name in set(os.listdir("/tmp")) - before if name.startswith("igbatch-ray-")]
    committed = times(*out.glob("image_stats/*/*.parquet"))
    assert 0 < len(committed) < 6

    record = json.loads((out / "study.json").read_text())
    assert set(record["package_files"]) == set(LISTED_PACKAGES)
    for name, file in record["package_files"].items():
        assert file == os.path.realpath(importlib.import_module(name).__file__ or ""), name
    found = numbers(str(out))
    expected = numbers(compute_study(study, tmp_path / "expected", f"variants={variants[:1]}").uri)
    mine = expected["image_id"].isin(found["image_id"][found["variant_id"] == "random-3"])
    pd.testing.assert_frame_equal(
        found[found["variant_id"] == "random-3"], expected[mine].reset_index(drop=True), check_exact=True
    )
    assert mine.any()
    assert (expected["abs_sum"] > 0).all()

    rest = call(*run)
    assert rest.code == 0, rest.err
    assert str(out / "report" / "index.html") in rest.out
    assert (out / "report" / "index.html").is_file()
    assert "target eagle" in rest.out
    results = open_study(str(out))
    assert results.complete
    assert len(results.image_stats.drop_duplicates(KEY)) == len(results.image_stats)
    assert len(pd.read_parquet(out / "image_stats")) == len(results.image_stats)
    assert times(*committed) == committed

    again = call(*run)
    assert again.code == 0
    assert "nothing to compute" in again.out
    assert "the report is up to date" in again.out
    assert "pairs/s" not in again.out


@pytest.mark.slow
def test_quarantine_beyond_the_allowance_is_a_bad_verdict(
    scene_folder: Path,
    small_content: dict[str, Any],
    tmp_path: Path,
    call: Command,
    compute_study: Callable[..., Output],
) -> None:
    """The rows are those of an earlier run: `run` has nothing to compute and judges them again."""
    (scene_folder / "scene-42.png").write_bytes(b"not an image")
    images = {"root": str(scene_folder), "boxes": str(scene_folder / "boxes.csv")}
    study = write(tmp_path / "s.yaml", small_content, images=images, variants=[{"kind": "trained"}])
    compute_study(study, tmp_path / "igbatch-out" / "tiny")
    ended = call("run", "s.yaml")
    assert ended.code == 1, ended.err
    assert "2 of 8 rows are in quarantine (allowed: 0)" in ended.out
    page = (tmp_path / "igbatch-out" / "tiny" / "report" / "index.html").read_text()
    assert "scene-42.png" in page
    assert call("run", "s.yaml", "--set", "quarantine.allowance=2").code == 0


@pytest.fixture
def refused(tiny_content: dict[str, Any], tmp_path: Path, call: Command) -> Callable[..., None]:
    """Check the line that the tiny study with other keys is refused with; nothing is written."""

    def check(*parts: str, **changes: Any) -> None:
        write(tmp_path / "s.yaml", tiny_content, **changes)
        call("run", "s.yaml").refused(*parts)
        assert not (tmp_path / "igbatch-out").exists()

    return check


def test_a_missing_study_file_is_refused(call: Command) -> None:
    call("run", "nowhere.yaml").refused("nowhere.yaml", "no such study file")


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(refused: Callable[..., None]) -> None:
    refused("atribution", "did you mean `attribution`", atribution={"steps": 3})


def test_a_target_the_model_does_not_have_is_refused(refused: Callable[..., None]) -> None:
    refused("targets", "'heron'", "eagle, magpie", targets=["heron"])
    refused("targets.eagle", "22", "5 classes", targets={"eagle": 22})


def test_an_empty_folder_is_refused(refused: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(str(tmp_path / "empty"), images={"root": "empty"})


def test_a_box_outside_its_image_is_refused(refused: Callable[..., None], scene_folder: Path) -> None:
    (scene_folder / "boxes.csv").write_text(
        "image,label,x_min,y_min,x_max,y_max\nscene-40.png,eagle,10,10,400,100\n"
    )
    images = {"root": "scenes", "boxes": "scenes/boxes.csv"}
    refused("scene-40.png", "400", "224 x 224", images=images)


def test_weights_of_another_architecture_are_refused(refused: Callable[..., None]) -> None:
    models = {"m": {"architecture": "swin_tiny_patch4_window7_224", "weights": str(BUNDLED_WEIGHTS)}}
    refused("models.m.weights", "another architecture", models=models)


@pytest.mark.slow
def test_plan_measures_and_writes_nothing(small_study: Path, tmp_path: Path, call: Command) -> None:
    changes = ("attribution.steps=auto", "attribution.tolerance=0.2", "attribution.micro_batch=auto")
    ended = call("plan", "small.yaml", *(part for change in changes for part in ("--set", change)))
    assert ended.code == 0, ended.err
    assert re.search(r"rows to compute\W+12", ended.out)
    assert re.search(r"passes of the models\W+about [\d,]+ forward .* about [\d,]+ backward", ended.out)
    assert re.search(r"arithmetic\W+float32", ended.out)
    assert re.search(r"micro-batch\W+\d+ batch rows on .*; measured now on the first images", ended.out)
    assert re.search(r"maps to be written\W+[\d.]+ kB for 12 maps \(all, float32, by the trial\)", ended.out)
    assert re.search(r"device time\W+about \d+\.\d minutes on one such worker \(trained", ended.out)
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_scenes_writes_what_it_says(tmp_path: Path, call: Command) -> None:
    assert call("scenes", "birds", "--count", 3, "--seed", 7, "--kind", "double").code == 0
    names = ["scene-7.png", "scene-8.png", "scene-9.png"]
    assert sorted(path.name for path in (tmp_path / "birds").glob("*.png")) == names
    assert Image.open(tmp_path / "birds" / names[0]).size == (224, 224)
    boxes = pd.read_csv(tmp_path / "birds" / "boxes.csv")
    assert set(boxes["label"]) >= {"eagle", "magpie"}


@pytest.mark.parametrize("command", ["reduce", "report"])
def test_commands_on_a_place_without_a_study_are_refused(command: str, call: Command) -> None:
    call(command, "nowhere").refused("nowhere")


def test_wrong_options_end_with_2(call: Command) -> None:
    assert call("run", "--nonsense").code == 2
    assert call("scenes", "d", "--count", 0).code == 2
