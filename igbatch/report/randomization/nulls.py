"""Null distributions: what random models give, and where the trained model lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from igbatch.report.figures.typeset import finish
from igbatch.report.randomization import plotting, statistics
from igbatch.report.randomization.plotting import COLORS, SMALL, TEXT
from igbatch.report.sentences import sentences
from igbatch.report.text import count, number, plain, shorten

COLUMNS = 6
BINS = 30
FEW = 20
"""Random models up to which each is a dot; more are a histogram."""

_NULL, _TRAINED = "#7a7a7a", COLORS[1]


def nulls_figure(rows: pd.DataFrame, name: str, unit: str) -> Figure:
    """Return a panel for each statistic, box label and target: the null, and the trained model's value.

    Args:
        rows: tests against the null (`statistics.null_tests`), of the data set or of one image.
        name: of the image; empty for the data set.
        unit: of sums.
    """
    groups, _ = statistics.shown_boxes(rows)
    lines = [group[start : start + COLUMNS] for group in groups for start in range(0, len(group), COLUMNS)]
    title, *caption = sentences("randomization/nulls_figure.j2", name=name, unit=unit)
    figure = plotting.titled_figure(1.2 + 1.75 * len(lines), title, caption)
    bands = figure.subfigures(len(lines), 1, squeeze=False)[:, 0]
    for band, line in zip(bands, lines, strict=True):
        whole = pd.isna(line[0]["box_label"])
        n_images = int(line[0]["n_images"])
        heading = "whole maps" if whole else statistics.box_name(line[0])
        images = "" if n_images == 1 else f" ({count(n_images, 'image')})"
        band.suptitle(shorten(heading + images, 120), x=0.012, ha="left", size=TEXT, weight="bold")
        for axes, row in zip(band.subplots(1, COLUMNS), line + [None] * COLUMNS, strict=False):
            if row is None:
                axes.set_axis_off()
            else:
                _draw_test(axes, row, whole)
    return finish(figure)


def _draw_test(axes: Axes, row: Mapping[Any, Any], whole: bool) -> None:
    """Draw one test: its statistic, the null with the trained value, and p below."""
    _draw_null(axes, row)
    name = statistics.statistic_name(row) + (f" → {plain(str(row['target']))}" if whole else "")
    axes.set_title(shorten(name, 26), loc="left", size=SMALL, weight="bold", pad=3)
    below = [
        f"p = {statistics.p_text(row['p'])} ({statistics.SIDES[str(row['alternative'])]})",
        f"N = {int(row['n_null'])}, smallest p {statistics.p_text(row['p_smallest'])}",
        "free of scale" if statistics.scale_free(row) else "bound to scale",
    ]
    axes.set_xlabel("\n".join(below), loc="left", size=SMALL)


def _draw_null(axes: Axes, row: Mapping[Any, Any]) -> None:
    plotting.style(axes, "x")
    values = np.asarray(row["null"], dtype=np.float64)
    value = float(row["value"])
    ends = [value, *(float(row[end]) for end in ("value_low", "value_high") if not pd.isna(row[end]))]
    low, high = min(values.min(), *ends), max(values.max(), *ends)
    apart = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    edges = np.linspace(low - apart, high + apart, BINS + 1)
    if len(values) <= FEW:
        counts, _ = np.histogram(values, edges)
        across = np.repeat((edges[:-1] + edges[1:]) / 2, counts)
        up = np.concatenate([np.arange(n) for n in counts]) + 0.5
        axes.plot(across, up, "o", color=_NULL, markersize=3.4)
        axes.set_ylim(0, max(FEW / 2, counts.max() + 0.5))
    else:
        axes.hist(values, edges.tolist(), color=_NULL)
    if len(ends) == 3:
        axes.axvspan(ends[1], ends[2], color=_TRAINED, alpha=0.18, linewidth=0)
    axes.axvline(value, color=_TRAINED, linewidth=1.8)
    axes.set(xlim=(edges[0], edges[-1]), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(lambda tick, _: _tick(tick, edges[-1] - edges[0]))


def _tick(value: float, span: float) -> str:
    """Write a tick; what differs from zero by rounding alone is zero."""
    if abs(value) < 1e-9 * span:
        return "0"
    return f"{number(value, 3)}".rstrip("0").rstrip(".") if 1e-3 <= abs(value) < 1e3 else number(value, 2)
