"""Drawing sheets: a picture with its boxes, facts and numbers, and rows of maps with their colour bars.

Maps are shown at a whole multiple of their size, a pixel as a square of equal pixels. So everything is placed
in pixels, from the top down: what is drawn returns the height where it ends.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform
from numpy.typing import NDArray

from igbatch.reduce.ranges import Scope
from igbatch.report.color.contour import outline, strongest
from igbatch.report.color.style import ColorStyle
from igbatch.report.columns import Table
from igbatch.report.figures.bar import BAR_SPACE, SMALL, draw_bar
from igbatch.report.figures.encoding import as_bytes
from igbatch.report.figures.image_data import DrawnBox, ImageMaps, Panel, Picture
from igbatch.report.figures.layout import Row, Sheet, chosen, scope_sheet, split_targets, statement
from igbatch.report.figures.scales import shown_style
from igbatch.report.figures.typeset import (
    DPI,
    FAINT,
    INK,
    LINE,
    WARN,
    draw_frame,
    draw_image,
    draw_line,
    finish_page,
    fit,
    new_page,
    text_width,
    wrap,
    write,
)
from igbatch.results import StudyResults
from igbatch.text import number, plain

MARGIN, GAP = 18, 20
ALONE = 4
"""Pixels around a map or picture that stands alone."""
_LINES_ALONE = 6  # of numbers and marks below a map that stands alone
SIDE = 176
"""Pixels of the column that says what a row is."""

MAP = 224
"""Pixels of the page that a map is wide, about: a whole multiple of its own."""

MIN_HEADER = 330
MIN_SHEET = 480
MAX_NUMBERS = 10
"""Rows of a table of numbers."""

MAX_MARK_LINES = 6
_MANY = 20  # lines of a paragraph


def figure(
    study: StudyResults,
    image_id: str,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    scope: Scope | None = None,
    **choices: Any,
) -> Figure:
    """Return the report's figure of one image: variants are rows, targets are columns.

    Every map carries its minimum, maximum, sum and scope. The choices are those of `igbatch report --format`
    (docs/figures.md).

    Args:
        study: an opened study.
        image_id: of the study.
        variants: one or several; by default all that the study asks for on this image.
        targets: likewise, all by default; under `pair`, more than two make a row for each pair.
        scope: raw, image, pair, targets, models, variant or dataset: whose range the colours stand for. By
            default pair, and image where the targets have fewer than two classes.
        choices: about colours: regions, rule, percentile, part, level, palette, contour, blur and opacity, as
            of `ColorStyle`; `ends=(vmin, vmax)` sets where colours end. Regions are patches of 8 pixels
            where none are named and the study has their ranges, else pixels.

    Raises:
        InputError: a choice is wrong, or the study has no such image, variant, target or scope.
    """
    style, maps = shown_style(study, ColorStyle.of(**choices)), ImageMaps(study, image_id)
    if scope is None:
        classes, _ = split_targets(maps, chosen(targets, study.target_names, "target"))
        scope = "pair" if len(classes) > 1 else "image"
    return draw_sheet(scope_sheet(maps, scope, variants, targets, style))


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw a sheet."""
    panels = [panel for row in sheet.rows for panel in row.panels]
    size = shown_size(*(panel.values for panel in panels), sheet.picture.pixels)
    left, across = MARGIN + SIDE + GAP, size[0] + GAP
    most = max(len(row.panels) for row in sheet.rows)
    width = max(left + most * across - GAP + MARGIN, MARGIN + across + MIN_HEADER + MARGIN)
    page = new_page(width)
    _draw_picture(page, sheet.picture, size)
    end = _draw_header(page, sheet, MARGIN + across, MARGIN, width - 2 * MARGIN - across)
    y = max(MARGIN + size[1], end) + GAP / 2
    for row in sheet.rows:
        draw_line(page, MARGIN, width - MARGIN, y, "#d0d0d0")
        y += GAP / 2
        ends = [_draw_side(page, row, y)]
        for place, panel in enumerate(row.panels):
            ends.append(draw_panel(page, panel, left + place * across, y, size))
        y = max(ends) + GAP / 2
    return finish_page(page, y + GAP / 2)


