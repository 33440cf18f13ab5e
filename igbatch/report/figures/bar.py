"""Colour bars: raw values below, normalized ones above, and zero marked on both."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from igbatch.report.color.scale import ColorScale, part_range
from igbatch.report.color.style import as_given
from igbatch.report.figures.typeset import FAINT, INK, draw_image, text_width, write
from igbatch.text import decimals, number

SMALL = 10.5
BAR = 10
"""Pixels that a bar is high."""

BAR_SPACE = 14 + BAR + 6 + 12 + 16
"""Pixels that a bar takes with its labels."""

_APART = 0.5  # of the bar's length, between two labels of raw values
_CLEAR = 0.12  # of the bar's length, between the label of zero and those of the ends


def draw_bar(page: Axes, scale: ColorScale, x: float, y: float, width: int, *, labels: bool = True) -> None:
    """Draw the colour bar of a scale below height `y`, with a line and a 0 where zero is.

    With `labels`, the ends of the range stand above and below it.
    The bar is a strip of pixels: matplotlib's own takes up to ten times as long, and in files of vectors it
    is a patchwork with seams.
    """
    low, high = scale.bar
    values = low + (np.arange(width) + 0.5) / width * (high - low)
    draw_image(page, scale.paint(values[None]), x, y + 14, (width, BAR), "#9a9a9a")
    zero = scale.along_bar(0.0)
    page.plot([x + zero * width] * 2, [y + 11, y + 14 + BAR + 4], color=INK, linewidth=0.85)
    above, below = bar_labels(scale) if labels else ({}, {})
    for row, color, texts in ((1, FAINT, above), (14 + BAR + 6, INK, {zero: "0"}), (42, INK, below)):
        for at, text in texts.items():
            half = text_width(text, SMALL) / 2
            centre = min(max(at * width, half), width - half)  # inside of the bar's ends
            write(page, x + centre, y + row, text, SMALL, color=color, align="center")


def bar_labels(scale: ColorScale) -> tuple[dict[float, str], dict[float, str]]:
    """Return the labels above a bar (normalized values) and below it (raw ends), by place from 0 to 1.

    The bar runs from the minimum to the maximum, or to the ends of the scale where these are nearer, and
    further where zero lies outside. A label of zero that would touch one of an end is moved inwards; its line
    stays where zero is.
    """
    low, high = scale.range
    if scale.raw:
        return {}, {scale.along_bar(value): number(value, 1) for value in (low, high) if value}
    first, last = part_range(*scale.ends, scale.style.part)
    if not scale.fixed:
        first, last = max(first, low), min(last, high)
    texts = {first: "≤ " if low < first else ""}
    texts.setdefault(last, "≥ " if high > last else "")
    below = {
        scale.along_bar(value): beyond + (as_given(value) if scale.fixed else number(value))
        for value, beyond in texts.items()
        if value  # zero has a label of its own
    }
    if len(below) == 2 and np.ptp(list(below)) < _APART:  # in a map far from zero throughout
        below = {float(round(min(below))): " to ".join(below.values())}
    return _normalized(scale), below


def _normalized(scale: ColorScale) -> dict[float, str]:
    """Return the normalized values of the ends and of zero, with as many decimals as tell them apart."""
    at_zero = scale.normalized(0.0)
    if at_zero is None:
        return {}
    low, high = max(scale.range[0], scale.bar[0]), min(scale.range[1], scale.bar[1])
    labels = {scale.along_bar(value): scale.normalized(value) or 0.0 for value in (low, high)}
    if _text(at_zero) not in ("0", "1"):
        place = scale.along_bar(0.0)
        if 0 < at_zero < 1:
            place = min(max(place, _CLEAR), 1 - _CLEAR)
        else:  # zero lies outside of the range, at an end of the bar: the end of the range gives way
            labels = dict([each for each in labels.items() if abs(each[0] - place) >= 1.5 * _CLEAR][-1:])
        labels[place] = at_zero
    every = ([_text(value, places) for value in labels.values()] for places in range(2, 6))
    texts = next((texts for texts in every if len(set(texts)) == len(texts)), map(_text, labels.values()))
    return dict(zip(labels, texts, strict=True))


def _text(normalized: float, places: int = 2) -> str:
    """Write a normalized value with two decimals or more, and the ends of the range without."""
    text = decimals(normalized, places)
    return text.partition(".")[0] if float(text.replace("−", "-")) in (0, 1) else text
