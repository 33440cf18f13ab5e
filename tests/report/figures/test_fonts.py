"""Letters that DejaVu Sans lacks: taken from fonts of the machine, or � and reported."""

import io
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from igbatch.report.figures.fonts import FONT, Fallbacks, installed, missing_line
from igbatch.report.figures.typeset import (
    fallbacks,
    finish,
    finish_page,
    missing_letters,
    new_page,
    text_width,
    write,
)

Write = Callable[..., Path]
Install = Callable[..., None]
BIRDS = "鷹と喜鹊"


@pytest.fixture(autouse=True)
def _fonts(only_fonts: Install) -> Install:
    return only_fonts


def drawn(text: str, kind: str = "png", *, bold: bool = False) -> bytes:
    """Draw a text alone and return the file; matplotlib may neither warn nor log."""
    page = new_page(400)
    write(page, 5, 10, text, 14, bold=bold)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.fonttype": "none", "pdf.compression": 0}):
        warnings.simplefilter("error")
        finish_page(page, 40).savefig(buffer, format=kind)
    return buffer.getvalue()


def test_letters_of_dejavu_need_no_other_font() -> None:
    text = "eagle é ع ☃ ×10⁻⁸"
    assert fallbacks().families(text) == [FONT]
    assert fallbacks().drawable(text) == text
    assert fallbacks().missing(text) == set()


def test_where_no_font_has_a_letter_it_is_replaced_and_told() -> None:
    assert fallbacks().families(BIRDS) == [FONT]
    assert fallbacks().drawable(f"a {BIRDS} b") == "a ���� b"
    assert fallbacks().missing(f"a {BIRDS}\n\x00 b") == set(BIRDS)
    figure = Figure()
    figure.text(0, 0, f"a {BIRDS}")
    figure.add_subplot().set_title("🦅")
    assert missing_letters(figure) == missing_letters(finish(figure)) == {*BIRDS, "🦅"}
    assert missing_letters(Figure()) == set()


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("cff", [False, True])
def test_a_font_of_the_machine_is_found_and_drawn_in_silence(
    write_font: Write, only_fonts: Install, caplog: pytest.LogCaptureFixture, bold: bool, cff: bool
) -> None:
    only_fonts(write_font(BIRDS, cff=cff))
    with caplog.at_level(logging.WARNING):
        assert fallbacks().families(f"eagle {BIRDS}") == [FONT, "Squares"]
        assert fallbacks().families("eagle") == [FONT]
        assert fallbacks().drawable(BIRDS) == BIRDS
        assert fallbacks().missing(BIRDS) == set()
        assert fallbacks().truetype is not cff
        picture = np.asarray(Image.open(io.BytesIO(drawn(BIRDS, bold=bold))).convert("L"))
        assert text_width("鷹", 14, bold) == pytest.approx(14, rel=0.02)  # as wide as the font says
        svg, pdf = drawn(BIRDS, "svg", bold=bold).decode(), drawn(BIRDS, "pdf", bold=bold)
    assert caplog.messages == []
    squares = 4 * (0.7 * 14) ** 2 / (400 * 40)  # of the font, 0.7 wide and high
    assert (picture < 128).mean() == pytest.approx(squares, rel=0.1)
    assert f">{BIRDS}<" in svg
    assert re.search(r"DejaVu Sans'?, '?Squares", svg)
    assert b"Squares" in pdf


def test_of_several_fonts_those_are_taken_that_have_most_letters(
    write_font: Write, only_fonts: Install
) -> None:
    only_fonts(write_font("鷹", "A Sans"), write_font("鷹喜", "B Serif"), write_font("鹊", "C Sans"))
    assert fallbacks().families("鷹") == [FONT, "A Sans"]  # before others, since its shape is plain
    assert fallbacks().families("喜鹊") == [FONT, "C Sans", "B Serif"]
    assert fallbacks().families("鷹鹊") == [FONT, "A Sans", "C Sans", "B Serif"]
    assert fallbacks().missing("鷹と喜鹊") == {"と"}


def test_fonts_are_looked_for_once_for_each_letter(write_font: Write) -> None:
    calls: list[int] = []

    def entries() -> list[font_manager.FontEntry]:
        calls.append(1)
        return installed()

    fonts = Fallbacks(entries)
    for _ in range(3):
        fonts.families(BIRDS)
        fonts.drawable("鷹")
    assert len(calls) == 1
    fonts.families("龍")
    assert len(calls) == 2


def test_fonts_that_cannot_be_read_and_fonts_of_boxes_are_passed_over(
    write_font: Write, only_fonts: Install, tmp_path: Path
) -> None:
    (tmp_path / "torn.ttf").write_bytes(write_font("鷹", "Whole").read_bytes()[:300])
    only_fonts(tmp_path / "torn.ttf", tmp_path / "gone.ttf", write_font("鷹", "Adobe Blank"))
    assert fallbacks().missing("鷹") == {"鷹"}
    vanishing = write_font("鷹", "Vanishing")
    only_fonts(vanishing)
    entries = installed()
    vanishing.unlink()
    assert Fallbacks(lambda: entries).missing("鷹") in (set(), {"鷹"})  # matplotlib may hold it open


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "text",
    ["$x$ and $", r"$\frac{a}{b", "100 % _x^2", "مرحبا بالعالم", "שלום", "é̂ n̈ ạ̈́", "🦅👨‍👩‍👧🇩🇪❤️", "กำ नमस्ते",
     "\ud83e broken", "a\tb\r\n\x00\x1b[31m", "\u202eevil", "𠮷野家", "x" * 300],
)  # fmt: skip
def test_any_text_is_drawn_literally(kind: str, text: str) -> None:
    content = drawn(text, kind)
    if kind == "svg" and text.isascii() and text.isprintable():
        assert f">{text}<" in content.decode()


def test_what_is_missing_is_one_line() -> None:
    assert missing_line({}) == missing_line({"a.png": set()}) == ""
    missing = {"whole.png": set(), "a.png": {"鷹", "と"}, "b.png": {"🦅", "鷹"}}
    line = missing_line(missing)
    assert line.startswith(
        "fonts: none on this machine has と, 鷹, 🦅, drawn as � in a.png, b.png; install one"
    )
    assert "apt-get install fonts-noto-cjk fonts-symbola) and draw the figures again" in line
    missing["c.png"] = {chr(0x4E00 + place) for place in range(50)}
    missing |= {f"{place}.png": {"한"} for place in range(20)}
    line = missing_line(missing)
    assert " more, drawn as � in a.png, " in line
    assert len(line) < 500
    assert "\n" not in line


@pytest.mark.slow
def test_a_terminal_of_few_letters_gets_the_line_too() -> None:
    say = "from igbatch.report.figures.fonts import on_stderr; on_stderr('none has \u9df9')"
    done = subprocess.run(
        [sys.executable, "-c", say], env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"none has \\u9df9\n")
