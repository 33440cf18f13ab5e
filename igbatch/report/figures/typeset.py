"""Parts of a figure placed in pixels, text cut and broken to widths, and fonts for every letter.

matplotlib's objects alone: no pyplot, no global settings.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Literal
from weakref import WeakKeyDictionary

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

from igbatch.report.figures.fonts import Fallbacks, installed
from igbatch.report.text import shorten

DPI = 100
AnyFigure = Figure | SubFigure
INK, FAINT, WARN = "#1a1a1a", "#5c5c5c", "#a33c00"
_MEASURE = TextToPath()
_missing: WeakKeyDictionary[Figure, set[str]] = WeakKeyDictionary()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, measured in pixels at `DPI`."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def bands(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Divide a figure into subfigures below each other; their heights in pixels add up to the figure's."""
    return list(figure.subfigures(len(heights), squeeze=False, hspace=0, height_ratios=heights)[:, 0])


def axes_at(figure: AnyFigure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes that fill a rectangle in pixels of a figure or subfigure, from its upper left corner."""
    wide, high = figure.bbox.width, figure.bbox.height
    return figure.add_axes((x / wide, 1 - (y + height) / high, width / wide, height / high))


def write(
    figure: AnyFigure | None,
    x: float,
    y: float,
    lines: str | Sequence[str],
    size: float = 11.5,
    *,
    step: float = 0.0,
    color: str = INK,
    bold: bool = False,
    align: Literal["left", "center", "right"] = "left",
) -> float:
    """Write lines, `step` pixels apart, below height `y` (the top of the first capital); `size` in pixels.

    Returns the height at which a further line would begin; without a figure, that is all.
    """
    lines = [lines] if isinstance(lines, str) else lines
    if figure is None:
        return y + step * len(lines)
    for place, line in enumerate(lines):
        baseline = y + place * step + 0.73 * size  # capitals of this font are 0.73 of its size
        figure.text(
            x / figure.bbox.width,
            1 - baseline / figure.bbox.height,
            line,
            fontsize=size * 72 / DPI,
            fontweight="bold" if bold else "normal",
            color=color,
            horizontalalignment=align,
            verticalalignment="baseline",
        )
    return y + step * len(lines)


@cache
def fallbacks() -> Fallbacks:
    """Return the fonts of the figures of this process."""
    return Fallbacks(installed)


def finish(figure: Figure) -> Figure:
    """Give every text of a drawn figure fonts that have its letters; no name is read as mathematics.

    Letters that no font has become � (`missing_letters`). Tick labels are among them where they are shown.
    """
    if figure not in _missing:
        _missing[figure] = set()
        for text in _texts(figure):
            lines = text.get_text().split("\n")
            whole = "".join(lines)
            _missing[figure] |= fallbacks().missing(whole)
            text.set_text("\n".join(map(fallbacks().drawable, lines)))
            text.set(fontfamily=fallbacks().families(whole), parse_math=False)
    return figure


def _texts(figure: AnyFigure) -> Iterator[Text]:
    yield from figure.texts
    for part in figure.subfigs:
        yield from _texts(part)
    for axes in figure.axes if isinstance(figure, Figure) else ():
        yield from axes.findobj(Text) if axes.axison else axes.texts  # asking for ticks makes them
    for legend in figure.legends:
        yield from legend.findobj(Text)


def missing_letters(figure: Figure) -> set[str]:
    """Return the letters of a figure that no font has."""
    return _missing[finish(figure)]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return how many pixels wide a text of a size in pixels is."""
    return _width(text, bold) * size / 100


@lru_cache(maxsize=1 << 14)
def _width(text: str, bold: bool) -> float:
    """Return the width at size 100: pages of a study say the same of many maps."""
    fonts = FontProperties(family=fallbacks().families(text), weight="bold" if bold else "normal", size=100)
    shown = fallbacks().drawable(text)
    width: float = _MEASURE.get_text_width_height_descent(shown, fonts, ismath=False)[0]
    return width


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """Cut a text in its middle until it is no more than `width` pixels wide."""
    if text_width(text, size, bold) <= width:
        return text

    def cut_width(kept: int) -> float:
        return text_width(shorten(text, kept), size, bold)

    return shorten(text, bisect_right(range(len(text)), width, lo=2, key=cut_width) - 1)


def wrap(text: str, width: float, size: float, *, most: int = 20, bold: bool = False) -> list[str]:
    """Break a text into lines of at most `width` pixels; wider words are cut, and so is line `most`."""
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < most:
        taken = 1
        while taken < len(words) and text_width(" ".join(words[: taken + 1]), size, bold) <= width:
            taken += 1
        last = len(lines) == most - 1
        lines.append(fit(" ".join(words if last else words[:taken]), width, size, bold))
        words = words[taken:]
    return lines
