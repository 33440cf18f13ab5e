"""A cluster of several nodes: one joins and is lost, others see other things than the driver."""

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
from quick_worker import write_committed

from igbatch import open_study
from igbatch.store.output import Output
from igbatch.store.verify import verify

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("on_a_cluster.py")
KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
IMAGES = 6
"""A shard each."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def study(folder: Path, tiny_content: dict[str, Any]) -> Path:
    path = folder / "tiny.yaml"
    scenes = [{"kind": "double", "first_seed": 1, "count": IMAGES}]
    content = {
        **tiny_content,
        "images": {"scenes": scenes},
        "variants": [{"kind": "trained"}],
        "attribution": {**tiny_content["attribution"], "steps": 1},
        "run": {"shard_images": 1},
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def clone(folder: Path) -> Path:
    """Another timm than the installed one."""
    path = folder / "clones" / "timm" / "__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text("__version__ = '0.0.7'")
    return path


@pytest.fixture(scope="module")
def undisturbed(study: Path, folder: Path, compute_study: Callable[..., Output]) -> Output:
    return compute_study(study, folder / "undisturbed", reduce=False)


@pytest.fixture(scope="module")
def seen(folder: Path, study: Path, clone: Path, undisturbed: Output, s3: Any) -> dict[str, Any]:
    """What the script saw, in one process on one cluster."""
    committed = folder / "committed.pickle"
    write_committed(undisturbed, committed)
    others = {"OTHER_ENDPOINT": "http://127.0.0.1:9", "OTHER_PYTHONPATH": str(clone.parents[1])}
    outputs = (str(folder / "out"), f"s3://{s3.new_bucket()}/out")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(study), *outputs, str(committed)],
        env={**os.environ, **others},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return result


def test_a_node_that_does_not_see_the_output_ends_the_run_with_2(seen: dict[str, Any]) -> None:
    assert seen["blind"]["exit_code"] == 2
    assert "sees not the output" in seen["blind"]["error"]
    assert "see all" in seen["blind"]["error"]


def test_a_node_that_imports_another_timm_ends_the_run_with_2(seen: dict[str, Any], clone: Path) -> None:
    assert seen["other"]["exit_code"] == 2
    error = seen["other"]["error"]
    assert f"imports timm 0.0.7 from {clone}, the driver timm {version('timm')} from " in error
    assert "\n" not in error
    assert seen["other"]["rows"] == 0


def test_a_node_that_joins_is_put_to_work(seen: dict[str, Any]) -> None:
    assert (seen["nodes"], seen["retries_before"]) == (2, 0)


def test_a_node_that_is_removed_costs_nothing(
    seen: dict[str, Any], folder: Path, undisturbed: Output
) -> None:
    """And nothing takes its place: the other node does the rest."""
    assert seen["computed"] == 2 * IMAGES
    assert seen["retries"] >= 1
    out = Output(str(folder / "out"))
    assert open_study(out.uri).complete
    assert verify(out).problems == []
    pd.testing.assert_frame_equal(numbers(out.uri), numbers(undisturbed.uri), check_exact=True)


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)
