"""Names in letters that the figures' own font lacks, and names that resemble something else."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import Command, Ended
from PIL import Image

from igbatch.birds.scenes import render_scene
from igbatch.job import write_report
from igbatch.results import StudyResults
from igbatch.store.output import Output

pytestmark = pytest.mark.slow

NAMES = ("鷹.png", "カササギ $x$.png")
LETTERS = "鷹カササギ喜鹊"


@pytest.fixture(scope="module")
def named(
    tmp_path_factory: pytest.TempPathFactory,
    small_content: dict[str, Any],
    compute_study: Callable[..., Output],
) -> Output:
    """A finished study whose title, images and targets are named in Chinese and Japanese."""
    folder = tmp_path_factory.mktemp("named")
    (folder / "images").mkdir()
    for seed, name in enumerate(NAMES):
        Image.fromarray(render_scene(seed, "double").image).save(folder / "images" / name)
    content = {
        **small_content, "title": "鷹", "images": {"root": "images"}, "targets": {"鷹": 0, "喜鹊": 1},
        "variants": [{"kind": "trained"}], "report": {"featured": [NAMES[0]]},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return compute_study(folder / "study.yaml", folder / "out")


@pytest.fixture
def report(call: Command, named: Output) -> Command:
    """Draw figures of that study for print, as if there were none: (*options)."""

    def report(*options: str) -> Ended:
        shutil.rmtree(Path(named.uri) / "report/print", ignore_errors=True)
        ended = call("report", named.uri, *options)
        assert ended.code == 0, ended.err
        return ended

    return report


def texts(output: Output) -> str:
    found = Path(output.uri).glob("report/print/*.svg")
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)<", "".join(file.read_text("utf-8") for file in found)))


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_letters_that_no_font_has_are_told_in_one_line(
    report: Command, only_fonts: Callable[..., None], file_format: str
) -> None:
    ended = report("--format", file_format, "--grid", "2x2")
    lines = ended.err.splitlines()
    assert len(lines) == 1
    for letter in LETTERS:
        assert letter in lines[0]
    assert f".{file_format}" in lines[0]
    assert "apt-get install fonts-noto-cjk) and draw the figures again" in lines[0]


def test_a_font_that_was_installed_since_is_used_without_a_word(
    named: Output, report: Command, only_fonts: Callable[..., None], write_font: Callable[..., Path]
) -> None:
    report("--format", "svg")
    assert "鷹" not in texts(named)
    only_fonts(write_font(LETTERS))
    assert report("--format", "pdf", "--image", NAMES[0]).err == ""
    assert report("--format", "svg").err == ""
    drawn = texts(named)
    assert "鷹.png" in drawn
    assert "喜鹊" in drawn
    assert "カササギ $x$.png" in drawn  # no mathematics
    assert "�" not in drawn


def test_the_reports_own_figures_are_told_of_too(
    named: Output,
    only_fonts: Callable[..., None],
    write_font: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_report(StudyResults(named.uri), named)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("fonts: none on this machine has ")
    assert "aggregates.png" not in line
    only_fonts(write_font(LETTERS))
    write_report(StudyResults(named.uri), named)
    assert capfd.readouterr().err == ""
