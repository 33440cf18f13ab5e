"""The shares of right answers as a dot plot, by normalization, with and without numbers."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.reduce.ranges import SCOPES
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.columns import Row
from igbatch.report.figures.typeset import DPI, FAINT, INK, finish, fit
from igbatch.report.sentences import sentences
from igbatch.text import count, plain

WIDTH, ROW = 700, 22
MAX_SIMULATED = 6
_NAMES = 250  # pixels for the names at the left
_COLOR = "#0072b2"
_TITLES: dict[str, str] = {name: words.title for name, words in SCOPE_WORDS.items()}


def shares_figure(summary: pd.DataFrame) -> Figure:
    """Return the dot plot of a quiz's `summary`: people above, a row a normalization and numbers or none.

    Simulated readers are below, each with its share under every normalization.
    """
    people = _ordered(summary[summary["simulated"].isna() & (summary["by"] == "normalization x numbers")])
    programs = summary[summary["simulated"].notna() & (summary["by"] == "normalization")]
    names: list[str] = []
    rows: list[tuple[int, Any]] = []
    for scope, group in people.groupby("normalization", sort=False):
        names.append(fit(_TITLES[str(scope)], _NAMES - 20, 12, bold=True))
        for row in group.to_dict("records"):
            rows.append((len(names), row))
            names.append(f"   {'with' if row['numbers'] else 'without'} numbers")
    for reader, group in list(programs.groupby("simulated", sort=False))[:MAX_SIMULATED]:
        names.append(fit(f"simulated: {plain(str(reader))}", _NAMES - 20, 12, bold=True))
        for row in _ordered(group).to_dict("records"):
            rows.append((len(names), row))
            names.append(f"   {_TITLES[row['normalization']]}")
    title, guide = sentences("quiz_results/figure.j2", people=len(people), simulated=len(programs))
    figure = Figure((WIDTH / DPI, (126 + ROW * len(names)) / DPI), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.14)
    figure.suptitle(title, x=0.022, ha="left", size=10, weight="bold")
    figure.supxlabel(fill(guide, 108), x=0.022, ha="left", size=8)
    axes = figure.add_subplot(ylim=(max(len(names), 1) - 0.5, -0.5))
    _scale(axes, names, {at for at, _ in rows})
    for at, row in rows:
        _draw(axes, at, row)
    return finish(figure)


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the order of scopes, those without numbers first."""
    places = rows["normalization"].map({scope: at for at, scope in enumerate(SCOPES)})
    numbers = rows["numbers"].fillna(value=False).astype(bool)
    return rows.iloc[np.lexsort((numbers, places))]


def _scale(axes: Axes, names: list[str], drawn: set[int]) -> None:
    axes.tick_params("y", pad=_NAMES * 72 / DPI, length=0)
    axes.set_yticks(range(len(names)), names, size=8, ha="left")
    for at in set(range(len(names))) - drawn:
        axes.get_yticklabels()[at].set(size=8.6, weight="bold")
    axes.set_xlim(-0.02, 1.02)
    ticks = (0, 0.25, 0.5, 0.75, 1)
    axes.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks], size=7.6)
    axes.tick_params("x", length=3, color=FAINT)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _draw(axes: Axes, at: int, row: Row) -> None:
    """Draw a share with its interval, how often guessing is right, and of how many answers it is."""
    program = bool(pd.notna(row["simulated"]))
    color: str = FAINT if program else _COLOR
    filled: bool = program or row["numbers"]
    axes.hlines(at, row["low"], row["high"], colors=color, linewidth=1.1 if program else 1.6)
    axes.vlines(row["chance"], at - 0.4, at + 0.4, colors=INK, linewidth=0.9, linestyles=(0, (2, 2)))
    axes.scatter(
        row["share"], at, s=26 if program else 36, marker="D" if program else "o", zorder=3,
        facecolors=color if filled else "white", edgecolors=color, linewidths=1.3,
    )  # fmt: skip
    beside: Any = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
    n = count(int(row["n_answers"]), "question" if program else "answer")
    axes.text(-0.03, at, n, beside, size=7.2, color=FAINT)
