"""A grid of maps of one image, from the trained model to a fully random one, step by step of a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.reduce.ranges import Scope
from igbatch.report.color.scale import ColorScale
from igbatch.report.figures.bar import bar_colors, bar_labels
from igbatch.report.figures.image_data import ImageMaps, Panel
from igbatch.report.figures.scales import color_scale
from igbatch.report.figures.typeset import DPI, FAINT, INK, WARN, finish
from igbatch.report.randomization.plotting import SMALL, TEXT, TITLE, wrapped
from igbatch.report.randomization.steps import Randomized
from igbatch.report.sentences import sentences
from igbatch.report.text import number, plain, shorten

COLUMNS = 8
"""Maps side by side; longer cascades go on below."""

SCOPES: tuple[Scope, ...] = ("image", "models")
"""Every map is shown by its per-map range, and under the joint range of all variants and targets."""

_SMALLEST = 224
"""Pixels of a print that a map is wide, or more."""

PRINT_DPI = 2 * DPI
_MARGIN, _APART, _ABOVE, _UNDER = 0.18, 0.12, 1.0, 0.75  # inches around maps


@dataclass(frozen=True)
class GridRow:
    """Maps of one target under one scope: a panel a variant, in the order of the cascade."""

    target: str
    scope: Scope
    panels: tuple[Panel, ...]


def grid_rows(maps: ImageMaps, variants: Sequence[str], targets: Sequence[str]) -> list[GridRow]:
    """Gather the maps of some variants, each target under its per-map range, and under that of the image."""
    shared = color_scale(maps, "models")
    rows = []
    for target in targets:
        own = [color_scale(maps, "image", variant, [target]) for variant in variants]
        for scope, scales in zip(SCOPES, (own, [shared] * len(own)), strict=True):
            pairs = zip(variants, scales, strict=True)
            panels = [maps.panel(variant, target, scale) for variant, scale in pairs]
            rows.append(GridRow(target, scope, tuple(panels)))
    return rows


def grid_figure(maps: ImageMaps, trained: str | None, cascade: Randomized) -> Figure:
    """Return the maps of one image, columns being the steps of a cascade, rows targets and scopes.

    Under every map stand its colour bar with zero marked, and its minimum, maximum and sum.
    """
    steps = [("trained", trained)] if trained is not None else []
    steps += [(step.layer, step.variant_id) for step in cascade.steps]
    rows = grid_rows(maps, [variant for _, variant in steps], maps.results.target_names)
    across, bands = min(len(steps), COLUMNS), range(0, len(steps), COLUMNS)
    high, wide = _map_size(rows)
    lines = len(rows) * len(bands)
    cells = (across * (wide + _APART) + wide, lines * (high + _UNDER) - _UNDER)
    width, height = max(cells[0] + 2 * _MARGIN, 7.6), _ABOVE + cells[1] + _UNDER + 0.1
    words = {"name": maps.image_id, "whence": cascade.whence, "seed": cascade.seed}
    title, caption = sentences("randomization/grid_figure.j2", **words)
    figure, left, top = Figure((width, height), dpi=DPI), _MARGIN / width, 1 - _ABOVE / height
    figure.text(left, 1 - 0.25 / height, shorten(title, int(width * 11)), size=TITLE, weight="bold")
    figure.text(left, 1 - 0.35 / height, wrapped([caption], int(width * 16)), size=TEXT, va="top")
    ends = {"left": left, "right": left + cells[0] / width, "top": top, "bottom": top - cells[1] / height}
    grid = figure.add_gridspec(lines, across + 1, wspace=_APART / wide, hspace=_UNDER / high, **ends)
    for band, start in enumerate(bands):
        for line, row in enumerate(rows, band * len(rows)):
            _draw_side(figure.add_subplot(grid[line, 0]), row)
            shown = zip(steps, row.panels, strict=True)
            for column, (step, panel) in enumerate(islice(shown, start, start + COLUMNS), 1):
                axes = figure.add_subplot(grid[line, column])
                _draw_map(axes, panel)
                if row is rows[0]:
                    name = shorten(plain(step[0]), int(wide * 12))
                    axes.set_title(name, loc="left", size=TEXT, weight="bold")
    return finish(figure)


def _draw_side(axes: Axes, row: GridRow) -> None:
    axes.set_axis_off()
    axes.text(0, 1, shorten(plain(row.target), 18), va="top", size=TEXT, weight="bold")
    scale = next((panel.scale for panel in row.panels if panel.scale), None)
    if scale is not None:
        axes.text(0, 0.88, wrapped([scale.label], 20), va="top", size=SMALL, color=FAINT)
        if row.scope != "image":
            _draw_bar(axes.inset_axes((0, 0.2, 0.9, 0.09)), scale, ends=True)


def _draw_map(axes: Axes, panel: Panel) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#c8c8c8", linewidth=0.6)
    if panel.values is None or panel.scale is None:
        axes.set_facecolor("#f3f3f3")
        axes.text(0.05, 0.94, wrapped([panel.missing or "No map."], 20), va="top", size=SMALL, color=WARN)
    else:
        axes.imshow(panel.scale.paint(panel.values), interpolation="none", aspect="auto")
        _draw_bar(axes.inset_axes((0, -0.14, 1, 0.09)), panel.scale)
    numbers = {"min": panel.minimum, "max": panel.maximum, "sum": panel.total}
    lines = [f"{name} {number(value)}" for name, value in numbers.items() if value is not None]
    axes.text(0, -0.27, "\n".join(lines), va="top", size=SMALL, transform=axes.transAxes)


def _draw_bar(axes: Axes, scale: ColorScale, ends: bool = False) -> None:
    """Draw a colour bar with zero marked, and where it is asked for normalized and raw ends."""
    zero = scale.along_bar(0.0)
    axes.imshow(bar_colors(scale, 200), extent=(0, 1, 0, 1), aspect="auto")
    axes.axvline(zero, -0.3, 1.3, color=INK, linewidth=0.9, clip_on=False)
    axes.spines[:].set(color="#9a9a9a", linewidth=0.6)
    axes.set_xticks([zero], ["0"])
    axes.set_yticks([])
    axes.tick_params(length=0, pad=4, labelsize=SMALL)
    above, below = bar_labels(scale) if ends else ({}, {})
    for at, text in above.items():
        axes.text(at, 1.5, text, ha=_aligned(at), size=SMALL, color=FAINT)
    for at, text in below.items():
        axes.text(at, -2.2, text, ha=_aligned(at), va="top", size=SMALL)


def _aligned(at: float) -> str:
    return "left" if at < 0.1 else "right" if at > 0.9 else "center"


def _map_size(rows: Sequence[GridRow]) -> tuple[float, float]:
    """Return height and width of the maps in inches: whole pixels of a print for each of their pixels."""
    shapes = (panel.values.shape for row in rows for panel in row.panels if panel.values is not None)
    high, wide = next(shapes, (_SMALLEST, _SMALLEST))
    times = -(-_SMALLEST // wide)
    return high * times / PRINT_DPI, wide * times / PRINT_DPI
