"""Contact sheets: maps of many images side by side, each with its numbers below, as `imgify`'s grid."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.bar import SMALL
from igbatch.report.figures.draw import GAP, LINE, MARGIN, draw_panel, shown_size
from igbatch.report.figures.image_data import Panel
from igbatch.report.figures.typeset import FAINT, bands, finish, fit, new_figure, wrap, write
from igbatch.report.text import plain

_MIN_WIDTH = 480


def contact_figure(
    title: str, facts: Sequence[str], panels: Sequence[Panel], columns: int, style: ColorStyle
) -> Figure:
    """Draw maps in rows of `columns`; above them stand a title, sentences, and how to read the colours.

    Args:
        title: of the page.
        facts: of the scope that the maps are under.
        panels: at least one.
        columns: how many maps stand side by side; fewer maps make a narrower page.
        style: what the colours of all maps have in common.
    """
    sizes = [shown_size(panel.values) for panel in panels]
    wide = max(width for width, _ in sizes)
    across = min(columns, len(panels))
    width = max(2 * MARGIN + across * (wide + GAP) - GAP, _MIN_WIDTH)
    room = width - 2 * MARGIN
    lines = [line for text in (*facts, style.guide, style.choices) for line in wrap(text, room, SMALL)]
    ends = [draw_panel(None, panel, 0, 2 * LINE, size) for panel, size in zip(panels, sizes, strict=True)]
    heights = [max(ends[start : start + across]) + GAP for start in range(0, len(panels), across)]
    head = MARGIN + 24 + LINE * len(lines) + GAP
    figure = new_figure(width, head + sum(heights))
    top, *rows = bands(figure, [head, *heights])
    write(top, MARGIN, MARGIN, fit(title, room, 15, bold=True), 15, bold=True)
    write(top, MARGIN, MARGIN + 24, lines, SMALL, color=FAINT, step=LINE)
    for place, (panel, size) in enumerate(zip(panels, sizes, strict=True)):
        x, part = MARGIN + place % across * (wide + GAP), rows[place // across]
        write(part, x, 0, fit(plain(panel.image_id), size[0], SMALL, bold=True), SMALL, bold=True)
        write(part, x, LINE, fit(plain(panel.variant_id), size[0], SMALL), SMALL, color=FAINT)
        draw_panel(part, panel, x, 2 * LINE, size)
    return finish(figure)
