"""Titles, sentences and limits of every choice about colours, for figures, page and viewer alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from igbatch.reduce.ranges import Scope
from igbatch.report.color.colormaps import PALETTES

Rule = Literal["symmetric", "min-max", "percentile", "fixed"]
Part = Literal["signed", "positive", "negative", "absolute"]


@dataclass(frozen=True)
class ScopeWords:
    """A scope in words.

    Attributes:
        title: a few words, as for a list of choices; in small letters, what stands under a map.
        over: whose minimum and maximum the range is; `{maps}` stands for the number of maps, as in "3 maps".
        compare: which maps may be compared, after the word "compare".
        beware: a sentence that says what it makes incomparable; empty where that is nothing.
    """

    title: str
    over: str
    compare: str
    beware: str


@dataclass(frozen=True)
class ChoiceWords:
    """A rule or a part in words: a title for a list of choices, and a sentence; `{p}` is the percentile."""

    title: str
    words: str


@dataclass(frozen=True)
class Knob:
    """A number to choose: its limits, the steps of a slider, and a sentence for where it changes something.

    In `words`, `{value}` stands for the number.
    """

    title: str
    minimum: float
    maximum: float
    step: float
    default: float
    words: str = ""


SCOPE_WORDS: dict[Scope, ScopeWords] = {
    "raw": ScopeWords("Raw values", "the whole study", "every map of the study with every other", ""),
    "image": ScopeWords(
        "Per-map range",
        "the map itself",
        "shapes only",
        "Strengths may not be compared between any two maps, since every map fills its own scale.",
    ),
    "pair": ScopeWords(
        "Joint range of the pair",
        "both maps",
        "the two with each other",
        "Each pair has a range of its own: do not compare between variants or images.",
    ),
    "targets": ScopeWords(
        "Joint range of all targets",
        "the {maps} of this image and variant",
        "these with each other",
        "Each variant has a range of its own here: do not compare between variants or images.",
    ),
    "models": ScopeWords(
        "Joint range of all variants",
        "the {maps} of this image, all variants and targets",
        "these with each other",
        "Each image has a range of its own: do not compare between images.",
    ),
    "variant": ScopeWords(
        "Joint range of the variant",
        "all {maps} of the variant in the study",
        "maps of the variant with each other",
        "Each variant has a range of its own: do not compare between variants.",
    ),
    "dataset": ScopeWords(
        "Joint range of the study", "all {maps} of the study", "every map of the study with every other", ""
    ),
}

RULE_WORDS: dict[Rule, ChoiceWords] = {
    "symmetric": ChoiceWords(
        "symmetric around zero",
        "The colours end at plus and minus the largest magnitude of the range: the middle colour is zero, "
        "and both signs have one scale.",
    ),
    "min-max": ChoiceWords(
        "min-max",
        "The colours run from the minimum to the maximum of the range, (a − min) / (max − min): the middle "
        "colour is the middle of the range, not zero.",
    ),
    "percentile": ChoiceWords(
        "percentile {p} %",
        "The colours end at plus and minus the magnitude that {p} % of all pixels of the range's maps do not "
        "exceed: stronger pixels take the end colour and are counted. The middle colour is zero.",
    ),
    "fixed": ChoiceWords(
        "fixed range",
        "The colours end where they were set, for every map alike: values beyond take the end colour and are "
        "counted.",
    ),
}
"""How a range becomes the ends of the colour scale; the default first."""

PART_WORDS: dict[Part, ChoiceWords] = {
    "signed": ChoiceWords("signed", ""),
    "positive": ChoiceWords("positive only", "Positive values only: negative ones are drawn as zero."),
    "negative": ChoiceWords("negative only", "Negative values only: positive ones are drawn as zero."),
    "absolute": ChoiceWords("absolute", "Magnitudes only: the sign is dropped."),
}
"""What of a map is shown; the default first."""

KNOBS: dict[str, Knob] = {
    "percentile": Knob("Clip at", 90, 100, 0.1, 99),
    "level": Knob(
        "Level",
        1,
        20,
        0.5,
        1,
        "The end colours are reached at 1/{value} of the way to the ends of the scale.",
    ),
    "contour": Knob(
        "Contour of the strongest",
        0,
        100,
        1,
        0,
        "The line on a map goes around the strongest {value} % of its pixels.",
    ),
    "blur": Knob(
        "Contour of means within",
        0,
        16,
        1,
        4,
        "The strength of a pixel is the mean of |a| within some {value} pixels.",
    ),
    "opacity": Knob(
        "Opacity over the photograph",
        0,
        1,
        0.05,
        1,
        "The photograph shows through: colours are not those of the bar.",
    ),
}
"""The numbers of a colour style by name. `words` holds where the number changes something: level and opacity
other than 1, a contour other than 0, and beside it a blur other than 0."""

MISSING_WORDS = "Maps are missing: this is the range of the {maps} there, not the joint one."
"""Of an incomplete range."""

HISTOGRAM_WORDS = "The quantile is from histograms, within {error}."
"""Of a percentile that was not taken from the pixels themselves; `{error}` is as in "15.5 %"."""


def knobs() -> dict[str, Any]:
    """Return all choices with their titles, sentences and limits, as JSON has them.

    Keys: scopes, rules, parts and palettes, lists of choices, the default first (scopes have none), each
    with its name (`scope`, `rule`, `part`, `palette`) and words; limits, by name (`KNOBS`); sentences.
    """
    return {
        "scopes": [{"scope": scope, **asdict(words)} for scope, words in SCOPE_WORDS.items()],
        "rules": [{"rule": rule, **asdict(words)} for rule, words in RULE_WORDS.items()],
        "parts": [{"part": part, **asdict(words)} for part, words in PART_WORDS.items()],
        "palettes": [
            {
                "palette": name,
                "title": palette.title,
                "colors": ["#" + bytes(color).hex() for color in palette.colors],
                "line": palette.line,
            }
            for name, palette in PALETTES.items()
        ],
        "limits": {name: asdict(knob) for name, knob in KNOBS.items()},
        "sentences": {"missing": MISSING_WORDS, "histogram": HISTOGRAM_WORDS},
    }
