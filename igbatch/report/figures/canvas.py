"""A sheet of paper measured in pixels, over matplotlib's objects: no pyplot, no global settings."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray

from igbatch.report.figures.fonts import Fallbacks, installed

DPI = 100
INK, FAINT, WARN = "#1a1a1a", "#5c5c5c", "#a33c00"
_MEASURE = TextToPath()
_missing: WeakKeyDictionary[Figure, set[str]] = WeakKeyDictionary()


class Canvas:
    """A matplotlib figure whose parts are placed in pixels at `DPI`, from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 11.5,
        *,
        color: str = INK,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> None:
        """Write one line whose letters begin at height `y` (the top of a capital); `size` in pixels."""
        if lost := fallbacks().missing(text):
            _missing.setdefault(self.figure, set()).update(lost)
        self.figure.text(
            x / self.width,
            1 - (y + 0.73 * size) / self.height,  # the baseline: capitals of this font are 0.73 of its size
            fallbacks().drawable(text),
            fontsize=size * 72 / DPI,
            fontfamily=fallbacks().families(text),
            fontweight="bold" if bold else "normal",
            color=color,
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,
        )

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes that fill a rectangle."""
        return self.figure.add_axes(
            (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        )

    def image(self, x: int, y: int, colors: NDArray[np.generic], width: int, height: int) -> Axes:
        """Show colours [H, W, 3] in a rectangle, unsmoothed; coordinates of the axes are pixel edges.

        Formats of vectors hold the colours as they are, a pixel a value.
        """
        axes = self.axes(x, y, width, height)
        rows, columns = colors.shape[:2]
        axes.imshow(colors, interpolation="none", aspect="auto", extent=(0, columns, rows, 0))
        axes.set_axis_off()
        return axes

    def line(self, x0: float, y0: float, x1: float, y1: float, color: str = INK, width: float = 1.0) -> None:
        """Draw a straight line; `width` in pixels."""
        across, down = [x0 / self.width, x1 / self.width], [1 - y0 / self.height, 1 - y1 / self.height]
        self.figure.add_artist(Line2D(across, down, color=color, linewidth=width * 72 / DPI))

    def frame(
        self, x: float, y: float, width: float, height: float, fill: str = "none", edge: str = "#9a9a9a"
    ) -> None:
        """Draw a rectangle with a hair line around it."""
        corner = (x / self.width, 1 - (y + height) / self.height)
        size = (width / self.width, height / self.height)
        patch = Rectangle(corner, *size, facecolor=fill, edgecolor=edge, linewidth=0.6)
        self.figure.add_artist(patch)


@cache
def fallbacks() -> Fallbacks:
    """Return the fonts of the figures of this process."""
    return Fallbacks(installed)


def missing_letters(figure: Figure) -> set[str]:
    """Return the letters of a figure that no font has."""
    return _missing.get(figure, set())


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
    low, high = 1, len(text)
    while low < high:  # the most characters that fit
        middle = (low + high + 1) // 2
        if text_width(_cut(text, middle), size, bold) <= width:
            low = middle
        else:
            high = middle - 1
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return text[:head] + "…" + text[len(text) - (kept - head) :]


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
