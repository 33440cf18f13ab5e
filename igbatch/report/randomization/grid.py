"""A grid of maps of one image, from the trained model to a fully random one, step by step of a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.reduce.ranges import Scope
from igbatch.report.figures.bar import BAR, BAR_SPACE, SMALL, draw_bar
from igbatch.report.figures.draw import MARGIN, colors_of, draw_absence
from igbatch.report.figures.image_data import ImageMaps, Panel
from igbatch.report.figures.scales import color_scale
from igbatch.report.figures.typeset import FAINT, LINE, draw_image, finish_page, new_page, write
from igbatch.report.randomization.steps import Randomized
from igbatch.report.sentences import sentences
from igbatch.report.text import number, plain

COLUMNS = 8
"""Maps side by side; longer cascades go on below."""

SCOPES: tuple[Scope, ...] = ("image", "models")
"""Every map is shown by its per-map range, and under the joint range of all variants and targets."""

MIN_PIXELS = 224
"""Pixels of a print that a map is wide, or more: twice as many as on the page."""

_SIDE, _GAP, _TOP = 116, 12, 92
_UNDER = 3 + BAR + 16 + 3 * LINE + 14  # a map: its bar, three numbers, and air


@dataclass(frozen=True)
class GridRow:
    """Maps of one target under one scope: a panel a variant, in the order of the cascade."""

    target: str
    scope: Scope
    panels: tuple[Panel, ...]


def grid_rows(maps: ImageMaps, variants: Sequence[str], targets: Sequence[str]) -> list[GridRow]:
    """Gather the maps of some variants, each target under its per-map range, and under that of the image."""
    rows, joint = [], [color_scale(maps, "models")] * len(variants)
    for target in targets:
        per_map = [color_scale(maps, "image", variant, [target]) for variant in variants]
        for scope, scales in zip(SCOPES, (per_map, joint), strict=True):
            pairs = zip(variants, scales, strict=True)
            panels = tuple(maps.panel(variant, target, scale) for variant, scale in pairs)
            rows.append(GridRow(target, scope, panels))
    return rows


def grid_figure(maps: ImageMaps, trained: str | None, cascade: Randomized) -> Figure:
    """Return the maps of one image, columns being the steps of a cascade, rows targets and scopes.

    Under every map stand its colour bar with zero marked, and its minimum, maximum and sum.
    """
    steps = [("trained", trained)] if trained is not None else []
    steps += [(step.layer, step.variant_id) for step in cascade.steps]
    rows = grid_rows(maps, [variant for _, variant in steps], maps.results.target_names)
    size, across = _map_size(rows), min(len(steps), COLUMNS)
    width = max(2 * MARGIN + _SIDE + across * (size[0] + _GAP), 760)
    page = new_page(width)
    words = {"name": maps.image_id, "whence": cascade.whence, "seed": cascade.seed}
    title, caption = sentences("randomization/grid_figure.j2", **words)
    write(page, MARGIN, 16, title, 14, width=width - 2 * MARGIN, bold=True)
    write(page, MARGIN, 38, caption, 11, width=0.97 * width - 2 * MARGIN, most=20, color=FAINT)
    y = float(_TOP)
    for start in range(0, len(steps), COLUMNS):
        layers = [layer for layer, _ in steps[start : start + COLUMNS]]
        lefts = [MARGIN + _SIDE + column * (size[0] + _GAP) for column in range(len(layers))]
        for left, layer in zip(lefts, layers, strict=True):
            write(page, left, y, plain(layer), width=size[0], bold=True)
        y += LINE + 6
        for row in rows:
            _draw_side(page, row, y, size[1])
            for left, panel in zip(lefts, row.panels[start:], strict=False):
                _draw_map(page, panel, left, y, size)
            y += size[1] + _UNDER
    return finish_page(page, y)


def _draw_side(page: Axes, row: GridRow, y: float, height: float) -> None:
    write(page, MARGIN, y, plain(row.target), 12, width=_SIDE - 16, bold=True)
    scale = next((panel.scale for panel in row.panels if panel.scale), None)
    if scale is not None:
        write(page, MARGIN, y + 17, scale.words["label"], 11, width=_SIDE - 22, most=3, color=FAINT)
        if row.scope != "image":
            draw_bar(page, scale, MARGIN, y + max(height - BAR_SPACE, 58), _SIDE - 22)


def _draw_map(page: Axes, panel: Panel, x: float, y: float, size: tuple[float, float]) -> None:
    if panel.values is None or panel.scale is None:
        draw_absence(page, panel.missing, x, y, size)
    else:
        draw_image(page, colors_of(panel), x, y, size)
        draw_bar(page, panel.scale, x, y + size[1] - 9, round(size[0]), labels=False)
    numbers = {"min": panel.minimum, "max": panel.maximum, "sum": panel.total}
    lines = [f"{name} {number(value)}" for name, value in numbers.items() if value is not None]
    write(page, x, y + size[1] + BAR + 24, lines, SMALL, step=LINE - 1)


def _map_size(rows: Sequence[GridRow]) -> tuple[float, float]:
    """Return width and height of the maps on the page: whole pixels of a print for each of their pixels."""
    shapes = (panel.values.shape for row in rows for panel in row.panels if panel.values is not None)
    high, wide = next(shapes, (MIN_PIXELS, MIN_PIXELS))
    times = -(-MIN_PIXELS // wide)
    return wide * times / 2, high * times / 2
