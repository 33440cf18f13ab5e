"""The means of box sums over a data set as a dot plot: one scale for all variants, so that sizes are told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.report.color.colormaps import PALETTE
from igbatch.report.figures.typeset import DPI, FAINT, INK, finish, fit
from igbatch.report.selection import shown_variants
from igbatch.report.text import count, number, plain
from igbatch.results import StudyResults

WIDTH = 700
ROW = 21
MAX_LABELS = 6
MAX_ROWS = 96
_NAMES = 232  # pixels for the names at the left
_DECADES = 8  # at most, on each side of zero
_DRAWN = ("mean_sum", "mean_sum_low", "mean_sum_high")


@dataclass(frozen=True)
class Selection:
    """Rows of the aggregates that are shown, in order, and how many box labels and rows are not."""

    rows: pd.DataFrame
    labels_left_out: int
    rows_left_out: int


def select_aggregates(results: StudyResults) -> Selection:
    """Choose the aggregates to show: labels that are targets first, then the most frequent.

    Of a randomization study, they are those of the variants whose maps are shown.
    """
    table = results.aggregates
    frequent = table.groupby("box_label")["n_images"].max().sort_values(ascending=False, kind="stable").index
    named = [name for name in results.target_names if name in frequent]
    labels = list(dict.fromkeys([*named, *frequent]))
    order = {
        "variant_id": {name: i for i, name in enumerate(results.variants["variant_id"])},
        "target": {name: i for i, name in enumerate(results.target_names)},
        "box_label": {name: i for i, name in enumerate(labels[:MAX_LABELS])},
    }
    kept = table[table["box_label"].isin(labels[:MAX_LABELS])]
    every = len(kept)
    if results.randomized:
        kept = kept[kept["variant_id"].isin(shown_variants(results, list(order["variant_id"])))]
    ranks = pd.DataFrame({name: kept[name].map(places) for name, places in order.items()}, index=kept.index)
    rows = kept.loc[ranks.sort_values(["variant_id", "box_label", "target"]).index]
    shown = rows.head(MAX_ROWS)
    return Selection(shown, max(len(labels) - MAX_LABELS, 0), every - len(shown))


def aggregates_figure(results: StudyResults) -> Figure:
    """Return the dot plot of mean box sums with their 95 % intervals, by variant, box label and target.

    The axis is linear within the innermost pair of grid lines and logarithmic beyond (stated on it), so that
    sums of a trained model and of random ones, many decades apart, are seen on one scale with their signs.
    """
    rows = select_aggregates(results).rows.to_dict("records")
    variants = dict.fromkeys(str(row["variant_id"]) for row in rows)
    height = 136 + ROW * (len(rows) + len(variants))
    figure = Figure((WIDTH / DPI, height / DPI), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.14)
    axes = figure.add_subplot()
    linear, largest = extent([_finite(row[name]) for row in rows for name in _DRAWN])
    _scale(axes, linear, largest)
    title = "Mean sum of attributions in boxes, over the images"
    axes.annotate(title, (0, 1), **_beside(0, 30), fontsize=10, fontweight="bold")
    guide = "Rows: box → target. Dot: mean; line: its 95 % interval (from 3 images). Blue is positive."
    axes.annotate(guide, (0, 1), **_beside(0, 14), fontsize=8)
    y = 0
    for variant in variants:
        name = fit(plain(variant), _NAMES - 20, 12, bold=True)
        axes.annotate(name, (0, y), **_beside(0, 0, "data"), fontsize=8.6, fontweight="bold")
        y += 1
        for row in (row for row in rows if row["variant_id"] == variant):
            name = fit(f"{plain(str(row['box_label']))} box → {plain(str(row['target']))}", 140, 11)
            images = count(int(row["n_images"]), "image")
            axes.annotate(name, (0, y), **_beside(10, 0, "data"), fontsize=8)
            axes.annotate(
                images, (0, y), **_beside(_NAMES - 12, 0, "data"), fontsize=7.2, ha="right", color=FAINT
            )
            _dot(axes, row, y)
            y += 1
    axes.set_ylim(max(y, 1) - 0.5, -0.5)
    label = f"linear between ±{number(linear, 1)}, logarithmic beyond; the same scale for all variants"
    axes.set_xlabel(label, color=FAINT, fontsize=7.6)
    return finish(figure)


def extent(values: Sequence[float | None]) -> tuple[float, float]:
    """Return where the axis stops being linear and where it ends, powers of ten that hold all values.

    The linear part ends below the smallest magnitude, but no more than `_DECADES` decades below the largest.
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0.1, 1.0
    top = math.ceil(math.log10(max(sizes)) + 1e-9)
    bottom = max(math.floor(math.log10(min(sizes))), top - _DECADES)
    return 10.0 ** min(bottom, top - 1), 10.0**top


def _beside(x: float, y: float, height: str = "axes fraction") -> dict[str, Any]:
    """Return where a text stands left of the axes, in pixels from where the names begin."""
    return {
        "xycoords": ("axes fraction", height),
        "xytext": ((x - _NAMES) * 72 / DPI, y),
        "textcoords": "offset points",
        "va": "center" if height == "data" else "bottom",
        "annotation_clip": False,
    }


def _scale(axes: Axes, linear: float, largest: float) -> None:
    decades = round(math.log10(largest / linear))
    every = max(1, math.ceil(decades / 3))
    powers = [largest / 10**step for step in range(0, decades, every)]  # the last would touch 0
    axes.set_xscale("symlog", linthresh=linear, linscale=0.6)
    axes.set_xlim(-largest * 1.3, largest * 1.3)
    ticks = [*(-power for power in powers), 0.0, *powers[::-1]]
    axes.set_xticks(ticks, [number(tick, 1) for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=7.6, length=3, color=FAINT)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _dot(axes: Axes, row: Any, y: float) -> None:
    mean, low, high = (_finite(row[name]) for name in _DRAWN)
    if mean is None:
        return
    color = PALETTE[-1 if mean > 0 else 0] / 255
    if low is not None and high is not None:
        axes.plot([low, high], [y, y], color=color, linewidth=1.6, solid_capstyle="butt")
    axes.plot(mean, y, "o", markersize=5.5, color=color, markeredgecolor="white", markeredgewidth=0.6)


def _finite(value: Any) -> float | None:
    return None if pd.isna(value) or not np.isfinite(value) else float(value)
