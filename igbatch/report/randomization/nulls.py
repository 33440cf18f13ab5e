"""Null distributions: what random models give, and where the trained model lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from igbatch.report.figures.canvas import FAINT, Canvas, fit
from igbatch.report.randomization.plotting import COLORS, LINE, MARGIN, WIDTH, paragraph, style
from igbatch.report.randomization.statistics import (
    SCALE_WORDS,
    SIDES,
    box_name,
    p_text,
    scale_free,
    shown_boxes,
    statistic_name,
)
from igbatch.report.text import count, number, plain

COLUMNS = 6
BINS = 30
FEW = 20
"""Random models up to which each is a dot; more are a histogram."""

_NULL, _TRAINED = "#7a7a7a", COLORS[1]
_PANEL, _PLOT, _TOP = 158, 66, 108


def nulls_figure(rows: pd.DataFrame, title: str) -> Figure:
    """Return a panel for each statistic, box label and target: the null, and the trained model's value.

    Args:
        rows: tests against the null (`statistics.null_tests`), of the data set or of one image.
        title: what the values are of.
    """
    groups, _ = shown_boxes(rows)
    lines = [
        (group[start : start + COLUMNS], start == 0)
        for group in groups
        for start in range(0, len(group), COLUMNS)
    ]
    canvas = Canvas(WIDTH, _TOP + (_PANEL + 26) * len(lines))
    canvas.text(MARGIN, 16, title, 14, bold=True)
    said = (
        "Gray: one value a random model. Orange line: the trained model, its band the 95 % interval over "
        "images where there are several. p: the share of random models that are as far out, (1 + "
        f"exceedances) / (1 + N), on the side that is named. {SCALE_WORDS}"
    )
    paragraph(canvas, said, MARGIN, 38, WIDTH - 2 * MARGIN)
    pitch = (WIDTH - 2 * MARGIN) / COLUMNS
    for line, (group, first) in enumerate(lines):
        y = _TOP + (_PANEL + 26) * line
        canvas.line(MARGIN, y - 4, WIDTH - MARGIN, y - 4, "#d0d0d0")
        whole = pd.isna(group[0]["box_label"])
        heading = "whole maps" if whole else box_name(group[0])
        images = "" if group[0]["n_images"] == 1 else f" ({count(int(group[0]['n_images']), 'image')})"
        canvas.text(
            MARGIN, y + 4, fit(f"{heading}{images}" if first else "", 600, 12, bold=True), 12, bold=True
        )
        for column, row in enumerate(group):
            _panel(canvas, row, MARGIN + column * pitch, y + 24, pitch, whole)
    return canvas.figure


def _panel(canvas: Canvas, row: Mapping[Any, Any], x: float, y: float, width: float, whole: bool) -> None:
    """Draw one test: its statistic, the null with the trained value, and p below."""
    name = statistic_name(row) + (f" → {plain(str(row['target']))}" if whole else "")
    canvas.text(x, y, fit(name, width - 8, 11, bold=True), 11, bold=True)
    canvas.text(x, y + 14, "free of scale" if scale_free(row) else "bound to scale", 10, color=FAINT)
    axes = canvas.axes(x + 4, y + 30, width - 26, _PLOT)
    _draw_null(axes, row)
    below = y + 30 + _PLOT + 20
    canvas.text(x, below, f"p = {p_text(row['p'])} ({SIDES[str(row['alternative'])]})", 11)
    smallest = f"N = {int(row['n_null'])}, smallest p {p_text(row['p_smallest'])}"
    canvas.text(x, below + LINE, smallest, 10, color=FAINT)


def _draw_null(axes: Axes, row: Mapping[Any, Any]) -> None:
    style(axes, grid="x")
    values = np.asarray(row["null"], dtype=np.float64)
    value = float(row["value"])
    ends = [value, *(float(row[end]) for end in ("value_low", "value_high") if not pd.isna(row[end]))]
    low, high = min(values.min(), *ends), max(values.max(), *ends)
    apart = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    edges = np.linspace(low - apart, high + apart, BINS + 1)
    counts, _ = np.histogram(values, edges)
    middles = (edges[:-1] + edges[1:]) / 2
    if len(values) <= FEW:
        across = np.repeat(middles, counts)
        up = np.concatenate([np.arange(n) for n in counts]) + 0.5
        axes.plot(across, up, "o", color=_NULL, markersize=3.4)
        axes.set_ylim(0, max(FEW / 2, counts.max() + 0.5))
    else:
        axes.bar(middles, counts, width=edges[1] - edges[0], color=_NULL, linewidth=0)
        axes.set_ylim(0, counts.max() * 1.08)
    if len(ends) == 3:
        axes.axvspan(ends[1], ends[2], color=_TRAINED, alpha=0.18, linewidth=0)
    axes.axvline(value, color=_TRAINED, linewidth=1.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(lambda tick, _: _tick(tick, edges[-1] - edges[0]))


def _tick(value: float, span: float) -> str:
    """Write a tick; what differs from zero by rounding alone is zero."""
    return (
        "0"
        if abs(value) < 1e-9 * span
        else number(value, 3).rstrip("0").rstrip(".")
        if _plain(value)
        else number(value, 2)
    )


def _plain(value: float) -> bool:
    return 1e-3 <= abs(value) < 1e3
