"""The plots of a randomization study: likeness along cascades and by single layer, and null distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from igbatch.report.figures.typeset import DPI, FAINT, INK, finish
from igbatch.report.randomization import statistics
from igbatch.report.randomization.means import INVARIANT, NAMES, RANGES, Mean, Means
from igbatch.report.randomization.steps import Randomized, short_layer
from igbatch.report.sentences import sentences
from igbatch.text import count, number, plain, shorten

WIDTH = 11.0
"""Of a figure, in inches."""

TITLE, TEXT, SMALL = 10.0, 8.0, 7.2  # points
COLORS = ("#0072b2", "#d55e00", "#009e73", "#8a4f7d")
"""Colours that are told apart with any colour vision (after Okabe & Ito 2008); markers differ as well."""

MARKERS = ("o", "s", "^", "D")
COLUMNS = 6
"""Tests side by side."""

BINS = 30
FEW = 20
"""Random models up to which each is a dot; more are a histogram."""

_SLANTED = 9  # names of layers fit aslant up to so many, upright beyond
_MAX_LETTERS = 28  # of a layer's name beside a plot
_NULL, _TRAINED = "#7a7a7a", COLORS[1]
_PANELS = {
    "Rank correlation and HOG": {measure: NAMES[measure] for measure in INVARIANT},
    "SSIM": {f"ssim_{scale}": words for scale, words in RANGES.items()},
    "RMS difference / range": {f"difference_{scale}": words for scale, words in RANGES.items()},
}


def curves_figure(means: Means, cascade: Randomized) -> Figure:
    """Return one cascade's similarity to the trained model, against how many layers are random.

    Panels: the measures that no normalization changes; SSIM, and below it the root mean square difference,
    under each normalization. Dots carry 95 % intervals over images; the dashed level is that between random
    models.
    """
    values = {"whence": cascade.whence, "seed": cascade.seed, "images": means.images(cascade)}
    title, caption, *notes = sentences("randomization/curves_figure.j2", **values)
    figure = _titled(8.8, title, [caption])
    grid = figure.add_gridspec(3, len(RANGES), height_ratios=[1.2, 1, 1])
    invariant, side = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2:])
    _draw_curves(invariant, means, cascade, INVARIANT)
    invariant.set_title("Rank correlation and HOG", loc="left", size=TEXT, weight="bold")
    side.set_axis_off()
    side.legend(*invariant.get_legend_handles_labels(), loc="upper left", frameon=False, fontsize=TEXT)
    words = side.text(0.03, 0.6, _wrapped(notes, 80), va="top", size=TEXT, color=FAINT)
    words.set_in_layout(False)
    for column, (scale, name) in enumerate(RANGES.items()):
        similarity, difference = (figure.add_subplot(grid[row, column]) for row in (1, 2))
        _draw_curves(similarity, means, cascade, [f"ssim_{scale}"])
        _draw_curves(difference, means, cascade, [f"difference_{scale}"], 1)
        similarity.set_title(name, loc="left", size=TEXT, color=FAINT)
        similarity.tick_params(labelbottom=False)
        if column == 0:
            similarity.set_ylabel("SSIM", size=TEXT, weight="bold")
            difference.set_ylabel("RMS difference / range", size=TEXT, weight="bold")
    return finish(figure)


def _draw_curves(
    axes: Axes, means: Means, cascade: Randomized, measures: Sequence[str], first: int = 0
) -> None:
    """Draw measures along a cascade, from the value that a map has against itself."""
    _style(axes, "y")
    start = 0.0 if first else 1.0
    for kind, measure in enumerate(measures, first):
        if level := means.random(measure, comparison="between_random"):
            axes.axhline(level.value, color=COLORS[kind], linewidth=1.1, linestyle=(0, (4, 3)))
            axes.axhspan(*level.span, color=COLORS[kind], alpha=0.13, linewidth=0)
        if line := {place + 1: mean for place, mean in means.along(cascade, measure).items()}:
            place, mean = next(iter(line.items()))
            axes.plot([0, place], [start, mean.value], color=COLORS[kind], linewidth=1.4)
            axes.plot(0, start, MARKERS[kind], color="white", markeredgecolor=COLORS[kind], zorder=3)
            _draw_means(axes, line, kind, linewidth=1.4, label=NAMES[measure])
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.03 * high), None if first else 1.05)
    layers = ["trained", *map(short_layer, cascade.steps)]
    aslant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(layers)), layers, **(aslant if len(layers) <= _SLANTED else {"rotation": 90}))
    axes.set_xlim(-0.4, len(cascade.steps) + 0.4)


def layers_figure(means: Means, group: Randomized) -> Figure:
    """Return the similarity to the trained model where a single layer is random: a row a layer."""
    values = {"seed": group.seed, "images": means.images(group)}
    title, *caption = sentences("randomization/layers_figure.j2", **values)
    layers = [shorten(plain(layer), _MAX_LETTERS) for layer in group.steps]
    figure = _titled(2.3 + 0.34 * len(layers), title, caption)
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (heading, measures) in zip(panels, _PANELS.items(), strict=True):
        _style(axes, "x")
        for kind, (measure, name) in enumerate(measures.items()):
            offset = (kind - (len(measures) - 1) / 2) * 0.18
            dots = {row + offset: mean for row, mean in means.along(group, measure).items()}
            _draw_means(axes, dots, kind, across=True, linestyle="", label=name)
        if not heading.startswith("RMS"):
            axes.set_xlim(min(-0.04, axes.get_xlim()[0]), 1.05)
        elif axes.dataLim.x0 > 0:  # differences differ by decades
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
            axes.xaxis.set_minor_formatter(NullFormatter())
        key = axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), frameon=False, title=heading,
                          fontsize=TEXT, alignment="left")  # fmt: skip
        key.get_title().set(size=TEXT, weight="bold")
        axes.tick_params(axis="y", length=0)
        for row in range(1, len(layers)):
            axes.axhline(row - 0.5, color="#ececec", linewidth=0.6, zorder=0)
    panels[0].set(yticks=range(len(layers)), yticklabels=layers, ylim=(len(layers) - 0.5, -0.5))
    return finish(figure)


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
    figure = _titled(1.2 + 1.75 * len(lines), title, caption)
    bands = figure.subfigures(len(lines), 1, squeeze=False)[:, 0]
    for band, line in zip(bands, lines, strict=True):
        whole, images = pd.isna(line[0]["box_label"]), int(line[0]["n_images"])
        heading = "whole maps" if whole else statistics.box_name(line[0])
        heading += "" if images == 1 else f" ({count(images, 'image')})"
        band.suptitle(shorten(heading, 120), x=0.012, ha="left", size=TEXT, weight="bold")
        panels = band.subplots(1, COLUMNS)
        for axes in panels[len(line) :]:
            axes.set_axis_off()
        for axes, row in zip(panels, line, strict=False):
            _draw_null(axes, row)
            test = statistics.statistic_name(row) + (f" → {plain(str(row['target']))}" if whole else "")
            axes.set_title(shorten(test, 26), loc="left", size=SMALL, weight="bold", pad=3)
            below = [
                f"p = {statistics.p_text(row['p'])} ({statistics.SIDES[row['alternative']]})",
                f"N = {int(row['n_null'])}, smallest p {statistics.p_text(row['p_smallest'])}",
                f"{statistics.scale(row)} scale",
            ]
            axes.set_xlabel("\n".join(below), loc="left", size=SMALL)
    return finish(figure)


def _draw_null(axes: Axes, row: Mapping[Any, Any]) -> None:
    """Draw the values of random models, and the trained one with its interval."""
    _style(axes, "x")
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


def _titled(height: float, title: str, caption: Sequence[str]) -> Figure:
    """Return an empty figure of a height in inches, its title above, and paragraphs about it below."""
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, x=0.012, ha="left", size=TITLE, weight="bold", color=INK)
    figure.supxlabel(_wrapped(caption, 178), x=0.012, ha="left", size=TEXT, color=FAINT)
    return figure


def _wrapped(paragraphs: Sequence[str], letters: int) -> str:
    return "\n\n".join(fill(paragraph, letters) for paragraph in paragraphs)


def _style(axes: Axes, grid: str) -> None:
    """Give axes hair lines, small labels, and no frame but the two sides that carry labels."""
    axes.tick_params(labelsize=SMALL, length=3, color=FAINT, pad=2)
    axes.grid(axis=grid, color="#e4e4e4", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color="#9a9a9a", linewidth=0.6)


def _draw_means(
    axes: Axes, means: Mapping[Any, Mean], kind: int, across: bool = False, **options: Any
) -> None:
    """Draw means with their intervals by their places along an axis: at x, or at y with `across`.

    `kind` says which colour and marker; other options are those of `Axes.errorbar`.
    """
    values = [mean.value for mean in means.values()]
    lows, highs = zip(*(mean.span for mean in means.values()), strict=True) if means else ((), ())
    reach = [np.subtract(values, lows), np.subtract(highs, values)]
    names = ("y", "x", "xerr") if across else ("x", "y", "yerr")
    options |= dict(zip(names, (list(means), values, reach), strict=True))
    axes.errorbar(color=COLORS[kind], marker=MARKERS[kind], markersize=4.6, elinewidth=1.7, **options)
