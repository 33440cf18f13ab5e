"""The benchmark for GPUs, on a CPU with a model of a moment: what it keeps, and what it says of failures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

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
        "device": "cpu", "models": ["bundled"], "images": 3, "reference": 100, "micro_batch": 4,
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
    assert report["lines"][-1].startswith("left out for want of time: ")
