"""Clusters of several nodes: one that is lost, one that joins, one that sees other things than the driver."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from igbatch import open_study
from igbatch.store.output import Output
from igbatch.store.verify import verify

SCRIPT = Path(__file__).with_name("on_a_cluster.py")
KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
SCENES = [{"kind": "double", "first_seed": 1, "count": 10}]


def on_a_cluster(what: str, study: Path, out: str, **environment: str) -> dict[str, Any]:
    """Run the script and return what it saw."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), what, str(study), out],
        env={**os.environ, **environment},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return result


@pytest.fixture
def study(tmp_path: Path, tiny_content: dict[str, Any]) -> Path:
    """Ten scenes, a shard each."""
    path = tmp_path / "tiny.yaml"
    run = {"shard_images": 1}
    content = tiny_content | {"images": {"scenes": SCENES}, "variants": [{"kind": "trained"}], "run": run}
    path.write_text(yaml.safe_dump(content))
    return path


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)


def assert_whole(uri: str) -> None:
    assert open_study(uri).complete
    assert verify(Output(uri)).problems == []


def test_a_node_that_is_removed_costs_nothing(
    study: Path, tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    """And nothing takes its place: the other node does the rest."""
    seen = on_a_cluster("lose", study, str(tmp_path / "out"))
    assert (seen["computed"], seen["nodes"]) == (20, 2)
    assert seen["retries"] >= 1
    assert_whole(str(tmp_path / "out"))
    undisturbed = compute_study(study, tmp_path / "undisturbed")
    pd.testing.assert_frame_equal(numbers(str(tmp_path / "out")), numbers(undisturbed.uri), check_exact=True)


def test_a_node_that_joins_is_put_to_work(study: Path, tmp_path: Path) -> None:
    seen = on_a_cluster("grow", study, str(tmp_path / "out"))
    assert (seen["computed"], seen["nodes"], seen["retries"]) == (20, 2, 0)
    assert_whole(str(tmp_path / "out"))


def test_a_node_that_does_not_see_the_output_ends_the_run_with_2(study: Path, s3: Any) -> None:
    seen = on_a_cluster("blind", study, f"s3://{s3.new_bucket()}/out", OTHER_ENDPOINT="http://127.0.0.1:9")
    assert seen["exit_code"] == 2
    assert "sees not the output" in seen["error"]
    assert "see all" in seen["error"]


def test_a_node_that_imports_another_timm_ends_the_run_with_2(study: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clones" / "timm" / "__init__.py"
    clone.parent.mkdir(parents=True)
    clone.write_text("__version__ = '0.0.7'")
    seen = on_a_cluster("other", study, str(tmp_path / "out"), OTHER_PYTHONPATH=str(tmp_path / "clones"))
    assert seen["exit_code"] == 2
    assert f"imports timm 0.0.7 from {clone}, the driver timm {version('timm')} from " in seen["error"]
    assert "\n" not in seen["error"]
    assert not open_study(str(tmp_path / "out")).image_stats.size