def contact_figure(
    title: str, panels: Sequence[Panel], columns: int, style: ColorStyle, contrasts: Collection[str] = ()
) -> Figure:
    """Draw maps in rows of `columns`; above them stand a title, sentences, and how to read the colours.

    Args:
        title: of the page.
        panels: at least one.
        columns: how many maps stand side by side; fewer maps make a narrower page.
        style: what the colours of all maps have in common.
        contrasts: targets that are contrasts, whose ranges are their own.
    """
    sizes = [shown_size(panel.values) for panel in panels]
    wide = max(width for width, _ in sizes)
    across = min(columns, len(panels))
    width = max(2 * MARGIN + across * (wide + GAP) - GAP, MIN_SHEET)
    page, inner = new_page(width), width - 2 * MARGIN
    write(page, MARGIN, MARGIN, title, 15, width=inner, bold=True)
    lines = (*statement(panels, contrasts), style.words["guide"], style.words["choices"])
    y = write(page, MARGIN, MARGIN + 24, lines, SMALL, width=inner, max_lines=_MANY, color=FAINT) + GAP
    for start in range(0, len(panels), across):
        ends = []
        for place, (panel, size) in enumerate(zip(panels[start:][:across], sizes[start:], strict=False)):
            x = MARGIN + place * (wide + GAP)
            write(page, x, y, plain(panel.image_id), SMALL, width=size[0], bold=True)
            write(page, x, y + LINE, plain(panel.variant_id), SMALL, width=size[0], color=FAINT)
            ends.append(draw_panel(page, panel, x, y + 2 * LINE, size))
        y = max(ends) + GAP
    return finish_page(page, y)


def panel_figure(panel: Panel, *, numbers: bool = True) -> Figure:
    """Draw one map as the report's figures do, alone and at one size whatever is said below it.

    Without `numbers` its colour bar has no labels, and below it stand none of its numbers, scope and marks.
    """
    size = shown_size(panel.values)
    page = new_page(size[0] + 2 * ALONE)
    if numbers:
        end = draw_panel(page, panel, ALONE, ALONE, size)
        return finish_page(page, max(end, ALONE + size[1] + BAR_SPACE + _LINES_ALONE * LINE) + ALONE)
    end = _draw_map(page, panel, ALONE, ALONE, size)
    if panel.scale is not None:
        draw_bar(page, panel.scale, ALONE, end, size[0], labels=False)
    return finish_page(page, end + BAR_SPACE + ALONE)


def picture_figure(picture: Picture, *, boxes: bool = True) -> Figure:
    """Draw an image as the report's figures do, alone, with its boxes and their labels or without."""
    size = shown_size(picture.pixels)
    page = new_page(size[0] + 2 * ALONE)
    _draw_picture(page, picture if boxes else replace(picture, boxes=()), size, ALONE)
    return finish_page(page, size[1] + 2 * ALONE)


def shown_size(*arrays: NDArray[np.generic] | None) -> tuple[int, int]:
    """Return the width and height of maps on the page: those of the first one, times a whole number."""
    height, width = next((array.shape[:2] for array in arrays if array is not None), (MAP, MAP))
    scale = max(1, round(MAP / width))
    return width * scale, height * scale


def draw_panel(page: Axes, panel: Panel, x: float, y: float, size: tuple[int, int]) -> float:
    """Draw one map with its target above it; its colour bar, numbers, scope and marks below.

    Returns: the height at which it ends.
    """
    width = size[0]
    if panel.title:
        y = write(page, x, y, panel.title, bold=True, width=width, step=LINE + 4)
    y = _draw_map(page, panel, x, y, size)
    if panel.scale is not None:
        draw_bar(page, panel.scale, x, y, width)
    y += BAR_SPACE
    if panel.total is not None:
        lines = [f"sum {number(panel.total)}"]
        if panel.minimum is not None and panel.maximum is not None:
            lines.insert(0, f"min {number(panel.minimum)}   max {number(panel.maximum)}")
        y = write(page, x, y, lines, SMALL, width=width)
        if panel.scale is not None:
            y = write(page, x, y, panel.scale.words["label"], SMALL, width=width, max_lines=2, color=FAINT)
    marks = [line for mark in panel.marks for line in wrap(f"! {mark}", width, SMALL, max_lines=2)]
    return write(page, x, y, marks[:MAX_MARK_LINES], SMALL, color=WARN)


