"""A grid of maps of one image, from the trained model to a fully random one, step by step of a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from igbatch.reduce.ranges import Scope
from igbatch.report.color.scale import ColorScale
from igbatch.report.figures.bar import BAR, SMALL, draw_bar
from igbatch.report.figures.canvas import WARN, Canvas, fit, wrap
from igbatch.report.figures.image_data import ImageMaps, Panel
from igbatch.report.figures.scales import color_scale
from igbatch.report.randomization.plotting import MARGIN, paragraph
from igbatch.report.randomization.steps import Randomized
from igbatch.report.text import number, plain

COLUMNS = 8
"""Maps side by side; longer cascades go on below."""

_SIDE, _APART = 116, 12
_SMALLEST = 112
_NUMBERS = 3 * 13
_BAR = BAR + 22

SCOPES: dict[Scope, str] = {"image": "per-map range", "models": "joint range"}
"""The scopes that maps are shown under, and what rows call them."""


@dataclass(frozen=True)
class GridRow:
    """Maps of one target under one scope: a panel a variant, in the order of the cascade."""

    target: str
    scope: Scope
    panels: tuple[Panel, ...]


def grid_rows(maps: ImageMaps, variants: Sequence[str], targets: Sequence[str]) -> list[GridRow]:
    """Gather the maps of some variants, each target under its own range, and under that of the image."""
    shared = color_scale(maps, "models")
    rows = []
    for target in targets:
        for scope in SCOPES:
            panels = []
            for variant in variants:
                scale = color_scale(maps, scope, variant, [target]) if scope == "image" else shared
                panels.append(maps.panel(variant, target, scale))
            rows.append(GridRow(target, scope, tuple(panels)))
    return rows


def grid_figure(maps: ImageMaps, trained: str | None, cascade: Randomized) -> Figure:
    """Return the maps of one image, columns being the steps of a cascade, rows targets and scopes.

    Under every map stand its minimum, maximum and sum. A map by its own range has its own colour bar, with
    zero marked; maps under the joint range of all variants and targets share one, at the left of their row.
    """
    steps = [("trained", trained)] if trained is not None else []
    steps += [(step.layer, step.variant_id) for step in cascade.steps]
    targets = maps.results.target_names
    rows = grid_rows(maps, [variant for _, variant in steps], targets)
    width, height = _map_size(rows)
    across = min(len(steps), COLUMNS)
    band = sum(_row_height(row, height) for row in rows) + 40
    starts = range(0, len(steps), COLUMNS)
    sheet = max(MARGIN * 2 + _SIDE + across * (width + _APART), 760)
    canvas = Canvas(sheet, 92 + band * len(starts))
    whence = {"down": "from the head down", "up": "from the patch embedding up"}[str(cascade.direction)]
    title = f"{plain(maps.image_id)}: maps, randomized {whence} (seed {cascade.seed})"
    canvas.text(MARGIN, 16, fit(title, sheet - 2 * MARGIN, 14, bold=True), 14, bold=True)
    said = (
        "Each column randomizes one layer more. Every map is shown by its own minimum and maximum, which "
        "fills its scale however small it is, and under the joint range of all variants and targets of the "
        "image. Red is negative, white zero, blue positive; the line on a colour bar marks zero."
    )
    paragraph(canvas, said, MARGIN, 38, sheet - 2 * MARGIN)
    for place, start in enumerate(starts):
        _draw_band(canvas, rows, steps, start, 92 + band * place, (width, height))
    return canvas.figure


def _draw_band(
    canvas: Canvas,
    rows: Sequence[GridRow],
    steps: Sequence[tuple[str, str]],
    start: int,
    y: int,
    size: tuple[int, int],
) -> None:
    """Draw up to `COLUMNS` steps of all rows."""
    width, height = size
    chosen = range(start, min(start + COLUMNS, len(steps)))
    left = MARGIN + _SIDE
    for column, place in enumerate(chosen):
        name = fit(plain(steps[place][0]), width, 11.5, bold=True)
        canvas.text(left + column * (width + _APART), y, name, 11.5, bold=True)
    y += 20
    for row in rows:
        if row.scope == "image":
            canvas.line(MARGIN, y - 3, canvas.width - MARGIN, y - 3, "#d0d0d0")
        _draw_side(canvas, row, y + 4, height)
        for column, place in enumerate(chosen):
            _draw_map(canvas, row.panels[place], row.scope, left + column * (width + _APART), y + 4, size)
        y += _row_height(row, height)


def _draw_side(canvas: Canvas, row: GridRow, y: int, height: int) -> None:
    canvas.text(MARGIN, y, fit(plain(row.target), _SIDE - 16, 12, bold=True), 12, bold=True)
    shared = next((panel.scale for panel in row.panels if panel.scale), None)
    said = SCOPES[row.scope] if row.scope == "image" or shared is None else shared.label
    for line, text in enumerate(wrap(said, _SIDE - 22, 11, most=3)):
        canvas.text(MARGIN, y + 17 + 14 * line, text, 11)
    if row.scope == "models" and shared is not None:
        draw_bar(canvas.figure, shared, MARGIN, y + max(height - 46, 58), _SIDE - 22)


def _draw_map(canvas: Canvas, panel: Panel, scope: Scope, x: int, y: int, size: tuple[int, int]) -> None:
    width, height = size
    if panel.values is None or panel.scale is None:
        canvas.frame(x, y, width, height, fill="#f3f3f3")
        for line, text in enumerate(wrap(panel.missing or "No map.", width - 12, SMALL, most=5)):
            canvas.text(x + 6, y + 8 + 13 * line, text, SMALL, color=WARN)
    else:
        canvas.image(x, y, panel.scale.paint(panel.values), width, height)
        canvas.frame(x, y, width, height, edge="#c8c8c8")
    y += height + 5
    if scope == "image":
        if panel.scale is not None:
            _bar(canvas, panel.scale, x, y, width)
        y += _BAR
    for name, value in (("min", panel.minimum), ("max", panel.maximum), ("sum", panel.total)):
        if value is not None:
            canvas.text(x, y, f"{name} {number(value)}", SMALL)
        y += 13


def _bar(canvas: Canvas, scale: ColorScale, x: int, y: int, width: int) -> None:
    """Draw a colour bar with zero marked; its ends are the minimum and maximum that stand below."""
    draw_bar(canvas.figure, scale, x, y - 14, width, labels=False)
    zero = x + scale.along_bar(0.0) * width
    canvas.text(min(max(zero, x + 4), x + width - 4), y + BAR + 5, "0", SMALL, align="center")


def _row_height(row: GridRow, height: int) -> int:
    return 4 + height + 5 + (_BAR if row.scope == "image" else 0) + _NUMBERS + 12


def _map_size(rows: Sequence[GridRow]) -> tuple[int, int]:
    """Return width and height of the maps as shown: at twice this size a pixel is a pixel, or more."""
    shapes = (panel.values.shape for row in rows for panel in row.panels if panel.values is not None)
    high, wide = next(shapes, (_SMALLEST, _SMALLEST))
    scale = max(0.5, _SMALLEST / max(wide, 1))
    return round(wide * scale), round(high * scale)
