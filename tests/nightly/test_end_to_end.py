"""Two nights with Ray; then the first one without its maps; and the script that a scheduler starts."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import Command

from igbatch import open_study
from igbatch.job import write_report
from igbatch.nightly.promotion import promote
from igbatch.nightly.prune import prune_root
from igbatch.nightly.root import NightlyRoot
from igbatch.pipeline.run import plan_study
from igbatch.store.lock import output_lock
from igbatch.store.output import Output
from igbatch.store.verification import as_text
from igbatch.store.verify import verify
from igbatch.study_file import load_study

SCRIPT = Path(__file__).parents[2] / "jobs" / "nightly_audit.py"


@pytest.mark.slow
def test_two_nights_and_a_pruned_one(
    tmp_path: Path, small_content: dict[str, Any], call: Command, warm_workers: None
) -> None:
    study, place = tmp_path / "tiny.yaml", tmp_path / "root"
    few = {
        "images": {"scenes": [{"kind": "double", "seeds": [1]}]},
        "variants": [{"kind": "trained"}],
        "attribution": {"steps": 4, "micro_batch": 4, "atol": 1.0},
        "run": {"workers": 1},
    }
    study.write_text(yaml.safe_dump({**small_content, **few}))
    first = call("night", study, "--out", place, "--promote-first")
    assert first.code == 0, first.err
    second = call("night", study, "--out", place)
    assert second.code == 0, second.out + second.err

    root = NightlyRoot(str(place))
    before, after = root.names()
    assert root.reference == before
    assert f"every check passed against {before}" in second.out
    audit = json.loads((place / "nights" / after / "audit.json").read_text("utf-8"))
    assert [comparison["role"] for comparison in audit["comparisons"]] == ["reference"]
    assert list((place / "history").glob("*.parquet"))

    promote(root, after)
    results = open_study(root.uri_of(before))
    shape, rows = results.attribution("trained", "double-00001", "eagle").shape, len(results.image_stats)
    (candidate,) = prune_root(root, 1)
    assert candidate.night == before
    pruned, output = open_study(root.uri_of(before)), Output(root.uri_of(before))
    assert len(pruned.image_stats) == rows
    assert open_study(root.uri_of(after)).attribution("trained", "double-00001", "eagle").shape == shape
    with pytest.raises(KeyError, match="maps were pruned"):
        pruned.attribution("trained", "double-00001", "eagle")
    found = verify(output)
    assert not found.problems
    assert f"{len(candidate.files)} files of maps pruned" in as_text(found)
    assert "Maps were pruned on" in Path(write_report(pruned, output)).read_text("utf-8")
    assert not plan_study(load_study(study), output).missing_rows


@pytest.mark.slow
def test_a_second_process_is_refused_and_says_who_is_at_work(tmp_path: Path, tiny_study: Path) -> None:
    """The script that schedulers start, as a process, since a lock is held by a process."""
    root = NightlyRoot(str(tmp_path / "root"))
    command = [sys.executable, str(SCRIPT), str(tiny_study), "--out", str(tmp_path / "root")]
    with output_lock(root.output):
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert refused.returncode == 3
    (line,) = refused.stderr.strip().splitlines()
    assert f"process {os.getpid()} on {platform.node()}, since " in line
    assert not root.names()
