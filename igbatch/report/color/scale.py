"""The colour scale of the maps of a scope: their shared range under a style, in numbers and in words.

`viewer/src/limits.ts` finds the same ends; both give the same colours, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.reduce.scopes import ScopeRange
from igbatch.report.color.colormaps import LEVELS, color_indices
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.color.wording import HISTOGRAM_WORDS, MISSING_WORDS, SCOPE_WORDS, ValuePart, region_words
from igbatch.report.sentences import parts
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.text import count, number, percent


def take_part(values: NDArray[np.floating], part: ValuePart) -> NDArray[np.floating]:
    """Return what is shown of values, of their shape: all, the positive or negative ones, or magnitudes."""
    if part == "signed":
        return values
    shown: NDArray[np.floating] = _PARTS[part](values)
    return shown


_PARTS: dict[ValuePart, Callable[[NDArray[np.floating]], Any]] = {
    "positive": lambda values: np.maximum(values, 0),
    "negative": lambda values: np.minimum(values, 0),
    "absolute": np.abs,
}


def part_range(minimum: float, maximum: float, part: ValuePart) -> tuple[float, float]:
    """Return the range of what is shown of maps with these extremes; zero is an end of all but `signed`."""
    if part == "signed":
        return minimum, maximum
    shown = take_part(np.array([minimum, 0.0, maximum]), part)
    return float(shown.min()), float(shown.max())


@dataclass(frozen=True)
class ColorScale:
    """How values of some maps become colours.

    Attributes:
        shared: the range that the maps share, in units of the output.
        style: what is made of it.
        quantile: the style's percentile of |a| over the maps; None where its rule needs none.
        exact: False where the quantile is from histograms.
        unit: of the study's attributions, as in "the colours end at 0.01 of probability".
        contrast: whether the maps are of one contrast, whose range is its own.
    """

    shared: ScopeRange
    style: ColorStyle = DEFAULT
    quantile: float | None = None
    exact: bool = True
    unit: str = ""
    contrast: bool = False

    @property
    def raw(self) -> bool:
        """Whether the scale is the study's one fixed one, which the range rules leave as it is."""
        return self.shared.scope == "raw" and not self.fixed

    @property
    def fixed(self) -> bool:
        """Whether the reader gave the ends."""
        return self.style.rule == "fixed"

    @property
    def range(self) -> tuple[float, float]:
        """Minimum and maximum of what is shown of the maps."""
        return part_range(self.shared.minimum, self.shared.maximum, self.style.part)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The values of the outermost colours, vmin and vmax: equal where all has the middle colour."""
        low, high = self.range
        if self.style.vmin is not None and self.style.vmax is not None:
            return self.style.vmin, self.style.vmax
        if self.style.rule == "min-max" and self.style.part == "signed" and not self.raw:
            return low, high
        vmax = max(-low, high, 0.0)
        if self.style.rule == "percentile" and not self.raw:
            assert self.quantile is not None, "the rule percentile needs a quantile of |a|"
            vmax = min(self.quantile, vmax)
        return -vmax, vmax

    @cached_property
    def bar(self) -> tuple[float, float]:
        """The piece of the scale that its colour bar shows; zero is always on it, to be marked."""
        low, high = self.range
        if self.fixed:
            low, high = part_range(*self.ends, self.style.part)
        low, high = min(low, 0.0), max(high, 0.0)
        if self.style.rule == "percentile" and not self.raw:
            low, high = max(low, self.ends[0]), min(high, self.ends[1])
        return low, high

    def indices(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return rows of the palette for values of any shape."""
        return color_indices(take_part(values, self.style.part), *self.ends, self.style.level)

    def paint(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the colours of values: uint8 [..., 3]."""
        colors: NDArray[np.uint8] = self.style.colors.colors[self.indices(values)]
        return colors

    def normalized(self, value: float) -> float | None:
        """Return (value - minimum) / (maximum - minimum) of what is shown.

        None where the range is a point, and where the ends are not those of maps: raw, and fixed.
        """
        low, high = self.range
        return None if self.raw or self.fixed or high <= low else (value - low) / (high - low)

    def along_bar(self, value: float) -> float:
        """Return where a value lies on the colour bar, 0 (left end) to 1; 0.5 on a bar that is all zero."""
        low, high = self.bar
        return 0.5 if high <= low else (value - low) / (high - low)

    def marks(self, values: NDArray[np.floating], slack: float = 0.0) -> list[str]:
        """Say what the colours of a map's regions do not show: those beyond the scale, or all of it.

        `slack` is how far a value may lie beyond the ends and be rounding.
        """
        shown, (vmin, vmax) = take_part(values, self.style.part), self.ends
        beyond = int(np.count_nonzero((shown < vmin - slack) | (shown > vmax + slack)))
        if beyond:
            words = region_words(self.style.size)
            regions = count(beyond, words["one"], words["many"])
            return [f"{regions} ({percent(beyond / values.size)}) beyond the scale"]
        if not values.any() or (self.indices(values) != LEVELS).any():
            return []
        middle = self.style.colors.middle if self.style.opacity == 1 else "no colour"  # beside a photograph
        if not shown.any():
            return [f"{middle} throughout: no {self.style.part} values"]
        if vmin != -vmax:
            return [f"{middle} throughout: one value"]
        return [f"{middle} because small: |a| ≤ {number(float(np.abs(shown).max()), 2)}"]

    @cached_property
    def words(self) -> dict[str, str]:
        """What is said of the scale.

        heading: a title for the maps that share it, which says so where their range is incomplete.
        label: scope and rule in a few words for the line under a map.
        caution: that maps of the scope are missing; empty where none is, or where the ends were given.
        sentences: whose range it is, where the colours end, and what may be compared.
        regions: what a square or area of the map shows, in a sentence; empty of pixels.
        statement: all of it, said once for many rows; beware: what may not be compared, where it does not.
        """
        maps = count(self.shared.n_maps, "map")
        scope = SCOPE_WORDS[self.shared.scope]
        over, compare = scope.over, scope.compare
        if self.contrast:
            over, compare = scope.contrast_over or over, scope.contrast_compare or compare
        return parts(
            "color/scale.j2",
            scale=self,
            scope=scope,
            region=region_words(self.style.size),
            maps=maps,
            over=over.format(maps=maps),
            compare=compare,
            missing=MISSING_WORDS.format(maps=maps),
            source="" if self.exact else HISTOGRAM_WORDS.format(error=percent(RELATIVE_ERROR)),
        )
