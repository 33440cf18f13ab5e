"""How maps look: the choices that a reader makes about colours, checked, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from igbatch.errors import InputError
from igbatch.report.color.colormaps import PALETTES, Palette
from igbatch.report.color.wording import PART_WORDS, RULE_WORDS, Part, Rule

PARTS = {part: words.words for part, words in PART_WORDS.items()}

LOWEST_PERCENTILE = 90.0
HIGHEST_LEVEL = 20.0
MOST_BLUR = 16


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
        blur: pixels around each that its strength for the contour is averaged over, 0 to 16.
        opacity: of the map over the photograph, 0 (photograph alone) to 1 (map alone).

    Raises:
        InputError: a value is none of these.
    """

    rule: Rule = "symmetric"
    percentile: float = 99.0
    low: float | None = None
    high: float | None = None
    part: Part = "signed"
    level: float = 1.0
    palette: str = "red-white-blue"
    contour: float = 0.0
    blur: int = 4
    opacity: float = 1.0

    def __post_init__(self) -> None:
        _known("rule", self.rule, RULE_WORDS)
        _known("part", self.part, PARTS)
        _known("palette", self.palette, PALETTES)
        _within("percentile", self.percentile, LOWEST_PERCENTILE, 100)
        _within("level", self.level, 1, HIGHEST_LEVEL)
        _within("contour", self.contour, 0, 100)
        _within("blur", self.blur, 0, MOST_BLUR)
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

    @classmethod
    def of(
        cls,
        *,
        rule: str | None = None,
        percentile: float | None = None,
        ends: tuple[float, float] | None = None,
        **others: Any,
    ) -> Look:
        """Return a look from what was said of its rule: ends mean `fixed`, a percentile means `percentile`.

        `others` are further fields; None stands for the default.

        Raises:
            InputError: a value is wrong, or two of them exclude each other.
        """
        meant = {"fixed": ends is not None, "percentile": percentile is not None}
        if all(meant.values()):
            raise InputError("a range that is set takes no percentile; leave out one of them")
        for name, what in {"fixed": "range", "percentile": "percentile"}.items():
            if meant[name] and rule not in (None, name):
                raise InputError(f"rule {rule!r} takes no {what}; leave out one of them")
        rule = rule or next((name for name, given in meant.items() if given), None)
        low, high = ends or (None, None)
        chosen = {"rule": rule, "percentile": percentile, **others}
        return cls(low=low, high=high, **{k: v for k, v in chosen.items() if v is not None})

    @property
    def colors(self) -> Palette:
        """The palette itself."""
        return PALETTES[self.palette]

    @property
    def rule_title(self) -> str:
        """The rule in a few words, with its percentile or its ends."""
        if self.low is not None and self.high is not None:
            return f"fixed range {stated(self.low)} to {stated(self.high)}"
        return RULE_WORDS[self.rule].title.format(p=f"{self.percentile:g}")

    @property
    def choices(self) -> str:
        """All choices in one sentence, the defaults too."""
        contour = f"contour of the strongest {self.contour:g} %" if self.contour else "no contour"
        if self.contour and self.blur:
            contour += f" by means within {self.blur} pixels"
        beneath = "no photograph beneath"
        if self.opacity < 1:
            beneath = f"over the photograph with an opacity of {100 * self.opacity:g} %"
        part, level = f"{self.part} values", f"level {self.level:g}"
        return f"Chosen: {', '.join((self.palette, self.rule_title, part, level, contour, beneath))}."

    @property
    def changed(self) -> tuple[str, ...]:
        """The choices that differ from the default, each in a word or two, as for the name of a file."""
        words = {
            "rule": self.rule if self.rule in ("symmetric", "min-max") else self.rule_title,
            "part": self.part,
            "level": f"level {self.level:g}",
            "palette": self.palette,
            "contour": f"contour {self.contour:g}",
            "blur": f"blur {self.blur}" if self.contour else "",
            "opacity": f"overlay {self.opacity:g}",
        }
        changed = (name for name in words if getattr(self, name) != getattr(DEFAULT, name))
        return tuple(words[name] for name in changed if words[name])

    @property
    def guide(self) -> str:
        """How to read the colours of a figure, in sentences."""
        said = [self._colors_in_words()]
        if self.rule == "percentile":
            said.append("Beyond the ends of the scale pixels take the end colour and are counted.")
        if self.level != 1:
            said.append(f"The end colours are reached at {100 / self.level:.3g} % of the way (level).")
        if self.contour:
            means = f", by means of |a| within some {self.blur} pixels" if self.blur else ""
            said.append(
                f"The line on a map goes around the strongest {self.contour:g} % of its pixels{means}."
            )
        said.append("The line on a colour bar marks zero. Below the bar: raw values.")
        if self.rule != "fixed":
            said.append("Above it: the same, normalized to (a − min) / (max − min).")
        return " ".join(said)

    def _colors_in_words(self) -> str:
        colors = self.colors
        negative, middle, positive = colors.negative, colors.middle, colors.positive
        if self.part == "signed" and self.rule == "min-max":
            return (
                f"The colours run from {negative} at the minimum of the range over {middle} at its middle to "
                f"{positive} at its maximum: {middle} is not zero."
            )
        if self.low is not None and self.high is not None and self.low != -self.high:
            ends = f"{negative} at {stated(self.low)} to {positive} at {stated(self.high)}"
            said = f"The colours run from {ends}, {middle} at {stated((self.low + self.high) / 2)}."
            return f"{said} {PARTS[self.part]}".strip()
        if self.part == "signed":
            sides = f"{negative} is negative, {middle} is zero, {positive} is positive"
            return f"{sides[:1].upper()}{sides[1:]}, with one gain for both signs."
        side = {"negative": f"{negative} is negative", "absolute": f"{positive} is strong"}
        sides = f"{middle} is zero, {side.get(self.part, f'{positive} is positive')}"
        return f"{sides[:1].upper()}{sides[1:]}. {PARTS[self.part]}"


def stated(value: float) -> str:
    """Write an end as a reader stated it: −0.002, 4e−05."""
    return f"{value:g}".replace("-", "−")


def _known(what: str, value: str, known: Iterable[str]) -> None:
    names = list(known)
    if value not in names:
        raise InputError(f"{what} {value!r} is unknown; use one of {', '.join(names)}")


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is not
        raise InputError(f"{what} is {value:g}; give a number from {low:g} to {high:g}")


DEFAULT = Look()
"""What figures show where nobody chose."""
