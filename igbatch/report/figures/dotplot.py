"""The means of box sums over a data set as a dot plot: one scale for all variants, so that sizes compare."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from igbatch.report.color.colormaps import PALETTE
from igbatch.report.columns import in_order
from igbatch.report.figures.typeset import DPI, FAINT, INK, finish, fit
from igbatch.report.selection import shown_variants
from igbatch.results import StudyResults
from igbatch.text import count, number, plain

WIDTH = 700
ROW = 21
MAX_LABELS = 6
MAX_ROWS = 96
_NAMES = 232  # pixels for the names at the left
_DECADES = 8  # at most, on each side of zero
_DRAWN = ("mean_sum", "mean_sum_low", "mean_sum_high")


@dataclass(frozen=True)
class ShownAggregates:
    """Rows of the aggregates that are shown, in order, and how many box labels and rows are not."""

    rows: pd.DataFrame
    labels_left_out: int
    rows_left_out: int


def select_aggregates(results: StudyResults) -> ShownAggregates:
    """Choose the aggregates to show: labels that are targets first, then the most frequent.

    Of a randomization study, they are those of the variants whose maps are shown.
    """
    table = results.aggregates
    frequent = table.groupby("box_label")["n_images"].max().sort_values(ascending=False, kind="stable").index
    named = [name for name in results.target_names if name in frequent]
    labels = list(dict.fromkeys([*named, *frequent]))
    order = {
        "variant_id": list(results.variants["variant_id"]),
        "box_label": labels[:MAX_LABELS],
        "target": results.target_names,
    }
    kept = table[table["box_label"].isin(order["box_label"])]
    every = len(kept)
    if results.randomized:
        kept = kept[kept["variant_id"].isin(shown_variants(results, order["variant_id"]))]
    shown = in_order(kept, order).head(MAX_ROWS)
    return ShownAggregates(shown, max(len(labels) - MAX_LABELS, 0), every - len(shown))


def aggregates_figure(results: StudyResults) -> Figure:
    """Return the dot plot of mean box sums with their 95 % intervals, by variant, box label and target.

    The axis is linear within the innermost pair of grid lines and logarithmic beyond (stated on it), so that
    sums of a trained model and of random ones, many decades apart, are seen on one scale with their signs.
    """
    rows = select_aggregates(results).rows.replace([-np.inf, np.inf], np.nan)
    wide = 200 if results.contrasts else 140  # pixels: a contrast names two classes
    names: list[str] = []  # of lines: each variant, and below it its rows
    y = []
    for variant, group in rows.groupby("variant_id", sort=False, observed=True):
        names.append(fit(plain(str(variant)), _NAMES - 20, 12, bold=True))
        for label, target in zip(group["box_label"], group["target"], strict=True):
            y.append(len(names))
            names.append("   " + fit(f"{plain(str(label))} box → {plain(str(target))}", wide, 11))
    figure = Figure(((WIDTH + wide - 140) / DPI, (136 + ROW * len(names)) / DPI), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.14)
    title = "Mean sum of attributions in boxes, over the images"
    figure.suptitle(title, x=0.022, ha="left", size=10, weight="bold")
    guide = "Rows: box → target. Dot: mean; line: its 95 % interval (from 3 images). Blue is positive."
    figure.supxlabel(guide, x=0.022, ha="left", size=8)
    axes = figure.add_subplot(ylim=(max(len(names), 1) - 0.5, -0.5))
    _scale(axes, *extent(rows[list(_DRAWN)].to_numpy().ravel()))
    axes.tick_params("y", pad=(_NAMES + wide - 140) * 72 / DPI)
    axes.set_yticks(range(len(names)), names, size=8, ha="left")
    for name in set(range(len(names))) - set(y):
        axes.get_yticklabels()[name].set(size=8.6, weight="bold")
    beside = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
    for at, n in zip(y, rows["n_images"], strict=True):
        axes.text(-0.03, at, count(int(n), "image"), beside, size=7.2, color=FAINT)
    colors: Any = PALETTE[np.where(rows["mean_sum"] > 0, -1, 0)] / 255
    axes.hlines(y, rows["mean_sum_low"], rows["mean_sum_high"], colors=colors, linewidth=1.6)
    axes.scatter(rows["mean_sum"], y, s=36, c=colors, edgecolors="white", linewidths=0.6, zorder=3)
    return finish(figure)


def extent(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return where the axis stops being linear and where it ends, powers of ten that hold all values.

    The linear part ends below the smallest magnitude, but no more than `_DECADES` decades below the largest.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes):
        return 0.1, 1.0
    top = math.ceil(math.log10(sizes.max()) + 1e-9)
    bottom = max(math.floor(math.log10(sizes.min())), top - _DECADES)
    return 10.0 ** min(bottom, top - 1), 10.0**top


def _scale(axes: Axes, linear: float, largest: float) -> None:
    decades = round(math.log10(largest / linear))
    powers = largest / 10.0 ** np.arange(0, decades, max(1, math.ceil(decades / 3)))  # the last would touch 0
    ticks = [*-powers, 0.0, *powers[::-1]]
    axes.set_xscale("symlog", linthresh=linear, linscale=0.6)
    axes.set_xlim(-largest * 1.3, largest * 1.3)
    axes.set_xticks(ticks, [number(tick, 1) for tick in ticks], size=7.6)
    axes.set_xticks([], minor=True)
    axes.tick_params("x", length=3, color=FAINT)
    axes.tick_params("y", length=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    label = f"linear between ±{number(linear, 1)}, logarithmic beyond; the same scale for all variants"
    axes.set_xlabel(label, color=FAINT, size=7.6)
