"""What the plots of a randomization study share: a figure with its title and caption, axes, and means."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.report.figures.typeset import DPI, FAINT, INK
from igbatch.report.randomization.means import Mean

COLORS = ("#0072b2", "#d55e00", "#009e73", "#8a4f7d")
"""Colours that are told apart with any colour vision (after Okabe & Ito 2008); markers differ as well."""

MARKERS = ("o", "s", "^", "D")
WIDTH = 11.0
"""Of a figure, in inches."""

TITLE, TEXT, SMALL = 10.0, 8.0, 7.2  # points


def titled_figure(height: float, title: str, caption: Sequence[str]) -> Figure:
    """Return an empty figure of a height in inches, its title above, and paragraphs about it below."""
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, x=0.012, ha="left", size=TITLE, weight="bold", color=INK)
    figure.supxlabel(wrapped(caption, 178), x=0.012, ha="left", size=TEXT, color=FAINT)
    return figure


def wrapped(paragraphs: Sequence[str], letters: int) -> str:
    """Return paragraphs in lines of so many letters."""
    return "\n\n".join(fill(paragraph, letters) for paragraph in paragraphs)


def style(axes: Axes, grid: str) -> None:
    """Give axes hair lines, small labels, and no frame but the two sides that carry labels."""
    axes.tick_params(labelsize=SMALL, length=3, color=FAINT, pad=2)
    axes.grid(axis=grid, color="#e4e4e4", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color="#9a9a9a", linewidth=0.6)


def draw_means(axes: Axes, places: Sequence[float], means: Sequence[Mean], kind: int, **options: Any) -> None:
    """Draw means with their intervals at places along an axis: at x, or at y with `across=True`.

    `kind` says which colour and marker; other options are those of `Axes.errorbar`.
    """
    values = [mean.value for mean in means]
    reach = [[mean.value - mean.span[0] for mean in means], [mean.span[1] - mean.value for mean in means]]
    names = ("y", "x", "xerr") if options.pop("across", False) else ("x", "y", "yerr")
    options |= dict(zip(names, (places, values, reach), strict=True))
    axes.errorbar(color=COLORS[kind], marker=MARKERS[kind], markersize=4.6, elinewidth=1.7, **options)
