"""The choices that a reader makes about colours, checked, and in words."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from igbatch.errors import InputError
from igbatch.reduce.ranges import Regions, region_size
from igbatch.report.color.colormaps import PALETTES, Palette
from igbatch.report.color.wording import KNOBS, PART_WORDS, RULE_WORDS, RangeRule, ValuePart
from igbatch.report.sentences import parts

KEYWORDS = {
    "range": "ends=(low, high)",
    "vmin": "ends=(low, high)",
    "vmax": "ends=(low, high)",
    "symmetric": "rule='symmetric'",
    "colors": "palette='…'",
    "cmap": "palette='…'",
    "overlay": "opacity=…",
    "alpha": "opacity=…",
    "normalization": "scope='…'",
}
"""Keywords instead of names that flags of `igbatch report`, or matplotlib, have for the same."""


@dataclass(frozen=True)
class ColorStyle:
    """How maps are coloured, whatever their scope: the same choices as on the page (zennit's `imgify`).

    Attributes:
        rule: how the range that maps share becomes the ends of the colour scale.
        percentile: of the magnitudes, 90 to 100; only the rule `percentile` uses it.
        regions: what of a map has one colour: a pixel, or a patch, superpixel or object, which shows its sum;
            `blurred` moves attributions to pixels nearby. None where nobody chose:
            `figures.scales.shown_style` then says which, elsewhere it is pixels.
        vmin, vmax: ends of the rule `fixed`, in units of the output; None otherwise.
        part: what of a map is shown.
        level: factor of the place on the colour scale, 1 to 20: at 2 the end colour is reached half-way.
        palette: one of `PALETTES`.
        contour: a line around the strongest so many percent of a map's pixels, 0 (none) to 100.
        blur: pixels around each that its strength for the contour is averaged over, 0 to 16.
        opacity: of the map over the photograph, 0 (photograph alone) to 1 (map alone).

    Raises:
        InputError: a value is none of these.
    """

    rule: RangeRule = "symmetric"
    percentile: float = KNOBS["percentile"].default
    vmin: float | None = None
    vmax: float | None = None
    part: ValuePart = "signed"
    level: float = KNOBS["level"].default
    palette: str = "red-white-blue"
    contour: float = KNOBS["contour"].default
    blur: int = int(KNOBS["blur"].default)
    opacity: float = KNOBS["opacity"].default
    regions: Regions | None = None

    def __post_init__(self) -> None:
        region_size(self.unit)
        choices: dict[str, Collection[str]] = {"rule": RULE_WORDS, "part": PART_WORDS, "palette": PALETTES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                names = ", ".join(known)
                raise InputError(f"{name} {getattr(self, name)!r} is unknown; use one of {names}")
        for name, knob in KNOBS.items():
            value = getattr(self, name)
            if not knob.minimum <= value <= knob.maximum:  # NaN is not
                what = "overlay opacity" if name == "opacity" else name
                raise InputError(
                    f"{what} is {value:g}; give a number from {knob.minimum:g} to {knob.maximum:g}"
                )
        ends = (self.vmin, self.vmax)
        if self.rule != "fixed" and ends != (None, None):
            raise InputError(
                f"range: rule {self.rule!r} finds its own ends; leave vmin and vmax out, or use fixed"
            )
        if self.rule == "fixed" and None in ends:
            raise InputError("range: rule 'fixed' needs both ends; give vmin and vmax")
        low, high = (0.0 if end is None else end for end in ends)
        if self.rule == "fixed" and not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(
                f"range: {low:g} to {high:g} is no range; give two finite numbers, the lower first"
            )

    @classmethod
    def of(
        cls,
        *,
        rule: str | None = None,
        percentile: float | None = None,
        ends: tuple[float, float] | None = None,
        **others: Any,
    ) -> ColorStyle:
        """Return the style of some choices: ends mean the rule `fixed`, a percentile `percentile`.

        `others` are further fields; None stands for the default.

        Raises:
            InputError: a value is wrong, or two of them exclude each other.
        """
        given = {"fixed": ends is not None, "percentile": percentile is not None}
        if all(given.values()):
            raise InputError("a range that is set takes no percentile; leave out one of them")
        for name, what in {"fixed": "range", "percentile": "percentile"}.items():
            if given[name] and rule not in (None, name):
                raise InputError(f"rule {rule!r} takes no {what}; leave out one of them")
        known = {field.name for field in fields(cls)} - {"vmin", "vmax"}
        if unknown := others.keys() - known:
            name = min(unknown)
            use = f"use {KEYWORDS[name]}" if name in KEYWORDS else "docs/figures.md has them all"
            raise InputError(f"{name!r} is no choice of style; {use}")
        rule = rule or next((name for name in given if given[name]), None)
        vmin, vmax = ends or (None, None)
        chosen = {"rule": rule, "percentile": percentile, "vmin": vmin, "vmax": vmax, **others}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    @property
    def unit(self) -> Regions:
        """What has one colour."""
        return self.regions or "pixel"

    @property
    def size(self) -> int:
        """The side of its regions in pixels, or what stands for it (`ranges.region_size`)."""
        return region_size(self.unit)

    @property
    def contour_blur(self) -> int:
        """Pixels over which strength is averaged for the contour: none where other regions are shown."""
        return self.blur if self.size == 1 else 0

    @property
    def colors(self) -> Palette:
        """The palette itself."""
        return PALETTES[self.palette]

    @property
    def rule_title(self) -> str:
        """The rule in a few words, with its percentile or its ends."""
        if self.vmin is not None and self.vmax is not None:
            return f"fixed range {as_given(self.vmin)} to {as_given(self.vmax)}"
        return RULE_WORDS[self.rule].title.format(p=f"{self.percentile:g}")

    @property
    def changed(self) -> tuple[str, ...]:
        """The choices that differ from the default, each in a word or two, as for the name of a file."""
        words = {
            "rule": self.rule if self.rule in ("symmetric", "min-max") else self.rule_title,
            "regions": self.regions or "",
            "part": self.part,
            "level": f"level {self.level:g}",
            "palette": self.palette,
            "contour": f"contour {self.contour:g}",
            "blur": f"blur {self.blur}" if self.contour else "",
            "opacity": f"overlay {self.opacity:g}",
        }
        changed = (name for name in words if getattr(self, name) != getattr(DEFAULT, name))
        return tuple(words[name] for name in changed if words[name])

    @cached_property
    def words(self) -> dict[str, str]:
        """All `choices` in one sentence, the defaults too; and a `guide` to the colours, in sentences."""
        contour, blur = self.contour > 0, self.contour > 0 and self.contour_blur > 0
        changes = {"level": self.level != 1, "contour": contour, "blur": blur, "opacity": self.opacity < 1}
        knobs = [
            KNOBS[name].words.format(value=f"{getattr(self, name):g}") for name in changes if changes[name]
        ]
        return parts(
            "color/style.j2", style=self, part=PART_WORDS[self.part].words, knobs=knobs, as_given=as_given
        )


def as_given(value: float) -> str:
    """Write an end as a reader gave it: −0.002, 4e−05."""
    return f"{value:g}".replace("-", "−")


DEFAULT = ColorStyle()
"""What figures show where nobody chose."""
