"""The colour scale of some maps: a range that they share, seen under a look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from igbatch.report.color.colormaps import LEVELS, color_indices
from igbatch.report.color.limits import Limits, limits_of, part_range, take_part
from igbatch.report.color.scope import Normalization
from igbatch.report.color.style import DEFAULT, Look
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.text import count, number, percent
from igbatch.statistics.histogram import RELATIVE_ERROR


@dataclass(frozen=True)
class Magnitude:
    """A quantile of |a| over all pixels of the maps of a scope; not `exact` where a histogram gave it."""

    value: float
    exact: bool


@dataclass(frozen=True)
class End:
    """A labelled end of what a scale's maps may take; `beyond` is ≤ or ≥ where values go on beyond it."""

    value: float
    beyond: str = ""


@dataclass(frozen=True)
class ColorScale:
    """How values of some maps become colours, in numbers and in words.

    Attributes:
        normalization: the range that the maps share.
        look: what is made of it.
        magnitude: the look's percentile of |a| over the maps; None where the rule needs none.
    """

    normalization: Normalization
    look: Look = DEFAULT
    magnitude: Magnitude | None = None

    @property
    def raw(self) -> bool:
        """Whether the scale is the study's one fixed one, which the range rules leave as it is."""
        return self.normalization.kind == "raw" and not self.fixed

    @property
    def fixed(self) -> bool:
        """Whether the reader stated the ends."""
        return self.look.rule == "fixed"

    @cached_property
    def limits(self) -> Limits:
        """The ends of the scale and of its bar."""
        found = None if self.magnitude is None else self.magnitude.value
        norm = self.normalization
        return limits_of(norm.minimum, norm.maximum, self.look, found, raw=norm.kind == "raw")

    @property
    def range(self) -> tuple[float, float]:
        """Minimum and maximum of what is shown of the maps."""
        return part_range(self.normalization.minimum, self.normalization.maximum, self.look.part)

    def indices(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return rows of the palette for values of any shape."""
        shown, limits = take_part(values, self.look.part), self.limits
        return color_indices(shown, limits.half, middle=limits.middle, level=self.look.level)

    def paint(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the colours of values: uint8 [..., 3]."""
        colors: NDArray[np.uint8] = self.look.colors.colors[self.indices(values)]
        return colors

    def ends(self) -> tuple[End, ...]:
        """Return what stands at the ends of the bar: those of the range, or of the scale where that is less.

        Zero is left out, since the bar has a mark for it.
        """
        low, high = self.range
        if self.raw:
            return tuple(End(value) for value in (low, high) if value)
        first, last = part_range(self.limits.low, self.limits.high, self.look.part)
        if not self.fixed:
            first, last = max(first, low), min(last, high)
        ends = [End(first, "≤ " if low < first else "")]
        if last != first:
            ends.append(End(last, "≥ " if high > last else ""))
        return tuple(end for end in ends if end.value)

    def normalized(self, value: float) -> float | None:
        """Return (value - minimum) / (maximum - minimum) of what is shown.

        None where the range is a point, and where the ends are not those of maps: raw, and fixed.
        """
        low, high = self.range
        return None if self.raw or self.fixed or high <= low else (value - low) / (high - low)

    def along_bar(self, value: float) -> float:
        """Return where a value lies on the colour bar, 0 (left end) to 1; 0.5 on a bar that is all zero."""
        span = self.limits.bar_high - self.limits.bar_low
        return 0.5 if span <= 0 else (value - self.limits.bar_low) / span

    def marks(self, values: NDArray[np.floating]) -> list[str]:
        """Say what the colours of a map do not show: pixels beyond the scale, or all of it."""
        shown = take_part(values, self.look.part)
        beyond = int(np.count_nonzero((shown < self.limits.low) | (shown > self.limits.high)))
        if beyond:
            return [f"{beyond:,} pixels ({percent(beyond / values.size)}) beyond the scale"]
        if not values.any() or (self.indices(values) != LEVELS).any():
            return []
        if not shown.any():
            return [f"{self.look.colors.middle} throughout: no {self.look.part} values"]
        if self.limits.middle:
            return [f"{self.look.colors.middle} throughout: one value"]
        return [f"{self.look.colors.middle} because small: |a| ≤ {number(float(np.abs(shown).max()), 2)}"]

    @property
    def heading(self) -> str:
        """A title for the maps that share the scale, which says so where their range is incomplete."""
        return "Fixed range" if self.fixed else self.normalization.heading

    @property
    def label(self) -> str:
        """Normalization and rule in a few words for the line under a map."""
        if self.fixed:
            return self.look.rule_title
        if self.look.rule == "symmetric" or self.raw:
            return self.normalization.label
        own = self.normalization.kind == "image" and self.look.rule == "percentile"
        return f"{'per-map range' if own else self.normalization.label}, {self.look.rule_title}"

    @property
    def caution(self) -> str:
        """A sentence that says so where maps of the scope are missing; empty where the ends are stated."""
        return "" if self.fixed else self.normalization.caution

    @property
    def words(self) -> str:
        """Sentences that say whose range it is, where the colours end, and what may be compared."""
        if self.fixed:
            return "The colours end where they were set, for every map. Compare every map with every other."
        if self.raw and self.look.rule != "symmetric":
            middle = self.look.colors.middle
            return f"{self.normalization.words} The range rule leaves this scale as it is: {middle} is zero."
        if self.magnitude is None:
            return self.normalization.words
        said = SCOPE_WORDS[self.normalization.kind]
        over = said.over.format(maps=count(self.normalization.n_maps, "map"))
        source = "exact" if self.magnitude.exact else f"from histograms, within {percent(RELATIVE_ERROR)}"
        beware = f" {said.beware}" if self.normalization.kind == "image" else ""
        return (
            f"The colours end at plus and minus the {self.look.percentile:g} % quantile of |a| over {over} "
            f"({source}). Compare {said.compare}.{beware}"
        )


def scale_of(
    normalization: Normalization | None, look: Look = DEFAULT, magnitude: Magnitude | None = None
) -> ColorScale | None:
    """Return the colour scale of a range; None where there is no range, since no map is there."""
    return None if normalization is None else ColorScale(normalization, look, magnitude)
