"""The `igbatch` command: its exit codes, what it prints, one line for each wrong call."""

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
import yaml
from helpers import Command
from PIL import Image

from igbatch import open_study
from igbatch.birds.facts import BUNDLED_WEIGHTS

KEY = ["variant_id", "image_id", "target"]


def write(path: Path, content: dict[str, Any], **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def times(*files: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in files}


@pytest.mark.slow
def test_a_run_is_stopped_by_sigterm_and_run_again(
    tiny_study: Path, tmp_path: Path, call: Command, warm_workers: None
) -> None:
    """As from Kubernetes or `ray job stop`. The run that is stopped is a process, later ones are calls.

    Its output goes into `head -1`, as it were: after a line nobody reads, and it computes on. After its first
    commit it stands still for a moment, so that there is something left when it is told to end.
    """
    run = ("run", "tiny.yaml")
    out = tmp_path / "igbatch-out" / "tiny"
    with open(tmp_path / "log", "w") as log:
        driver = subprocess.Popen(
            [sys.executable, "-m", "igbatch.cli", *run], cwd=tmp_path, stdout=subprocess.PIPE, stderr=log
        )
    assert driver.stdout is not None
    assert driver.stdout.readline().startswith(b"study tiny -> ")
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
    committed = times(*out.glob("image_stats/*/*.parquet"))
    assert 0 < len(committed) < 6

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

    before = times(*tmp_path.rglob("*"))
    plan = call("plan", *run[1:], "--set", "images.scenes=[{kind: double, seeds: [1, 2, 3]}]")
    assert re.search(r"arithmetic\W+float32", plan.out), plan.out
    assert "calibrated by an earlier run" in plan.out
    assert times(*tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_quarantine_beyond_the_allowance_is_a_bad_verdict(
    scene_folder: Path, small_content: dict[str, Any], tmp_path: Path, call: Command, warm_workers: None
) -> None:
    (scene_folder / "scene-42.png").write_bytes(b"not an image")
    images = {"root": str(scene_folder), "boxes": str(scene_folder / "boxes.csv")}
    write(tmp_path / "s.yaml", small_content, images=images, variants=[{"kind": "trained"}])
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
