"""What stands on a colour bar and where: raw values below it, normalized ones above, and zero on both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import stated
from igbatch.report.text import number

_APART = 0.5  # of the bar's length, between two labels of raw values
_CLEAR = 0.12  # of the bar's length, between the label of zero and those of the ends


@dataclass(frozen=True)
class Tick:
    """A label of the bar; `at` runs from 0 at its left end to 1."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A colour bar laid out: its colours, where zero is, and the labels above, at zero, and below.

    Attributes:
        colors: uint8 [1, length, 3], from the lowest to the highest value.
        zero: where zero is, from 0 at the left end to 1.
        above: normalized values, without one for `raw`, which has none.
        below: the raw ends of the range.
    """

    colors: NDArray[np.uint8]
    zero: float
    above: tuple[Tick, ...]
    below: tuple[Tick, ...]


def lay_out(scale: ColorScale, length: int) -> Bar:
    """Lay out the colour bar of a scale, `length` colours long.

    The bar runs from the minimum to the maximum, or to the ends of the scale where these are nearer, and
    further where zero lies outside. A label of zero that would touch one of an end is moved inwards; its line
    stays where zero is.
    """
    low, high = scale.limits.bar_low, scale.limits.bar_high
    values = low + (np.arange(length) + 0.5) / length * (high - low)
    ends = [Tick(scale.along_bar(end.value), f"{end.beyond}{_end(scale, end.value)}") for end in scale.ends()]
    return Bar(
        colors=scale.paint(values[None]),
        zero=scale.along_bar(0.0),
        above=tuple(_normalized(scale)),
        below=_raw(ends),
    )


def _end(scale: ColorScale, value: float) -> str:
    return stated(value) if scale.fixed else number(value, 1 if scale.raw else 3)


def _raw(ends: list[Tick]) -> tuple[Tick, ...]:
    """Join the labels of two ends that lie close together, as in a map far from zero throughout."""
    if len(ends) == 2 and ends[1].at - ends[0].at < _APART:
        return (Tick(round(ends[0].at), f"{ends[0].text} to {ends[1].text}"),)
    return tuple(ends)


def _normalized(scale: ColorScale) -> list[Tick]:
    at_zero = scale.normalized(0.0)
    if at_zero is None:
        return []
    low, high = scale.range
    at_ends = [max(low, scale.limits.bar_low), min(high, scale.limits.bar_high)]
    ticks = [Tick(scale.along_bar(value), _text(scale.normalized(value))) for value in at_ends]
    text = _text(at_zero)
    if text in ("0", "1"):
        return ticks
    place = scale.along_bar(0.0)
    if 0 < at_zero < 1:
        place = min(max(place, _CLEAR), 1 - _CLEAR)
    else:  # zero lies outside of the range, at an end of the bar: the end of the range gives way
        ticks = [tick for tick in ticks if abs(tick.at - place) >= 1.5 * _CLEAR][-1:]
    return [*ticks, Tick(place, text)]


def _text(normalized: float | None) -> str:
    """Write a normalized value with two decimals, and the ends of the range without."""
    text = f"{normalized:.2f}".replace("-", "−")
    return {"0.00": "0", "−0.00": "0", "1.00": "1"}.get(text, text)
