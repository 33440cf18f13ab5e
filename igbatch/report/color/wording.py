"""Titles, sentences and limits of every choice about colours, from `wording.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Literal

from igbatch.reduce.ranges import Scope
from igbatch.report.color.colormaps import PALETTES
from igbatch.statistics.blur import SIGMA
from igbatch.statistics.partitions import CODES

RangeRule = Literal["symmetric", "min-max", "percentile", "fixed"]
ValuePart = Literal["signed", "positive", "negative", "absolute"]


@dataclass(frozen=True)
class ScopeWords:
    """A scope in words: a title, over whose values it is, which maps to compare, and what to beware of.

    `contrast_over` and `contrast_compare` are said where only contrasts are shown; empty: as of classes.
    """

    title: str
    over: str
    compare: str
    beware: str
    contrast_over: str = ""
    contrast_compare: str = ""


@dataclass(frozen=True)
class ChoiceWords:
    """A rule or a part in words: a title for a list of choices, and a sentence."""

    title: str
    words: str


@dataclass(frozen=True)
class Knob:
    """A number to choose: its limits, the steps of a slider, and a sentence where it changes something."""

    title: str
    minimum: float
    maximum: float
    step: float
    default: float
    words: str


_WORDS = tomllib.loads(files("igbatch.report.color").joinpath("wording.toml").read_text("utf-8"))

SCOPE_WORDS: dict[Scope, ScopeWords] = {name: ScopeWords(**each) for name, each in _WORDS["scopes"].items()}

RULE_WORDS: dict[RangeRule, ChoiceWords]
RULE_WORDS = {name: ChoiceWords(**each) for name, each in _WORDS["rules"].items()}
"""How a range becomes the ends of the colour scale; the default first."""

PART_WORDS: dict[ValuePart, ChoiceWords]
PART_WORDS = {name: ChoiceWords(**each) for name, each in _WORDS["parts"].items()}
"""What of a map is shown; the default first."""

KNOBS = {name: Knob(**each) for name, each in _WORDS["knobs"].items()}
"""The numbers of a colour style by name."""

MISSING_WORDS: str = _WORDS["missing"]
"""Of an incomplete range; `{maps}` are there."""

LACKING_WORDS: dict[str, str] = _WORDS["lacking"]
"""Why regions are not there: because they were not asked for, by kind, or not `measured` of `{maps}`."""

HISTOGRAM_WORDS: str = _WORDS["histogram"]
"""Of a percentile that was not taken from the pixels themselves; `{error}` is as in "15.5 %"."""

CONTRAST_WORDS: str = _WORDS["contrast"]
"""Of maps of contrasts under a joint range."""


def knobs(sizes: Iterable[int] = (), scopes: str = "scopes", lacking: str = "") -> dict[str, Any]:
    """Return all choices with their titles, sentences and limits, as JSON has them.

    Keys: scopes, regions, rules, parts and palettes, lists of choices, the default first (scopes have none),
    each with its name (`scope`, `size`, `rule`, `part`, `palette`) and words; limits, by name (`KNOBS`);
    sentences.

    Args:
        sizes: of the regions to choose among beside pixels (`ranges.region_size`).
        scopes: the section of `wording.toml` that has the scopes: `compared` for arrays of several sources.
        lacking: why other regions are not there, in sentences.
    """
    of_scopes = {name: asdict(ScopeWords(**each)) for name, each in _WORDS[scopes].items()}
    choices = {"scope": of_scopes, "rule": _WORDS["rules"], "part": _WORDS["parts"]}
    choices["palette"] = {
        name: {
            "title": each.title,
            "colors": [f"#{bytes(row).hex()}" for row in each.colors],
            "line": each.line,
        }
        for name, each in PALETTES.items()
    }
    lists = {
        f"{key}s": [{key: name, **words} for name, words in each.items()] for key, each in choices.items()
    }
    return {
        **lists,
        "regions": [region_words(size) for size in (1, *sizes)],
        "limits": _WORDS["knobs"],
        "sentences": {name: _WORDS[name] for name in ("missing", "missing_of", "histogram", "contrast")}
        | {"lacking": lacking},
    }


def region_words(size: int) -> dict[str, Any]:
    """Return the size of regions, and their words: title, label, one, many and a sentence."""
    words = _WORDS["regions"][_KINDS.get(size, "patches")]
    return {"size": size} | {name: text.format(size=size, sigma=f"{SIGMA:g}") for name, text in words.items()}


_KINDS = {1: "pixels", **{code: name for name, code in CODES.items()}}
