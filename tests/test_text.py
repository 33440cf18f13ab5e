import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.text import count, file_stem, listing, number, ordinal, percent, plain, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0213456, "0.0213"), (-0.0213456, "−0.0213"), (3.14159e-8, "3.14×10⁻⁸"),
        (0.99951, "1.00"),
        (-1234.5, "−1,230"), (12345.6, "12,300"), (1.5e9, "1.50×10⁹"), (0.000999999, "0.00100"),
    ],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"), (1, "100"), (0.973, "97.3"), (0.0042, "0.42"), (0.00001, "< 0.01"), (0.99999, "> 99.99"),
        (0.9951, "99.51"),
    ],
)  # fmt: skip
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == f"{text}\u00a0%"


def test_words() -> None:
    assert (count(1, "map"), count(1200, "map"), count(2, "box", "boxes")) == (
        "1 map",
        "1,200 maps",
        "2 boxes",
    )
    assert [ordinal(n) for n in (1, 2, 3, 4, 12, 23, 111)] == [
        "1st", "2nd", "3rd", "4th", "12th", "23rd", "111th"
    ]  # fmt: skip
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdefgh"), max_names=2) == "a, b and 6 more"
    assert listing([]) == ""


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
