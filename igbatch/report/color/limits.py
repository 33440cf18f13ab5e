"""From the range that maps share to the ends of their colour scale: arithmetic alone, as on the page.

`viewer/src/limits.ts` does the same; both give the same colours, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.report.color.style import Look


@dataclass(frozen=True)
class Limits:
    """The ends of a colour scale, and the piece of it that its colour bar shows, in units of the output.

    The bar takes in zero always, so that its line can mark it.
    """

    low: float
    high: float
    bar_low: float
    bar_high: float

    @property
    def middle(self) -> float:
        """The value of the middle colour."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        """The distance from the middle to both ends; 0 where everything has the middle colour."""
        return (self.high - self.low) / 2


def take_part(values: NDArray[np.floating], part: str) -> NDArray[np.floating]:
    """Return what is shown of values, of their shape: all, the positive or negative ones, or magnitudes."""
    shown: NDArray[np.floating] = values
    if part == "positive":
        shown = np.maximum(values, 0)
    elif part == "negative":
        shown = np.minimum(values, 0)
    elif part == "absolute":
        shown = np.abs(values)
    return shown


def part_range(minimum: float, maximum: float, part: str) -> tuple[float, float]:
    """Return the range of what is shown of maps with these extremes; zero is an end of all but `signed`."""
    if part == "positive":
        return 0.0, max(maximum, 0.0)
    if part == "negative":
        return min(minimum, 0.0), 0.0
    return (0.0, max(-minimum, maximum, 0.0)) if part == "absolute" else (minimum, maximum)


def limits_of(
    minimum: float, maximum: float, look: Look, magnitude: float | None = None, *, raw: bool = False
) -> Limits:
    """Return the limits of a range under a look.

    Args:
        minimum, maximum: of the maps that share the scale, in units of the output.
        look: its rule, percentile, ends and part are used.
        magnitude: the look's percentile of |a| over these maps; only the rule `percentile` needs it.
        raw: the range is the study's one fixed scale, which rules leave as it is, except `fixed`.
    """
    low, high = part_range(minimum, maximum, look.part)
    if look.low is not None and look.high is not None:
        shown = part_range(look.low, look.high, look.part)
        return Limits(look.low, look.high, min(shown[0], 0.0), max(shown[1], 0.0))
    bar = min(low, 0.0), max(high, 0.0)
    if look.rule == "min-max" and look.part == "signed" and not raw:
        return Limits(low, high, *bar)
    gain = max(-low, high, 0.0)
    if look.rule == "percentile" and not raw:
        assert magnitude is not None, "the rule percentile needs a quantile of |a|"
        gain = min(magnitude, gain)
        bar = max(bar[0], -gain), min(bar[1], gain)
    return Limits(-gain, gain, *bar)
