"""`igbatch audit` as a person calls it, on a computed study and copies of it."""

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Command
from rich.console import Console

from igbatch import job
from igbatch.audit.files import read_audit
from igbatch.pipeline.reduction_state import keep_derived
from igbatch.report import build as render
from igbatch.store.output import Output


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The outputs whose pages were rendered, without rendering them: that takes seconds."""
    rendered: list[str] = []

    def render_report(results: Any, write: Callable[[str, bytes], None]) -> list[str]:
        rendered.append(results.uri)
        write("report/index.html", b"page")
        return ["report/index.html"]

    monkeypatch.setattr(render, "render_report", render_report)
    return rendered


@pytest.fixture
def pair(computed: Output, tmp_path: Path) -> tuple[str, str]:
    """A study to audit, and its reference: the same numbers."""
    for name in ("now", "old"):
        shutil.copytree(computed.root, tmp_path / name)
    return str(tmp_path / "now"), str(tmp_path / "old")


def test_a_repeat_passes_and_tells_where_its_files_are(
    call: Command, pair: tuple[str, str], pages: list[str]
) -> None:
    now, old = pair
    done = call("audit", now, "--against", old)
    assert (done.code, done.err) == (0, "")
    assert "passed: " in done.out
    assert f"{now}/audit.json" in done.out
    assert old in done.out
    assert "\x1b" not in done.out
    assert pages == [now]
    assert read_audit(Output(now)).passed


FALSE_REPEAT = ("--set", "audit.thresholds.completeness=0")
"""No gap may be there at all: a repeat fails under this threshold alone."""


def test_a_failure_ends_with_1_and_names_its_check(call: Command, pair: tuple[str, str]) -> None:
    now, old = pair
    done = call("audit", now, "--against", old, *FALSE_REPEAT)
    assert done.code == 1
    assert "FAILED: 1 of " in done.out
    (failed,) = [line for line in done.out.splitlines() if line.startswith("FAILED ")]
    audit = read_audit(Output(now))
    (check,) = [each for each in audit.comparisons[0].checks if each.outcome == "failed"]
    assert check.name == "completeness"
    assert check.words in failed
    assert ET.parse(Path(now, "audit.xml")).getroot().get("failures") == "1"


def test_json_is_the_file(call: Command, pair: tuple[str, str]) -> None:
    now, old = pair
    done = call("audit", now, "--against", old, "--against", old, "--json")
    assert done.out.encode() == Path(now, "audit.json").read_bytes()
    assert len(json.loads(done.out)["comparisons"]) == 2


def test_a_history_grows_by_a_file_an_audit(call: Command, pair: tuple[str, str], tmp_path: Path) -> None:
    now, old = pair
    for threshold in ("1", "2"):
        setting = f"audit.thresholds.completeness={threshold}"
        call("audit", now, "--against", old, "--history", str(tmp_path / "history"), "--set", setting)
    assert len(list((tmp_path / "history").iterdir())) == 2


def test_wrong_calls_end_with_2_and_one_line(call: Command, pair: tuple[str, str], tmp_path: Path) -> None:
    now, old = pair
    nowhere = str(tmp_path / "nowhere")
    for arguments, part in (
        ((nowhere, "--against", old), "nowhere"),
        ((now, "--against", nowhere), "nowhere"),
        ((now, "--against", old, "--set", "audit.thresholds.other=1"), "audit.thresholds.other: unknown key"),
        ((now, "--against", old, "--set", "attribution.steps=3"), "only keys of `audit`"),
        ((now,), "--against"),
    ):
        done = call("audit", *arguments)
        assert (done.code, done.out) == (2, ""), done
        assert part in done.err
        assert "Traceback" not in done.err
    assert read_audit(Output(now)) is None


def test_an_unfinished_study_ends_with_3(call: Command, pair: tuple[str, str]) -> None:
    now, old = pair
    next(Path(old, "image_stats").rglob("*.parquet")).unlink()
    done = call("audit", now, "--against", old)
    assert done.code == 3
    assert done.err.startswith(f"igbatch: {old}: not finished")


def test_a_chat_that_cannot_be_notified_changes_no_exit_code(
    call: Command, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, old = pair
    monkeypatch.setenv("CHAT_URL", "file:///secret")
    webhook = ("--set", "audit.webhook.variable=CHAT_URL")
    for more, code in (((), 0), (FALSE_REPEAT, 1)):
        done = call("audit", now, "--against", old, *webhook, *more)
        assert done.code == code
        assert len(done.err.splitlines()) == 1
        assert "CHAT_URL was not notified" in done.err
        assert "secret" not in done.out + done.err + Path(now, "audit.json").read_text("utf-8")


def test_a_later_run_keeps_the_verdict_on_the_page(
    call: Command,
    pair: tuple[str, str],
    tiny_study: Path,
    pages: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    now, old = pair

    def run() -> str:
        job.run_job(tiny_study, (), Console(width=200), out=now)
        return capsys.readouterr().out

    run()
    assert pages == [now]
    assert call("audit", now, "--against", old).code == 0
    assert pages == [now, now]
    assert "the report is up to date" in run()
    assert pages == [now, now]
    keep_derived(Output(now), audit="of another verdict")
    assert "the report is up to date" not in run()
    assert pages == [now, now, now]
    assert "the report is up to date" in run()
