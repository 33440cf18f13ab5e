from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.style import DEFAULT, PARTS, Look
from igbatch.report.color.wording import RULE_WORDS
from igbatch.report.figures.sheets import HOW_TO_READ


def test_what_is_said_of_a_rule_chooses_it() -> None:
    assert Look.of() == DEFAULT == Look()
    assert Look.of(percentile=99) == Look.of(rule="percentile", percentile=99) == Look(rule="percentile")
    assert Look.of(ends=(-1, 2)) == Look.of(rule="fixed", ends=(-1, 2)) == Look(rule="fixed", low=-1, high=2)
    assert Look.of(level=None, part=None) == DEFAULT


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"rule": "own"}, "symmetric, min-max, percentile, fixed"),
        ({"part": "both"}, ", ".join(PARTS)),
        ({"palette": "jet"}, ", ".join(PALETTES)),
        ({"percentile": 89.9}, "from 90 to 100"),
        ({"percentile": float("nan")}, "from 90 to 100"),
        ({"level": 0}, "from 1 to 20"),
        ({"contour": 101}, "from 0 to 100"),
        ({"blur": 17}, "from 0 to 16"),
        ({"opacity": -0.1}, "from 0 to 1"),
        ({"ends": (1, -1)}, "the lower first"),
        ({"ends": (0, float("inf"))}, "two finite numbers"),
        ({"rule": "fixed"}, "needs both ends"),
        ({"rule": "min-max", "percentile": 99}, "takes no percentile"),
        ({"rule": "symmetric", "ends": (0, 1)}, "takes no range"),
        ({"percentile": 99, "ends": (0, 1)}, "takes no percentile"),
    ],
)
def test_a_wrong_choice_is_one_line_that_says_what_is_right(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        Look.of(**choices)
    assert "\n" not in str(refused.value)


def test_ends_belong_to_the_fixed_rule() -> None:
    with pytest.raises(InputError, match="use fixed"):
        Look(low=0, high=1)


def test_words_follow_the_choices() -> None:
    assert HOW_TO_READ.startswith("Red is negative, white is zero, blue is positive, with one gain")
    assert "white is not zero" in Look(rule="min-max").guide
    assert "white is not zero" not in Look(rule="min-max", part="positive").guide
    assert "white is zero" in Look.of(ends=(-1, 1)).guide.lower()
    assert "white at 0.5" in Look.of(ends=(-1, 2)).guide
    assert Look(palette="gray", part="absolute").guide.startswith("Gray is zero, white is strong.")
    assert "strongest 5 % of its pixels, by means of |a| within some 4 pixels." in Look(contour=5).guide
    assert "strongest 5 % of its pixels." in Look(contour=5, blur=0).guide
    assert "at 25 % of the way" in Look(level=4).guide
    told = Look(rule="percentile", percentile=99.5, part="negative", level=2, opacity=0.25).choices
    for part in ("red-white-blue", "percentile 99.5 %", "negative values", "level 2", "opacity of 25 %"):
        assert part in told


def test_only_changed_choices_are_named_in_files() -> None:
    assert DEFAULT.changed == ()
    assert Look(rule="percentile", contour=5).changed == ("percentile 99 %", "contour 5")
    assert Look(contour=5, blur=0).changed == ("contour 5", "blur 0")
    assert Look(blur=0).changed == ()  # without a contour it changes nothing
    assert Look(percentile=95).changed == ()  # the rule does not use it


def test_every_rule_has_words() -> None:
    for rule, words in RULE_WORDS.items():
        assert words.title
        assert words.words.endswith(".")
        assert ("{p}" in words.title) == (rule == "percentile")
