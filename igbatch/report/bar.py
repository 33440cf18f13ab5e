"""What stands on a colour bar and where: raw values below it, normalized ones above, and zero on both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.report.colors import paint
from igbatch.report.normalization import Normalization
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


def lay_out(normalization: Normalization, length: int) -> Bar:
    """Lay out the colour bar of a normalization, `length` colours long.

    The bar runs from the minimum to the maximum, further where zero lies outside of them. A label of zero
    that would touch one of an end is moved inwards; its line stays where zero is.
    """
    low, high = normalization.low, normalization.high
    values = low + (np.arange(length) + 0.5) / length * (high - low)
    ends = [normalization.minimum, normalization.maximum]
    if ends[0] == ends[1]:
        ends = ends[:1] if ends[0] else []  # a map of one value has one end; zero is labelled anyway
    digits = 1 if normalization.kind == "raw" else 3
    return Bar(
        colors=paint(values[None], normalization.gain),
        zero=normalization.along_bar(0.0),
        above=tuple(_normalized(normalization)),
        below=_raw([Tick(normalization.along_bar(value), number(value, digits)) for value in ends]),
    )


def _raw(ends: list[Tick]) -> tuple[Tick, ...]:
    """Join the labels of two ends that lie close together, as in a map far from zero throughout."""
    if len(ends) == 2 and ends[1].at - ends[0].at < _APART:
        return (Tick(round(ends[0].at), f"{ends[0].text} to {ends[1].text}"),)
    return tuple(ends)


def _normalized(normalization: Normalization) -> list[Tick]:
    at_zero = normalization.normalized(0.0)
    if at_zero is None:
        return []
    ends = [
        Tick(normalization.along_bar(value), text)
        for value, text in ((normalization.minimum, "0"), (normalization.maximum, "1"))
    ]
    text = f"{at_zero:.2f}".replace("-", "−")
    if text in ("0.00", "−0.00", "1.00"):
        return ends
    place = normalization.along_bar(0.0)
    if 0 < at_zero < 1:
        place = min(max(place, _CLEAR), 1 - _CLEAR)
    else:  # zero lies outside of the range, at an end of the bar: the end of the range gives way
        ends = [end for end in ends if abs(end.at - place) >= 1.5 * _CLEAR][-1:]
    return [*ends, Tick(place, text)]
