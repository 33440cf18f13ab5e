"""How maps look: the choices that a reader makes about colours, checked, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from igbatch.errors import InputError
from igbatch.report.colors import PALETTES, Palette
from igbatch.report.text import number


@dataclass(frozen=True)
class RuleWords:
    """A range rule in words: a title for a list of choices, and a sentence; `{p}` is the percentile."""

    title: str
    words: str


RULE_WORDS: dict[str, RuleWords] = {
    "symmetric": RuleWords(
        "symmetric around zero",
        "The colours end at plus and minus the largest magnitude of the range: the middle colour is zero, "
        "and both signs have one gain.",
    ),
    "min-max": RuleWords(
        "min-max",
        "The colours run from the minimum to the maximum of the range, (a − min) / (max − min): the middle "
        "colour is the middle of the range, not zero.",
    ),
    "percentile": RuleWords(
        "percentile {p} %",
        "The colours end at plus and minus the magnitude that {p} % of all pixels of the range's maps do not "
        "exceed: stronger pixels take the end colour and are counted. The middle colour is zero.",
    ),
    "fixed": RuleWords(
        "fixed range",
        "The colours end where the reader said, for every map alike: values beyond take the end colour and "
        "are counted.",
    ),
}
"""What is said of each range rule, in figures and on the page; the default first."""

PARTS = {
    "signed": "",
    "positive": "Positive values only: negative ones are drawn as zero.",
    "negative": "Negative values only: positive ones are drawn as zero.",
    "absolute": "Magnitudes only: the sign is dropped.",
}
"""The parts of a map that may be shown, each with a sentence; the default first."""

LOWEST_PERCENTILE = 90.0
HIGHEST_LEVEL = 20.0


@dataclass(frozen=True)
class Look:
    """How maps are coloured, whatever the normalization: the same choices as on the page.

    Attributes:
        rule: one of `RULE_WORDS`: how a range becomes the ends of the colour scale.
        percentile: of the magnitudes, 90 to 100; only the rule `percentile` uses it.
        low, high: ends of the rule `fixed`, in units of the output; None otherwise.
        part: one of `PARTS`.
        level: factor of the place on the colour scale, 1 to 20: at 2 the end colour is reached half-way.
        palette: one of `PALETTES`.
        contour: a line around the strongest so many percent of a map's pixels, 0 (none) to 100.
        opacity: of the map over the photograph, 0 (photograph alone) to 1 (map alone).

    Raises:
        InputError: a value is none of these.
    """

    rule: str = "symmetric"
    percentile: float = 99.0
    low: float | None = None
    high: float | None = None
    part: str = "signed"
    level: float = 1.0
    palette: str = "red-white-blue"
    contour: float = 0.0
    opacity: float = 1.0

    def __post_init__(self) -> None:
        _known("rule", self.rule, RULE_WORDS)
        _known("part", self.part, PARTS)
        _known("palette", self.palette, PALETTES)
        _within("percentile", self.percentile, LOWEST_PERCENTILE, 100)
        _within("level", self.level, 1, HIGHEST_LEVEL)
        _within("contour", self.contour, 0, 100)
        _within("overlay opacity", self.opacity, 0, 1)
        if self.rule == "fixed":
            self._check_ends()
        elif self.low is not None or self.high is not None:
            raise InputError(
                f"range: rule {self.rule!r} finds its own ends; leave low and high out, or use fixed"
            )

    def _check_ends(self) -> None:
        if self.low is None or self.high is None:
            raise InputError("range: rule 'fixed' needs both ends; give low and high")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"range: {self.low:g} to {self.high:g} is no range; give two finite numbers, the lower first"
            )

    @property
    def colors(self) -> Palette:
        """The palette itself."""
        return PALETTES[self.palette]

    @property
    def rule_title(self) -> str:
        """The rule in a few words, with its percentile or its ends."""
        if self.low is not None and self.high is not None:
            return f"fixed range {number(self.low)} to {number(self.high)}"
        return RULE_WORDS[self.rule].title.format(p=f"{self.percentile:g}")


def _known(what: str, value: str, known: Iterable[str]) -> None:
    names = list(known)
    if value not in names:
        raise InputError(f"{what} {value!r} is unknown; use one of {', '.join(names)}")


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is not
        raise InputError(f"{what} is {value:g}; give a number from {low:g} to {high:g}")
