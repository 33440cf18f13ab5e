"""The benchmark for GPUs, on a CPU with a model of a moment: what it keeps, and what it says of failures."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from igbatch.pipeline.run import plan_study
from igbatch.store.output import Output
from igbatch.study_file import load_study

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if not BENCHMARKS.is_dir():
        pytest.skip("benchmarks are in the repository only")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import gpu

    def case(kind: str, seeds: range, device: torch.device) -> Any:
        generator = torch.Generator().manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
        images = torch.randn(len(seeds), 3, 8, 8, generator=generator)
        return gpu.Case("bundled", model, images, torch.zeros(1, 3, 1, 1), (0, 2), tuple(seeds))

    monkeypatch.setattr(gpu, "bundled_case", case)
    return gpu


def arguments(file: Path, **others: Any) -> argparse.Namespace:
    given = {
        "device": "cpu", "parts": ["engines"], "models": ["bundled"], "images": 3, "reference": 100,
        "micro_batch": 4,
        "forms": ["eager", "captured"], "precisions": ["float32"], "seconds": 60.0, "json": file,
    }  # fmt: skip
    return argparse.Namespace(**{**given, **others})


def test_what_is_measured_is_kept_and_what_fails_is_a_line(gpu: ModuleType, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("capturing works")
    with pytest.warns(UserWarning, match="could not be captured"):
        gpu.run(arguments(tmp_path / "gpu.json"), gpu.Budget(60.0))
    kept = json.loads((tmp_path / "gpu.json").read_text())
    results = {each["engine"]: each for each in kept["results"]}
    assert list(results) == ["captum tuned", "captum as called", "igbatch eager"]
    for each in results.values():
        assert 0 < each["error"]["p95"] <= 1.01 * gpu.TOLERANCE
        assert each["ms_median"] > 0
    tuned, ours = results["captum tuned"], results["igbatch eager"]
    assert tuned["rows_per_image"] == tuned["steps"]
    assert 5 <= ours["rows_per_image"] < 100
    assert 0 < ours["share_of_passes"] < 1.5
    assert [line for line in kept["lines"] if line.startswith("FAILED bundled: igbatch captured float32: ")]
    assert kept["lines"][-1].startswith("bundled float32: captum as called over igbatch: ")
    assert kept["left_out"] == []


def test_it_ends_in_time_and_says_what_it_left_out(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = gpu.Budget(60.0)
    tuned = gpu.Benchmark._tuned

    def out_of_time(self: Any, precision: str) -> Any:
        budget.seconds = 0.0
        return tuned(self, precision)

    monkeypatch.setattr(gpu.Benchmark, "_tuned", out_of_time)
    report = gpu.run(arguments(tmp_path / "gpu.json"), budget)
    rest = ["igbatch captured", "captum as called", "igbatch eager"]
    assert report["left_out"][-3:] == [f"bundled: {engine} float32" for engine in rest]
    assert report["lines"][-1].startswith("left out: ")


@pytest.fixture
def whole_runs(gpu: ModuleType) -> ModuleType:
    runs: ModuleType = gpu.whole_runs
    return runs


RUN = """
import os, sys, time
import pyarrow as pa, pyarrow.parquet as pq
out = sys.argv[1]
for number, images in enumerate((4, 6, 6)):
    folder = os.path.join(out, "image_stats", f"random-{number}")
    os.makedirs(folder)
    file = os.path.join(folder, "shard.parquet")
    pq.write_table(pa.table({"target": ["first", "second"] * images}), file)
    os.utime(file, (time.time() + 2 * number,) * 2)
print("while there were shards, the device was busy 93% of the time, with passes 81%; it was held back most "
      "by\\nchoosing nodes on the host (7%)", flush=True)
time.sleep(60)
"""


def pretend(runs: ModuleType, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(runs, "command", lambda study, out: [sys.executable, "-c", program, str(out)])


@pytest.mark.slow
def test_a_whole_run_tells_its_rates_and_how_busy_the_device_was_and_is_then_ended(
    whole_runs: ModuleType, gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(whole_runs, monkeypatch, RUN)
    gpu.run(arguments(tmp_path / "gpu.json", parts=["runs"], images=2), gpu.Budget(90.0))
    kept = json.loads((tmp_path / "gpu.json").read_text())
    names = ["bundled, 4 workers", "bundled, 1 worker", "swin_base, 1 worker"]
    assert [each["run"] for each in kept["runs"]] == names
    for each in kept["runs"]:
        assert each["committed"] == 16
        assert each["images_per_second"] == pytest.approx(3, rel=0.2)  # 12 images after the first, in 4 s
        assert each["images_per_second_from_call"] < 4
        assert (each["busy"], each["passes"]) == (0.93, 0.81)
        assert each["held_back"] == "most by choosing nodes on the host (7%)"
    assert "(required: 200), " in kept["lines"][1]
    assert "device busy 93% (required: 90%)" in kept["lines"][3]
    assert kept["left_out"] == []


@pytest.mark.slow
def test_a_run_that_fails_or_takes_too_long_is_reported(
    whole_runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(whole_runs.whole_runs(2))
    pretend(whole_runs, monkeypatch, "import sys; sys.exit('igbatch: no such key')")
    with pytest.raises(RuntimeError, match=r"bundled, 4 workers: igbatch: no such key"):
        whole_runs.measured(tmp_path, run, "cpu", 30.0)
    pretend(whole_runs, monkeypatch, RUN.replace("print(", "0 and print("))
    found = whole_runs.measured(tmp_path, run, "cpu", 3.0)
    assert found["busy"] is None
    assert "interrupted before it reported" in whole_runs.line_of(found)
    pretend(whole_runs, monkeypatch, "import time; time.sleep(60)")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(RuntimeError, match=r"nothing was committed in 1 s"):
        whole_runs.measured(tmp_path, run, "cpu", 1.0)


def test_the_studies_of_whole_runs_are_valid_and_fetch_nothing(
    whole_runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for number, run in enumerate(whole_runs.whole_runs(3)):
        study = load_study(whole_runs.write_study(tmp_path, run, "cpu"))
        plan = plan_study(study, Output(str(tmp_path / f"out-{number}")))
        assert plan.expected_rows == 3 * 2
        assert study.study.run.workers_per_gpu == run.per_gpu


def test_without_ray_whole_runs_are_left_out(
    whole_runs: ModuleType, gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_runs, "NEEDED", ("pyarrow", "no_such_package"))
    report = gpu.run(arguments(tmp_path / "gpu.json", parts=["runs"]), gpu.Budget(60.0))
    assert report["left_out"] == ["whole runs (no no_such_package here)"]
