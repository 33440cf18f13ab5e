"""Contact sheets: maps of many images side by side, each with its numbers below, as `imgify`'s grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.bar import SMALL
from igbatch.report.figures.draw import GAP, LINE, MARGIN, draw_panel, shown_size
from igbatch.report.figures.image_data import Box, Panel
from igbatch.report.figures.typeset import FAINT, bands, finish, fit, new_figure, wrap, write
from igbatch.report.text import plain

_MIN_WIDTH = 480


@dataclass(frozen=True)
class Cell:
    """One map of a contact sheet, with the image that it is of and that image's boxes."""

    image_id: str
    panel: Panel
    boxes: tuple[Box, ...]


def contact_figure(
    title: str, facts: Sequence[str], cells: Sequence[Cell], columns: int, style: ColorStyle
) -> Figure:
    """Draw maps in rows of `columns`; above them stand a title, sentences, and how to read the colours.

    Args:
        title: of the page.
        facts: of the scope that the maps are under.
        cells: at least one.
        columns: how many maps stand side by side; fewer cells make a narrower page.
        style: what the colours of all maps have in common.
    """
    sizes = [shown_size(cell.panel.values) for cell in cells]
    wide = max(width for width, _ in sizes)
    across = min(columns, len(cells))
    width = max(2 * MARGIN + across * (wide + GAP) - GAP, _MIN_WIDTH)
    room = width - 2 * MARGIN
    lines = [line for text in (*facts, style.guide, style.choices) for line in wrap(text, room, SMALL)]
    ends = [draw_panel(None, cell.panel, 0, 2 * LINE, size) for cell, size in zip(cells, sizes, strict=True)]
    heights = [max(ends[start : start + across]) + GAP for start in range(0, len(cells), across)]
    head = MARGIN + 24 + LINE * len(lines) + GAP
    figure = new_figure(width, head + sum(heights))
    top, *rows = bands(figure, [head, *heights])
    write(top, MARGIN, MARGIN, fit(title, room, 15, bold=True), 15, bold=True)
    write(top, MARGIN, MARGIN + 24, lines, SMALL, color=FAINT, step=LINE)
    for place, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
        x, part = MARGIN + place % across * (wide + GAP), rows[place // across]
        write(part, x, 0, fit(plain(cell.image_id), size[0], SMALL, bold=True), SMALL, bold=True)
        write(part, x, LINE, fit(plain(cell.panel.variant_id), size[0], SMALL), SMALL, color=FAINT)
        draw_panel(part, cell.panel, x, 2 * LINE, size, cell.boxes)
    return finish(figure)
