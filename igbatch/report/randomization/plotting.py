"""What the plots of a randomization study share: colours, axes, and values with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from igbatch.report.figures.canvas import DPI, FAINT, INK, Canvas, wrap
from igbatch.report.figures.fonts import FONT
from igbatch.report.randomization.means import Mean

WIDTH = 1100
MARGIN = 18
COLORS = ("#0072b2", "#d55e00", "#009e73", "#8a4f7d")
"""Colours that are told apart with any colour vision (after Okabe & Ito 2008); markers differ as well."""

MARKERS = ("o", "s", "^", "D")
LINE = 15
GRID = "#e4e4e4"
TICK = 10.0 * 72 / DPI


def paragraph(canvas: Canvas, text: str, x: float, y: float, width: float, color: str = INK) -> None:
    """Write lines of text from height `y` downwards, `LINE` apart."""
    for row, line in enumerate(wrap(text, 0.97 * width, 11)):  # hinting makes letters a little wider
        canvas.text(x, y + LINE * row, line, 11, color=color)


def style(axes: Axes, grid: str = "y") -> None:
    """Give axes hair lines, small labels, and no frame but the two sides that carry labels."""
    axes.tick_params(labelsize=TICK, labelfontfamily=FONT, length=3, color=FAINT, pad=2)
    axes.grid(axis="x" if grid == "x" else "y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for name, side in axes.spines.items():
        side.set_visible(name in ("left", "bottom"))
        side.set_color("#9a9a9a")
        side.set_linewidth(0.6)


def plot_line(axes: Axes, means: Sequence[Mean | None], start: float, color: str, marker: str) -> None:
    """Draw means at 1, 2, … with their intervals, from the value at 0 that a map has against itself."""
    told = [(place, mean) for place, mean in enumerate(means, 1) if mean is not None]
    if not told:
        return
    axes.plot([0, *(x for x, _ in told)], [start, *(m.value for _, m in told)], color=color, linewidth=1.4)
    axes.plot([0], [start], marker=marker, color="white", markeredgecolor=color, markersize=5, zorder=3)
    axes.plot([x for x, _ in told], [m.value for _, m in told], marker, color=color, markersize=4.6, zorder=3)
    for x, mean in told:
        if mean.ends is not None:
            axes.plot([x, x], mean.ends, color=color, linewidth=1.8, alpha=0.75)


def plot_level(axes: Axes, mean: Mean | None, color: str) -> None:
    """Draw a mean as a dashed level across the axes, its interval as a band."""
    if mean is None:
        return
    axes.axhline(mean.value, color=color, linewidth=1.1, linestyle=(0, (4, 3)))
    if mean.ends is not None:
        axes.axhspan(*mean.ends, color=color, alpha=0.13, linewidth=0)


def likeness_limits(means: Sequence[Mean | None]) -> tuple[float, float]:
    """Return limits that hold likenesses and their intervals, from 0 or less to a little above 1."""
    ends = [end for mean in means if mean for end in (mean.value, mean.low) if end is not None]
    lowest = min([0.0, *ends])
    return (np.floor(lowest * 5 - 1e-9) / 5 if lowest < -0.02 else -0.04), 1.05


def difference_limits(means: Sequence[Mean | None]) -> tuple[float, float]:
    """Return limits that hold differences and their intervals, from 0."""
    ends = [end for mean in means if mean for end in (mean.value, mean.high) if end is not None]
    highest = max([0.0, *ends])
    return -0.03 * (highest or 1.0), 1.08 * (highest or 1.0)


def legend(canvas: Canvas, x: float, y: float, name: str, color: str, marker: str) -> None:
    """Draw the key of one line: a stroke with its marker, and its name."""
    axes = canvas.axes(x, y, 30, 12)
    axes.plot([0, 1], [0, 0], color=color, linewidth=1.4)
    axes.plot([0.5], [0], marker, color=color, markersize=4.6)
    axes.set_axis_off()
    canvas.text(x + 38, y + 1.5, name, 11.5, color=INK)
