import json
from typing import get_args

import pytest

from igbatch.reduce.ranges import SCOPES
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.wording import (
    KNOBS,
    PART_WORDS,
    RULE_WORDS,
    SCOPE_WORDS,
    RangeRule,
    ValuePart,
    knobs,
)


def test_every_choice_has_words() -> None:
    assert tuple(SCOPE_WORDS) == SCOPES
    assert tuple(RULE_WORDS) == get_args(RangeRule)
    assert tuple(PART_WORDS) == get_args(ValuePart)
    for scope, words in SCOPE_WORDS.items():
        assert words.title
        assert words.compare
        assert bool(words.beware) == (scope not in ("raw", "dataset"))
        assert ("{maps}" in words.over) == (scope in ("targets", "models", "variant", "dataset"))
    for name, choice in {**RULE_WORDS, **PART_WORDS}.items():
        assert choice.title
        assert choice.words.endswith(".") == (name != "signed")
        assert ("{p}" in choice.title) == (name == "percentile")


@pytest.mark.parametrize("name", KNOBS)
def test_a_slider_of_a_knob_reaches_both_ends_and_the_default(name: str) -> None:
    knob = KNOBS[name]
    for value in (knob.maximum, knob.default):
        steps = (value - knob.minimum) / knob.step
        assert steps == pytest.approx(round(steps))
        assert steps >= 0


def test_the_viewer_gets_all_of_it_as_json() -> None:
    exported = json.loads(json.dumps(knobs(), allow_nan=False))
    assert [each["scope"] for each in exported["scopes"]] == list(SCOPES)
    assert [each["rule"] for each in exported["rules"]] == list(RULE_WORDS)
    assert [each["part"] for each in exported["parts"]] == list(PART_WORDS)
    assert [each["palette"] for each in exported["palettes"]] == list(PALETTES)
    assert all(len(each["colors"]) % 2 for each in exported["palettes"])
    limits = exported["limits"]["contour"]
    assert (limits["minimum"], limits["maximum"], limits["default"]) == (0, 100, 0)
