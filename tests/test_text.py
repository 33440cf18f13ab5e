from hypothesis import given
from hypothesis import strategies as st

from igbatch.text import count, file_stem, ordinal, plain, shorten


def test_words() -> None:  # more of them, and numbers: tests/report/color/cases.json
    assert count(2, "box", "boxes") == "2 boxes"
    assert [ordinal(n) for n in (1, 2, 3, 4, 12, 23, 111)] == [
        "1st", "2nd", "3rd", "4th", "12th", "23rd", "111th"
    ]  # fmt: skip


def test_long_names_lose_their_middle() -> None:
    assert shorten("eagle", 10) == "eagle"
    assert shorten("n01440764_10026_eagle.jpeg", 11) == "n0144….jpeg"


def test_control_and_direction_characters_become_visible() -> None:
    assert plain("a\nb\u202egnp.exe") == "a�b�gnp.exe"


@given(st.text(max_size=200), st.text(max_size=20))
def test_file_stems_are_plain_names(name: str, other: str) -> None:
    stem = file_stem(name, other)
    assert stem.replace("-", "").isalnum()
    assert stem.isascii()
    assert len(stem) < 120


def test_names_that_look_alike_keep_files_of_their_own() -> None:
    stems = {file_stem("a/b.png"), file_stem("a-b.png"), file_stem("a", "b.png"), file_stem("../../a/b.png")}
    assert len(stems) == 4
