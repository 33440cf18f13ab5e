"""The `igbatch` command as a person runs it: real processes, exit codes, one line for each wrong call."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from igbatch import open_study

pytestmark = pytest.mark.usefixtures("wide_terminal")
KEY = ["variant_id", "image_id", "target"]


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def igbatch(*arguments: str, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "igbatch.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)


def write(path: Path, content: dict[str, Any], **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def assert_refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr + done.stdout
    assert len(lines) == 1, done.stderr
    for part in parts:
        assert part in lines[0]


def test_run_from_study_to_report_and_again(tiny_study: Path, tmp_path: Path) -> None:
    first = igbatch("run", "tiny.yaml", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    out = tmp_path / "igbatch-out" / "tiny"
    assert (out / "report" / "index.html").is_file()
    assert str(out / "report" / "index.html") in first.stdout
    assert "target eagle" in first.stdout
    assert open_study(str(out)).complete
    again = igbatch("run", "tiny.yaml", cwd=tmp_path)
    assert again.returncode == 0
    assert "nothing to compute" in again.stdout
    assert "the report is up to date" in again.stdout
    assert "images/s" not in again.stdout
    more = "images.scenes=[{kind: double, seeds: [1, 2, 3]}]"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    plan = igbatch("plan", "tiny.yaml", "--set", more, cwd=tmp_path)
    assert re.search(r"arithmetic\W+float32", plan.stdout), plan.stdout
    assert "calibrated by an earlier run" in plan.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_killed_driver_loses_nothing(tiny_study: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "igbatch.cli", "run", "tiny.yaml", "--set", "attribution.steps=16"]
    driver = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = tmp_path / "igbatch-out" / "tiny"
    deadline = time.monotonic() + 240
    while not list(out.glob("image_stats/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    committed = {path: path.stat().st_mtime_ns for path in out.glob("image_stats/*/*.parquet")}
    assert committed
    rest = igbatch("run", "tiny.yaml", "--set", "attribution.steps=16", cwd=tmp_path)
    assert rest.returncode == 0, rest.stderr
    results = open_study(str(out))
    assert results.complete
    assert len(results.image_stats.drop_duplicates(KEY)) == len(results.image_stats)
    plain = pd.read_parquet(out / "image_stats")
    assert len(plain) == len(results.image_stats)
    named = {path: path.stat().st_mtime_ns for path in committed}
    assert named == committed


def test_sigterm_ends_a_run_unfinished_and_releases_its_lock(tiny_study: Path, tmp_path: Path) -> None:
    """As from Kubernetes or `ray job stop`; meanwhile a second run is refused."""
    command = [sys.executable, "-m", "igbatch.cli", "run", "tiny.yaml", "--set", "attribution.steps=64"]
    out = tmp_path / "igbatch-out" / "tiny"
    with open(tmp_path / "log", "w") as log:
        driver = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    deadline = time.monotonic() + 240
    while not list(out.glob("image_stats/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = igbatch("run", "tiny.yaml", "--set", "attribution.steps=64", cwd=tmp_path)
    assert second.returncode == 3, second.stdout
    assert re.search(rf"another run is at work on it \(.*{driver.pid}", second.stderr)
    driver.terminate()
    assert driver.wait(timeout=60) == 3
    last = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert last == "igbatch: interrupted; what is committed is kept, run it again to go on"
    assert not list((out / "locks").iterdir())


def test_quarantine_beyond_the_allowance_is_a_bad_verdict(
    scene_folder: Path, tiny_content: dict[str, Any], tmp_path: Path
) -> None:
    (scene_folder / "scene-42.png").write_bytes(b"not an image")
    images = {"root": str(scene_folder), "boxes": str(scene_folder / "boxes.csv")}
    write(tmp_path / "s.yaml", tiny_content, images=images, variants=[{"kind": "trained"}])
    done = igbatch("run", "s.yaml", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "2 of 8 rows are in quarantine (allowed: 0)" in done.stdout
    page = (tmp_path / "igbatch-out" / "tiny" / "report" / "index.html").read_text()
    assert "scene-42.png" in page
    allowed = igbatch("run", "s.yaml", "--set", "quarantine.allowance=2", cwd=tmp_path)
    assert allowed.returncode == 0


def test_a_missing_study_file_is_refused(tmp_path: Path) -> None:
    assert_refused(igbatch("run", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml", "no such study file")


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    tiny_content: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path / "s.yaml", tiny_content, atribution={"steps": 3})
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), "atribution", "did you mean `attribution`")


def test_a_target_the_model_does_not_have_is_refused(tiny_content: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", tiny_content, targets=["heron"])
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), "targets", "'heron'", "eagle, magpie")
    write(tmp_path / "s.yaml", tiny_content, targets={"eagle": 22})
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), "targets.eagle", "22", "5 classes")


def test_an_empty_folder_is_refused(tiny_content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "s.yaml", tiny_content, images={"root": "empty"})
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), str(tmp_path / "empty"))


def test_a_box_outside_its_image_is_refused(
    scene_folder: Path, tiny_content: dict[str, Any], tmp_path: Path
) -> None:
    (scene_folder / "boxes.csv").write_text(
        "image,label,x_min,y_min,x_max,y_max\nscene-40.png,eagle,10,10,400,100\n"
    )
    images = {"root": "scenes", "boxes": "scenes/boxes.csv"}
    write(tmp_path / "s.yaml", tiny_content, images=images)
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), "scene-40.png", "400", "224 x 224")


def test_weights_of_another_architecture_are_refused(tiny_content: dict[str, Any], tmp_path: Path) -> None:
    from igbatch.birds.facts import BUNDLED_WEIGHTS

    models = {"m": {"architecture": "swin_tiny_patch4_window7_224", "weights": str(BUNDLED_WEIGHTS)}}
    write(tmp_path / "s.yaml", tiny_content, models=models)
    assert_refused(igbatch("run", "s.yaml", cwd=tmp_path), "models.m.weights", "another architecture")


def test_nothing_is_written_when_the_study_is_refused(tiny_content: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", tiny_content, targets=["heron"])
    igbatch("run", "s.yaml", cwd=tmp_path)
    assert not (tmp_path / "igbatch-out").exists()


def test_plan_measures_and_writes_nothing(tiny_study: Path, tmp_path: Path) -> None:
    changes = ("attribution.steps=auto", "attribution.tolerance=0.2", "attribution.micro_batch=auto")
    done = igbatch(
        "plan", "tiny.yaml", *(part for change in changes for part in ("--set", change)), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"rows to compute\W+12", done.stdout)
    assert re.search(r"passes of the models\W+about [\d,]+ forward .* about [\d,]+ backward", done.stdout)
    assert re.search(r"arithmetic\W+float32", done.stdout)
    assert re.search(r"micro-batch\W+\d+ rows on .*; measured now on the first images", done.stdout)
    assert re.search(
        r"maps to be written\W+[\d.]+ MB for 12 maps \(all, float32, by the trial\)", done.stdout
    )
    assert re.search(r"device time\W+about \d+\.\d minutes on one such worker \(trained", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_scenes_writes_what_it_says(tmp_path: Path) -> None:
    done = igbatch("scenes", "birds", "--count", "3", "--seed", "7", "--kind", "double", cwd=tmp_path)
    assert done.returncode == 0
    names = ["scene-7.png", "scene-8.png", "scene-9.png"]
    assert sorted(path.name for path in (tmp_path / "birds").glob("*.png")) == names
    assert Image.open(tmp_path / "birds" / names[0]).size == (224, 224)
    boxes = pd.read_csv(tmp_path / "birds" / "boxes.csv")
    assert set(boxes["label"]) >= {"eagle", "magpie"}


@pytest.mark.parametrize("command", ["reduce", "report"])
def test_commands_on_a_place_without_a_study_are_refused(command: str, tmp_path: Path) -> None:
    assert_refused(igbatch(command, "nowhere", cwd=tmp_path), "nowhere")


def test_wrong_options_end_with_2(tmp_path: Path) -> None:
    assert igbatch("run", "--nonsense", cwd=tmp_path).returncode == 2
    assert igbatch("scenes", "d", "--count", "0", cwd=tmp_path).returncode == 2
