"""The studies and scripts in `jobs/`: valid, found by the demo, and callable as the design says."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import Command

from igbatch import open_study
from igbatch.job import demo_study
from igbatch.store.output import Output
from igbatch.study_file import load_study

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT.parent / "shared" / "photos"


@pytest.mark.parametrize("study", sorted(ROOT.glob("jobs/*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_valid_and_has_its_script(study: Path) -> None:
    assert load_study(study).study.variants
    assert study.with_suffix(".py").is_file()


def test_the_demo_runs_the_seed_study_itself() -> None:
    assert demo_study().read_bytes() == (ROOT / "jobs" / "eagle_magpie.yaml").read_bytes()


@pytest.mark.slow
def test_a_script_refuses_like_the_command(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "jobs" / "eagle_magpie.py"), "missing.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "igbatch: missing.yaml: there is no such study file; check the path"
    ]


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not here (../shared/photos)")
def test_photographs_of_any_size_and_mode(
    tmp_path: Path, call: Command, compute_study: Callable[..., Output], small_model: str
) -> None:
    steps = "variants=[{kind: trained, steps: 3}, {kind: random, seeds: [1], steps: 2}]"
    changes = (steps, f"models.small.weights={small_model}", "report.figures=false")
    compute_study(ROOT / "jobs" / "photos.yaml", tmp_path / "out", *changes)
    ended = call("report", "out")
    assert ended.code == 0, ended.err
    results = open_study(str(tmp_path / "out"))
    assert results.complete
    sizes = results.images.set_index("image_id")[["width", "height"]]
    assert sizes.loc["eagle_perched.png"].tolist() == [1826, 2019]
    assert results.attribution("trained", "magpie.jpg", "predicted").shape == (56, 56)
    boxes = results.box_stats
    assert set(boxes["image_id"]) == set(results.images["image_id"])
    assert np.isfinite(boxes["sum"]).all()