def _draw_map(page: Axes, panel: Panel, x: float, y: float, size: tuple[int, int]) -> float:
    """Draw the colours of a map, its contour and its boxes; return where its colour bar begins."""
    width, height = size
    if panel.values is None or panel.scale is None:
        draw_absence(page, panel.missing, x, y, size)
    else:
        place = draw_image(page, colors_of(panel), x, y, size)
        _draw_contour(page, panel, width, place)
        _outline(page, panel.boxes, 0.9, place)
    return y + height + 3


def colors_of(panel: Panel) -> NDArray[np.uint8]:
    """Return the colours of a map that has values and a scale, over the photograph where it has one.

    uint8 [H, W, 3]: opacity * colour of the map + (1 - opacity) * photograph.
    """
    assert panel.values is not None
    assert panel.scale is not None
    colors, opacity = panel.scale.paint(panel.values), panel.scale.style.opacity
    if panel.photograph is None:
        return colors
    laid = np.rint(opacity * colors + (1 - opacity) * as_bytes(panel.photograph))
    return np.asarray(laid, dtype=np.uint8)


def place_labels(
    boxes: Sequence[DrawnBox], widths: Sequence[float], size: tuple[int, int], scale: float
) -> list[tuple[float, float]]:
    """Place one label a box: above it, below it, or inside, wherever it covers no earlier label.

    Args:
        boxes: in pixels of the model's input.
        widths: of the labels, in pixels of the figure; they are `LINE` high.
        size: of the picture, in pixels of the figure.
        scale: pixels of the figure for one of the input.

    Returns: upper left corners, in pixels of the figure.
    """
    taken: list[tuple[float, float, float]] = []
    for box, width in zip(boxes, widths, strict=True):
        top, bottom = box.y_min * scale, box.y_max * scale
        lefts = (box.x_min * scale, box.x_max * scale - width)
        tries = [(x, y) for y in (top - LINE - 1, bottom + 1, top + 2, bottom - LINE - 2) for x in lefts]
        most = (max(size[0] - width, 0), max(size[1] - LINE, 0))
        inside = [(x, y) for x, y in np.clip(tries, 0, most).tolist()]
        free = [
            (x, y)
            for x, y in inside
            if all(
                x + width <= left or left + wide <= x or abs(y - other) >= LINE for left, other, wide in taken
            )
        ]
        x, y = next((spot for spot in free if spot in tries), (free or inside)[0])
        taken.append((x, y, width))
    return [(x, y) for x, y, _ in taken]


def _draw_picture(page: Axes, picture: Picture, size: tuple[int, int], margin: int = MARGIN) -> None:
    """Draw an image with its boxes and their labels."""
    if picture.pixels is None:
        draw_absence(page, picture.missing, margin, margin, size)
        return
    place = draw_image(page, as_bytes(picture.pixels), margin, margin, size, "none")
    _outline(page, picture.boxes, 3.0, place, "white")
    _outline(page, picture.boxes, 1.6, place)
    texts = [fit(box.name, 0.6 * size[0], SMALL) for box in picture.boxes]
    widths = [text_width(text, SMALL) + 6 for text in texts]
    spots = place_labels(picture.boxes, widths, size, size[0] / picture.pixels.shape[1])
    for box, text, width, (x, y) in zip(picture.boxes, texts, widths, spots, strict=True):
        draw_frame(page, margin + x, margin + y, (width, LINE), "white", box.color)
        write(page, margin + x + 3, margin + y + 3, text, SMALL, color="white")


