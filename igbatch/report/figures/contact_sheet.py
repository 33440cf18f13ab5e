"""Contact sheets: maps of many images side by side, each with its numbers below, as `imgify`'s grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from igbatch.report.color.style import Look
from igbatch.report.figures.canvas import FAINT, Canvas, fit, wrap
from igbatch.report.figures.drawing import LINE, SMALL, draw_panel, panel_height
from igbatch.report.figures.image_data import Box, Panel
from igbatch.report.text import plain

MARGIN, GAP = 18, 20
MAP = 224
"""Pixels of the page that a map is wide, about: a whole multiple of its own."""

_HEAD = 2 * LINE
_NARROWEST = 480


@dataclass(frozen=True)
class Cell:
    """One map of a contact sheet, with the image that it is of and that image's boxes."""

    image_id: str
    panel: Panel
    boxes: tuple[Box, ...]


def contact_figure(
    title: str, said: Sequence[str], cells: Sequence[Cell], columns: int, look: Look
) -> Figure:
    """Draw maps in rows of `columns`; above them stand a title, sentences, and how to read the colours.

    Args:
        title: of the page.
        said: of the normalization that the maps are under.
        cells: at least one.
        columns: how many maps stand side by side; fewer cells make a narrower page.
        look: what the colours of all maps have in common.
    """
    sizes = [_size(cell.panel) for cell in cells]
    wide = max(width for width, _ in sizes)
    across = min(columns, len(cells))
    width = max(2 * MARGIN + across * (wide + GAP) - GAP, _NARROWEST)
    room = width - 2 * MARGIN
    texts = (*said, look.guide, look.choices)
    lines = [line for text in texts if text for line in wrap(text, room, SMALL)]
    heights = [_HEAD + panel_height(cell.panel, *size) for cell, size in zip(cells, sizes, strict=True)]
    bands = [max(heights[start : start + across]) for start in range(0, len(cells), across)]
    top = MARGIN + 24 + LINE * len(lines) + GAP
    canvas = Canvas(width, top + sum(bands) + GAP * len(bands))
    canvas.text(MARGIN, MARGIN, fit(title, room, 15, bold=True), 15, bold=True)
    for place, line in enumerate(lines):
        canvas.text(MARGIN, MARGIN + 24 + LINE * place, line, SMALL, color=FAINT)
    for place, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
        row, column = divmod(place, across)
        _draw(canvas, cell, MARGIN + column * (wide + GAP), top + sum(bands[:row]) + GAP * row, size)
    return canvas.figure


def _draw(canvas: Canvas, cell: Cell, x: int, y: int, size: tuple[int, int]) -> None:
    width = size[0]
    canvas.text(x, y, fit(plain(cell.image_id), width, SMALL, bold=True), SMALL, bold=True)
    canvas.text(x, y + LINE, fit(plain(cell.panel.variant_id), width, SMALL), SMALL, color=FAINT)
    draw_panel(canvas, cell.panel, x, y + _HEAD, *size, cell.boxes)


def _size(panel: Panel) -> tuple[int, int]:
    """Return width and height of a map on the page."""
    if panel.values is None:
        return MAP, MAP
    rows, columns = panel.values.shape
    scale = max(1, round(MAP / columns))
    return columns * scale, rows * scale
