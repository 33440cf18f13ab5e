from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.color.wording import PART_WORDS


def test_what_is_said_of_a_rule_chooses_it() -> None:
    assert ColorStyle.of() == DEFAULT == ColorStyle()
    assert (
        ColorStyle.of(percentile=99)
        == ColorStyle.of(rule="percentile", percentile=99)
        == ColorStyle(rule="percentile")
    )
    assert (
        ColorStyle.of(ends=(-1, 2))
        == ColorStyle.of(rule="fixed", ends=(-1, 2))
        == ColorStyle(rule="fixed", vmin=-1, vmax=2)
    )
    assert ColorStyle.of(level=None, part=None) == DEFAULT


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"rule": "own"}, "symmetric, min-max, percentile, fixed"),
        ({"part": "both"}, ", ".join(PART_WORDS)),
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
        ({"colour": "red"}, "'colour' is no choice of style"),
        ({"overlay": 0.5}, "use opacity="),
        ({"range": (-1, 1)}, r"use ends=\(low, high\)"),
        ({"vmin": -1}, r"use ends=\(low, high\)"),
        ({"colors": "gray"}, "use palette="),
        ({"symmetric": True}, "use rule='symmetric'"),
    ],
)
def test_a_wrong_choice_is_one_line_that_says_what_is_right(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        ColorStyle.of(**choices)
    assert "\n" not in str(refused.value)


def test_ends_belong_to_the_fixed_rule() -> None:
    with pytest.raises(InputError, match="use fixed"):
        ColorStyle(vmin=0, vmax=1)


def test_words_follow_the_choices() -> None:
    assert DEFAULT.words["guide"].startswith(
        "Red is negative, white is zero, blue is positive, with one scale"
    )
    assert "white is not zero" in ColorStyle(rule="min-max").words["guide"]
    assert "white is not zero" not in ColorStyle(rule="min-max", part="positive").words["guide"]
    assert "white is zero" in ColorStyle.of(ends=(-1, 1)).words["guide"].lower()
    assert "white at 0.5" in ColorStyle.of(ends=(-1, 2)).words["guide"]
    assert (
        ColorStyle(palette="gray", part="absolute")
        .words["guide"]
        .startswith("Gray is zero, white is strong.")
    )
    assert (
        "strongest 5 % of its pixels. The strength of a pixel is the mean of |a| within some 4"
        in ColorStyle(contour=5).words["guide"]
    )
    assert "strongest 5 % of its pixels. The line on" in ColorStyle(contour=5, blur=0).words["guide"]
    assert "at 1/4 of the way" in ColorStyle(level=4).words["guide"]
    words = ColorStyle(rule="percentile", percentile=99.5, part="negative", level=2, opacity=0.25).words[
        "choices"
    ]
    for part in ("red-white-blue", "percentile 99.5 %", "negative values", "level 2", "opacity of 25 %"):
        assert part in words


def test_only_changed_choices_are_named_in_files() -> None:
    assert DEFAULT.changed == ()
    assert ColorStyle(rule="percentile", contour=5).changed == ("percentile 99 %", "contour 5")
    assert ColorStyle(contour=5, blur=0).changed == ("contour 5", "blur 0")
    assert ColorStyle(blur=0).changed == ()  # without a contour it changes nothing
    assert ColorStyle(percentile=95).changed == ()  # the rule does not use it
