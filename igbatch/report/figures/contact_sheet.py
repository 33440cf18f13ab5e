"""Contact sheets: maps of many images side by side, each with its numbers below, as `imgify`'s grid."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.bar import SMALL
from igbatch.report.figures.draw import GAP, MARGIN, draw_panel, shown_size
from igbatch.report.figures.image_data import Panel
from igbatch.report.figures.layout import statement
from igbatch.report.figures.typeset import FAINT, LINE, finish_page, new_page, write
from igbatch.report.text import plain

_MIN_WIDTH = 480


def contact_figure(title: str, panels: Sequence[Panel], columns: int, style: ColorStyle) -> Figure:
    """Draw maps in rows of `columns`; above them stand a title, sentences, and how to read the colours.

    Args:
        title: of the page.
        panels: at least one.
        columns: how many maps stand side by side; fewer maps make a narrower page.
        style: what the colours of all maps have in common.
    """
    sizes = [shown_size(panel.values) for panel in panels]
    wide = max(width for width, _ in sizes)
    across = min(columns, len(panels))
    width = max(2 * MARGIN + across * (wide + GAP) - GAP, _MIN_WIDTH)
    page, room = new_page(width), width - 2 * MARGIN
    write(page, MARGIN, MARGIN, title, 15, width=room, bold=True)
    said = (*statement(panels), style.words["guide"], style.words["choices"])
    y = write(page, MARGIN, MARGIN + 24, said, SMALL, width=room, most=20, color=FAINT) + GAP
    for start in range(0, len(panels), across):
        ends = []
        for place, (panel, size) in enumerate(zip(panels[start:][:across], sizes[start:], strict=False)):
            x = MARGIN + place * (wide + GAP)
            write(page, x, y, plain(panel.image_id), SMALL, width=size[0], bold=True)
            write(page, x, y + LINE, plain(panel.variant_id), SMALL, width=size[0], color=FAINT)
            ends.append(draw_panel(page, panel, x, y + 2 * LINE, size))
        y = max(ends) + GAP
    return finish_page(page, y)