def _draw_header(page: Axes, sheet: Sheet, x: float, y: float, width: float) -> float:
    """Write what a figure shows, its numbers, and how to read colours; return the height where it ends."""
    y = write(page, x, y, sheet.title, 15, width=width, bold=True, step=22)
    if sheet.subtitle:
        y = write(page, x, y, sheet.subtitle, 13, width=width, bold=True, color=FAINT, step=20)
    y = write(page, x, y, sheet.facts, width=width, max_lines=_MANY, step=15)
    if sheet.table is not None:
        y = _draw_table(page, sheet.table, x, y + 5, width) + 10
    lines = [sheet.style.words[name] for name in ("guide", "choices")]
    return write(page, x, y + 6, lines, SMALL, width=width, max_lines=_MANY, color=FAINT, step=15)


def _draw_table(page: Axes, table: Table, x: float, y: float, width: float) -> float:
    """Write a table, its head first; columns of numbers are aligned at the right."""
    lines = [table.head, *table.rows[:MAX_NUMBERS]]
    columns = len(table.head) - 1
    longest = max(text_width(cell, 11.5) for line in lines for cell in line[1:]) + 14
    wide = min(max(longest, 66), 0.62 * width / columns)
    first = min(max(text_width(line[0], 11.5) for line in lines) + 14, width - columns * wide)
    for index, (name, *cells) in enumerate(lines):
        color = INK if index else FAINT
        write(page, x, y, name, width=first - 8, color=color)
        for column, cell in enumerate(cells, start=1):
            write(page, x + first + column * wide, y, cell, width=wide - 8, color=color, align="right")
        y += 15 if index else 17
    draw_line(page, x, x + first + columns * wide, y - 15 * len(lines) + 10, "#c8c8c8")
    left_out = len(table.rows) - MAX_NUMBERS
    if left_out > 0:
        y = write(page, x, y, f"{left_out} more in the tables", SMALL, color=FAINT, step=15)
    return y


def _draw_side(page: Axes, row: Row, y: float) -> float:
    """Write what a row is at the left of it; return the height where it ends."""
    y = write(page, MARGIN, y, row.title, 12.5, width=SIDE, max_lines=3, bold=True, step=16) + 4
    y = write(page, MARGIN, y, row.facts, SMALL, width=SIDE, max_lines=_MANY)
    return write(
        page, MARGIN, y, [row.caution] if row.caution else (), SMALL, width=SIDE, max_lines=_MANY, color=WARN
    )


def draw_absence(page: Axes, reason: str, x: float, y: float, size: tuple[float, float]) -> None:
    """Fill the place of a map or picture with the reason why there is none."""
    draw_frame(page, x, y, size, "#9a9a9a", "#f3f3f3")
    most = max(1, int(size[1]) // LINE - 1)
    write(page, x + 10, y + 10, reason or "No map.", SMALL, width=size[0] - 20, max_lines=most, color=WARN)


def _draw_contour(page: Axes, panel: Panel, width: int, place: Transform) -> None:
    """Draw the line around the strongest pixels of a map that has values and a scale, shown at a width.

    Around single pixels it is thinner than one of them, whose colour it would hide.
    """
    assert panel.values is not None
    assert panel.scale is not None
    style = panel.scale.style
    if style.contour:
        line = outline(strongest(panel.values, style.contour, style.part, style.contour_blur))
        thick = (
            1.0 if style.contour_blur or style.size != 1 else min(1.0, 0.4 * width / panel.values.shape[1])
        )
        _stroke(page, line, thick, style.colors.line, place)


def _outline(page: Axes, boxes: Sequence[DrawnBox], thick: float, place: Transform, color: str = "") -> None:
    for box in boxes:
        corners = Affine2D.from_values(
            box.x_max - box.x_min, 0, 0, box.y_max - box.y_min, box.x_min, box.y_min
        )
        _stroke(page, Path.unit_rectangle().transformed(corners), thick, color or box.color, place)


def _stroke(page: Axes, line: Path, thick: float, color: str, place: Transform) -> None:
    """Draw a line whose thickness is in pixels."""
    page.add_artist(PathPatch(line, fill=False, ec=color, lw=thick * 72 / DPI, transform=place))
