"""Messages: one line, and nothing in it that a terminal acts on."""

import pickle

import pytest

from igbatch.errors import (
    IgbatchError,
    ImageError,
    InputError,
    UnfinishedError,
    WorkerError,
    one_line,
    printable,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("eagle.jpg", "eagle.jpg"),
        ("Häher 鹰 🦅 a b", "Häher 鹰 🦅 a b"),
        ("a\0b", r"a\x00b"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("gpj.\u202ekcalb", r"gpj.\u202ekcalb"),
        ("half \ud800", r"half \ud800"),
        ("a\nb", r"a\nb"),
        ("no-break\u00a0space", "no-break\u00a0space"),
    ],
)
def test_what_a_terminal_acts_on_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    for error in (IgbatchError, InputError, UnfinishedError, WorkerError, ImageError):
        assert str(error(text)) == shown


def test_an_error_comes_back_from_a_worker_as_it_was() -> None:
    error = pickle.loads(pickle.dumps(InputError("a\0b")))
    assert (type(error), str(error), error.exit_code) == (InputError, r"a\x00b", 2)


def test_a_text_of_several_lines_becomes_one_and_is_cut() -> None:
    assert one_line("a\n  b\x1b[0m") == r"a b\x1b[0m"
    assert one_line("x" * 50, limit=10) == "x" * 9 + "…"
