"""A sheet of paper measured in pixels, for figures that are not yet drawn by `typeset` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from igbatch.report.figures.typeset import (
    DPI,
    FAINT,
    INK,
    WARN,
    axes_at,
    fallbacks,
    fit,
    missing_letters,
    new_figure,
    text_width,
    wrap,
    write,
)

__all__ = [
    "DPI",
    "FAINT",
    "INK",
    "WARN",
    "Canvas",
    "fallbacks",
    "fit",
    "missing_letters",
    "text_width",
    "wrap",
]


class Canvas:
    """A matplotlib figure whose parts are placed in pixels at `DPI`, from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height)

    def text(self, x: float, y: float, text: str, size: float = 11.5, **how: Any) -> None:
        """Write one line whose letters begin at height `y`."""
        write(self.figure, x, y, text, size, **how)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes that fill a rectangle."""
        return axes_at(self.figure, x, y, width, height)

    def image(self, x: int, y: int, colors: NDArray[np.generic], width: int, height: int) -> Axes:
        """Show colours [H, W, 3] in a rectangle, unsmoothed; coordinates of the axes are pixel edges."""
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
