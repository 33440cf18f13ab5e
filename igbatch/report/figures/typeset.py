"""Draws text, lines and images on a page in pixels; cuts and breaks text to a width, and finds its fonts.

matplotlib's objects alone: no pyplot, no global settings.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Affine2D, Transform
from numpy.typing import NDArray

from igbatch.report.figures.fonts import Fallbacks, installed
from igbatch.text import shorten

DPI = 100
LINE = 14
Size = tuple[float, float]
"""Width and height in pixels of the page."""

INK, FAINT, WARN = "#1a1a1a", "#5c5c5c", "#a33c00"
_MEASURE = TextToPath()
_missing: WeakKeyDictionary[Figure, set[str]] = WeakKeyDictionary()


def new_page(width: float) -> Axes:
    """Return axes that fill a new figure: their unit is a pixel at `DPI`, x to the right and y down.

    What is drawn tells how high it has to be; `finish_page` makes it so.
    """
    figure = Figure((width / DPI, 1), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suppressComposite = True  # formats of vectors hold every map as it is
    page = figure.add_axes((0, 0, 1, 1), autoscale_on=False, frame_on=False)
    page.set(xlim=(0, width), xticks=(), yticks=())
    return page


def finish_page(page: Axes, height: float) -> Figure:
    """Return the figure of a page that ends at a height, with fonts for all its letters."""
    figure = page.figure
    assert isinstance(figure, Figure)
    figure.set_figheight(height / DPI)
    page.set_ylim(height, 0)
    return finish(figure)


def write(
    page: Axes,
    x: float,
    y: float,
    text: str | Sequence[str],
    size: float = 11.5,
    *,
    width: float = math.inf,
    max_lines: int = 1,
    step: float = LINE,
    color: str = INK,
    bold: bool = False,
    align: Literal["left", "center", "right"] = "left",
) -> float:
    """Write a text, or several below each other, from height `y` on (the top of the first capital).

    Each takes up to `max_lines` lines of `width` pixels, `step` pixels apart, and is cut to that. `size` is
    in pixels.

    Returns: the height at which a further line would begin.
    """
    font = {"fontsize": size * 72 / DPI, "fontweight": "bold" if bold else "normal", "color": color}
    for each in [text] if isinstance(text, str) else text:
        for line in wrap(each, width, size, max_lines=max_lines, bold=bold):
            # Letters stand at their base: capitals of this font are 0.73 of its size.
            page.text(x, y + 0.73 * size, line, font, horizontalalignment=align)
            y += step
    return y


def draw_line(page: Axes, x0: float, x1: float, y: float, color: str) -> None:
    """Draw a horizontal line, one pixel thick."""
    page.plot([x0, x1], [y, y], color=color, linewidth=72 / DPI)


def draw_frame(page: Axes, x: float, y: float, size: Size, edge: str, face: str = "none") -> None:
    """Draw a rectangle of a size in hairlines, from its upper left corner."""
    page.add_artist(Rectangle((x, y), *size, edgecolor=edge, facecolor=face, linewidth=0.6))


def draw_image(
    page: Axes, colors: NDArray[np.uint8], x: float, y: float, size: Size, edge: str = "#c8c8c8"
) -> Transform:
    """Show colours [H, W, 3], unsmoothed, in a frame; return where the edges of their pixels lie.

    Formats of vectors hold the colours as they are, a pixel a value.
    """
    (rows, columns), (width, height) = colors.shape[:2], size
    page.imshow(colors, interpolation="none", aspect="auto", extent=(x, x + width, y + height, y))
    draw_frame(page, x, y, size, edge)
    return Affine2D().scale(width / columns, height / rows).translate(x, y) + page.transData


@cache
def fallbacks() -> Fallbacks:
    """Return the fonts of the figures of this process."""
    return Fallbacks(installed)


def finish(figure: Figure) -> Figure:
    """Give every text of a drawn figure fonts that have its letters; no name is read as mathematics.

    Letters that no font has become � (`missing_letters`). Tick labels are among them.
    """
    if figure not in _missing:
        _missing[figure] = set()
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            lines = text.get_text().split("\n")
            letters = "".join(lines)
            _missing[figure] |= fallbacks().missing(letters)
            text.set_text("\n".join(map(fallbacks().drawable, lines)))
            text.set(fontfamily=fallbacks().families(letters), parse_math=False)
    return figure


def missing_letters(figure: Figure) -> set[str]:
    """Return the letters of a figure that no font has."""
    return _missing[finish(figure)]


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return how many pixels wide a text of a size in pixels is: pages say the same of many maps."""
    fonts = FontProperties(family=fallbacks().families(text), weight="bold" if bold else "normal", size=100)
    shown = fallbacks().drawable(text)
    return _MEASURE.get_text_width_height_descent(shown, fonts, ismath=False)[0] * size / 100


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """Cut a text in its middle until it is no more than `width` pixels wide."""
    if width == math.inf or text_width(text, size, bold) <= width:
        return text

    def cut_width(kept: int) -> float:
        return text_width(shorten(text, kept), size, bold)

    return shorten(text, bisect_right(range(len(text)), width, lo=2, key=cut_width) - 1)


def wrap(text: str, width: float, size: float, *, max_lines: int = 20, bold: bool = False) -> list[str]:
    """Break a text into lines of at most `width` pixels; wider words are cut, as is line `max_lines`."""
    lines: list[str] = []
    words = text.split(" ")

    def width_of(taken: int) -> float:
        return text_width(" ".join(words[:taken]), size, bold)

    while words:
        taken = len(words)
        if len(lines) < max_lines - 1:
            taken = max(1, bisect_right(range(1, taken + 1), width, key=width_of))
        lines.append(fit(" ".join(words[:taken]), width, size, bold))
        words = words[taken:]
    return lines
