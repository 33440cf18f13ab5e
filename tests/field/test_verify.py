"""`igbatch verify` on what a run left: good, whole with maps that have not converged, cut short, damaged."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import Command
from rich.console import Console

from igbatch.pipeline.reduction_state import keep_reduced, state_of
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.store import provenance
from igbatch.store.output import Output
from igbatch.study_file import load_study
from igbatch.terminal import TerminalProgress

Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(call: Command) -> Verify:
    """Return exit code and output of `igbatch verify`: (output, *options)."""

    def verify(out: Path, *options: str) -> tuple[int, str]:
        ended = call("verify", out, *options)
        return ended.code, ended.out + ended.err

    return verify


@pytest.fixture
def coarse(computed: Output, tmp_path: Path) -> Path:
    """A finished study of four steps, too few for its tolerance."""
    out = tmp_path / "out"
    shutil.copytree(computed.uri, out)
    return out


def test_a_study_of_few_steps_is_whole_and_says_which_maps_have_not_converged(
    verify: Verify, coarse: Path
) -> None:
    code, text = verify(coarse)
    assert code == 0
    *named, verdict = text.splitlines()
    assert verdict.startswith(
        f"whole, but {len(named)} of 12 maps have not converged: 12 of 12 rows committed"
    )
    assert 0 < len(named) <= 10
    assert all(
        line.startswith("not converged: ") and "times what is allowed (4 steps)" in line for line in named
    )
    times = [float(line.split(", ")[1].split()[0]) for line in named]
    assert times == sorted(times, reverse=True)


def test_whoever_asks_for_quality_gets_exit_code_1(verify: Verify, coarse: Path) -> None:
    assert verify(coarse, "--quality") == (1, verify(coarse)[1])
    code, text = verify(coarse, "--quality", "--quick", "--json")
    found = json.loads(text)
    assert code == 1
    assert (found["whole"], found["problems"]) == (True, [])
    assert found["unconverged"] == len(found["worst"]) > 0
    assert found["shortcomings"] == [f"{found['unconverged']} of 12 maps have not converged"]


def test_damage_is_told_apart_from_maps_that_have_not_converged(verify: Verify, coarse: Path) -> None:
    file = sorted(coarse.glob("attributions/trained/*"))[0]
    file.write_bytes(file.read_bytes()[:-1])
    code, text = verify(coarse)
    assert code == 1
    assert text.startswith(f"file: {file.relative_to(coarse)}: has ")
    assert text.splitlines()[-1].startswith("damaged, 1 problem, and ")
    found = json.loads(verify(coarse, "--json")[1])
    assert found["whole"] is False
    assert [problem["kind"] for problem in found["problems"]] == ["file"]


def test_a_run_that_was_interrupted_is_incomplete(verify: Verify, coarse: Path) -> None:
    for commit in sorted(coarse.glob("image_stats/*/*"))[:2]:
        commit.unlink()
    for name in (*provenance.TABLES, *provenance.NEWER_TABLES):  # they come after the last shard
        (coarse / f"{name}.parquet").unlink()
    code, text = verify(coarse)
    assert code == 1
    assert text.startswith("lost: ")
    assert "run the study again" in text.splitlines()[0]
    assert text.splitlines()[-1].startswith("incomplete, and ")
    assert "8 of 12 rows committed" in text.splitlines()[-1]


@pytest.mark.parametrize("table", ["ranges", "aggregates"])
def test_a_table_that_somebody_deleted_is_missed_and_made_again(
    verify: Verify, table: str, tiny_study: Path, tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    lean = ("images.scenes=[{kind: double, seeds: [1]}]", "attribution.steps=1", "variants=[{kind: trained}]")
    output = compute_study(tiny_study, tmp_path / "out", *lean)
    loaded = load_study(tiny_study, lean)
    keep_reduced(output, state_of(plan_study(loaded, output)))
    assert verify(tmp_path / "out")[0] == 0
    file = tmp_path / "out" / f"{table}.parquet"
    before = file.read_bytes()
    file.unlink()
    code, text = verify(tmp_path / "out")
    assert code == 1
    assert f"ranges: {table}.parquet: missing, and the study was reduced; reduce the study again" in text
    lines: list[str] = []
    outcome = run_stage(loaded, output, TerminalProgress(Console(quiet=True)), say=lines.append)
    assert outcome.rows == 0
    assert pq.read_table(file).equals(pq.read_table(io.BytesIO(before)))
    assert verify(tmp_path / "out")[0] == 0
