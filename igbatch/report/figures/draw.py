"""Drawing a sheet: the picture with its boxes, facts and numbers, and rows of maps with their colour bars.

Maps are shown at a whole multiple of their size, a pixel as a square of equal pixels. So every size is known
in pixels beforehand: the parts are subfigures of fixed heights, and what a part takes is found by laying it
out without a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from numpy.typing import NDArray

from igbatch.reduce.ranges import Scope
from igbatch.report.color.contour import outline, strongest
from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.bar import BAR_SPACE, SMALL, draw_bar
from igbatch.report.figures.image_data import Box, ImageMaps, Panel, Picture
from igbatch.report.figures.layout import Row, Sheet, scope_sheet
from igbatch.report.figures.typeset import (
    DPI,
    FAINT,
    INK,
    WARN,
    AnyFigure,
    axes_at,
    bands,
    finish,
    fit,
    new_figure,
    text_width,
    wrap,
    write,
)
from igbatch.report.text import number, plain
from igbatch.results import StudyResults

MARGIN, GAP = 18, 20
LINE = 14
SIDE = 176
"""Pixels of the column that says what a row is."""

MAP = 224
"""Pixels of the page that a map is wide, about: a whole multiple of its own."""

MIN_HEADER = 330
MAX_NUMBERS = 10
"""Rows of a table of numbers."""

MAX_MARK_LINES = 6


def figure(
    study: StudyResults,
    image_id: str,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    scope: Scope = "pair",
    **choices: Any,
) -> Figure:
    """Return the report's figure of one image: variants are rows, targets are columns.

    Every map carries its minimum, maximum, sum and scope. The choices are those of `igbatch report --format`
    (docs/figures.md).

    Args:
        study: an opened study.
        image_id: of the study.
        variants: by default all that the study asks for on this image.
        targets: all by default; under `pair`, more than two make a row for each pair.
        scope: raw, image, pair, targets, models, variant or dataset: whose range the colours stand for.
        choices: about colours: rule, percentile, part, level, palette, contour, blur and opacity, as of
            `ColorStyle`; `ends=(vmin, vmax)` sets where colours end.

    Raises:
        InputError: a choice is wrong, or the study has no such image, variant, target or scope.
    """
    style = ColorStyle.of(**choices)
    return draw_sheet(scope_sheet(ImageMaps(study, image_id), scope, variants, targets, style))


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw a sheet."""
    panels = [panel for row in sheet.rows for panel in row.panels]
    size = shown_size(*(panel.values for panel in panels), sheet.picture.pixels)
    left, across = MARGIN + SIDE + GAP, size[0] + GAP
    most = max(len(row.panels) for row in sheet.rows)
    width = max(left + most * across - GAP + MARGIN, MARGIN + across + MIN_HEADER + MARGIN)
    head = width - 2 * MARGIN - across
    heights = [MARGIN + max(size[1], _draw_header(None, sheet, 0, 0, head)) + GAP / 2]
    for row in sheet.rows:
        tallest = max(draw_panel(None, panel, 0, 0, size) for panel in row.panels)
        heights.append(GAP / 2 + max(_draw_side(None, row, 0), tallest) + GAP / 2)
    figure = new_figure(width, sum(heights) + GAP / 2)
    top, *others, _ = bands(figure, [*heights, GAP / 2])
    _draw_picture(top, sheet.picture, size)
    _draw_header(top, sheet, MARGIN + across, MARGIN, head)
    for band, row in zip(others, sheet.rows, strict=True):
        _draw_line(band, MARGIN, 0, width - MARGIN, "#d0d0d0")
        _draw_side(band, row, GAP / 2)
        for place, panel in enumerate(row.panels):
            draw_panel(band, panel, left + place * across, GAP / 2, size)
    return finish(figure)


def shown_size(*arrays: NDArray[np.generic] | None, about: int = MAP) -> tuple[int, int]:
    """Return the width and height of maps on the page: those of the first one, times a whole number."""
    height, width = next((array.shape[:2] for array in arrays if array is not None), (about, about))
    scale = max(1, round(about / width))
    return width * scale, height * scale


def draw_panel(figure: AnyFigure | None, panel: Panel, x: float, y: float, size: tuple[int, int]) -> float:
    """Draw one map with its target above it; its colour bar, numbers, scope and marks below.

    Returns the height at which it ends; without a figure, that is all.
    """
    width, height = size
    y = write(figure, x, y, fit(plain(panel.target), width, 11.5, bold=True), bold=True, step=LINE + 4)
    if figure is not None and (panel.values is None or panel.scale is None):
        draw_absence(figure, panel.missing, x, y, size)
    elif figure is not None:
        axes = draw_image(figure, colors_of(panel), x, y, size)
        _draw_contour(axes, panel, width)
        _outline(axes, panel.boxes, 0.9)
    y += height + 3
    if figure is not None and panel.scale is not None:
        draw_bar(figure, panel.scale, x, y, width)
    y += BAR_SPACE
    if panel.minimum is not None and panel.maximum is not None and panel.total is not None:
        ends = f"min {number(panel.minimum)}   max {number(panel.maximum)}"
        numbers = [fit(text, width, SMALL) for text in (ends, f"sum {number(panel.total)}")]
        label = [] if panel.scale is None else wrap(panel.scale.label, width, SMALL, most=2)
        y = write(figure, x, y, numbers, SMALL, step=LINE)
        y = write(figure, x, y, label, SMALL, step=LINE, color=FAINT)
    marks = [line for mark in panel.marks for line in wrap(f"! {mark}", width, SMALL, most=2)]
    return write(figure, x, y, marks[:MAX_MARK_LINES], SMALL, step=LINE, color=WARN)


def colors_of(panel: Panel) -> NDArray[np.uint8]:
    """Return the colours of a map that has values and a scale, over the photograph where it has one.

    uint8 [H, W, 3]: opacity * colour of the map + (1 - opacity) * photograph.
    """
    assert panel.values is not None
    assert panel.scale is not None
    colors, opacity = panel.scale.paint(panel.values), panel.scale.style.opacity
    if panel.photograph is None:
        return colors
    laid: NDArray[np.uint8] = np.rint(opacity * colors + (1 - opacity) * _bytes(panel.photograph)).astype(
        np.uint8
    )
    return laid


def draw_image(
    figure: AnyFigure, colors: NDArray[np.uint8], x: float, y: float, size: tuple[float, float]
) -> Axes:
    """Show colours [H, W, 3], unsmoothed; coordinates of the axes are pixel edges.

    Formats of vectors hold the colours as they are, a pixel a value.
    """
    axes = axes_at(figure, x, y, *size)
    rows, columns = colors.shape[:2]
    axes.imshow(colors, interpolation="none", aspect="auto", extent=(0, columns, rows, 0))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#c8c8c8", linewidth=0.6)
    return axes


def place_labels(
    boxes: Sequence[Box], widths: Sequence[float], size: tuple[int, int], scale: float
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
        heights = (top - LINE - 1, bottom + 1, top + 2, bottom - LINE - 2)
        lefts = (box.x_min * scale, box.x_max * scale - width)
        tries = [(x, y) for y in heights for x in lefts]
        inside = [(_within(x, size[0] - width), _within(y, size[1] - LINE)) for x, y in tries]
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


def _within(value: float, most: float) -> float:
    return min(max(value, 0), max(most, 0))


def _draw_picture(figure: AnyFigure, picture: Picture, size: tuple[int, int]) -> None:
    """Draw an image with its boxes and their labels."""
    if picture.pixels is None:
        draw_absence(figure, picture.missing, MARGIN, MARGIN, size)
        return
    axes = draw_image(figure, _bytes(picture.pixels), MARGIN, MARGIN, size)
    axes.spines[:].set_visible(False)
    _outline(axes, picture.boxes, 3.0, "white")
    _outline(axes, picture.boxes, 1.6)
    texts = [fit(box.name, 0.6 * size[0], SMALL) for box in picture.boxes]
    widths = [text_width(text, SMALL) + 6 for text in texts]
    scale = size[0] / picture.pixels.shape[1]
    spots = place_labels(picture.boxes, widths, size, scale)
    for box, text, width, (x, y) in zip(picture.boxes, texts, widths, spots, strict=True):
        corner, extent = (x / scale, y / scale), (width / scale, LINE / scale)
        axes.add_patch(Rectangle(corner, *extent, facecolor=box.color, edgecolor="white", linewidth=0.6))
        write(figure, MARGIN + x + 3, MARGIN + y + 3, text, SMALL, color="white")


def _draw_header(figure: AnyFigure | None, sheet: Sheet, x: float, y: float, width: float) -> float:
    """Write what a figure shows, its numbers, and how to read colours; return the height where it ends."""
    y = write(figure, x, y, fit(sheet.title, width, 15, bold=True), 15, bold=True, step=22)
    if sheet.subtitle:
        subtitle = fit(sheet.subtitle, width, 13, bold=True)
        y = write(figure, x, y, subtitle, 13, bold=True, color=FAINT, step=20)
    for fact in sheet.facts:
        y = write(figure, x, y, wrap(fact, width, 11.5), step=15)
    if sheet.table is not None:
        y = _draw_table(figure, [sheet.table.head, *sheet.table.rows], x, y + 5, width) + 10
    y += 6
    for text in (sheet.style.guide, sheet.style.choices):
        y = write(figure, x, y, wrap(text, width, SMALL), SMALL, color=FAINT, step=15)
    return y


def _draw_table(
    figure: AnyFigure | None, lines: Sequence[Sequence[str]], x: float, y: float, width: float
) -> float:
    """Write a table, its head first; columns of numbers are aligned at the right."""
    left_out = len(lines) - 1 - MAX_NUMBERS
    lines = lines[: MAX_NUMBERS + 1]
    columns = len(lines[0]) - 1
    longest = max(text_width(cell, 11.5) for line in lines for cell in line[1:]) + 14
    wide = min(max(longest, 66), 0.62 * width / columns)
    first = min(max(text_width(line[0], 11.5) for line in lines) + 14, width - columns * wide)
    for index, (name, *cells) in enumerate(lines):
        color = FAINT if index == 0 else INK
        write(figure, x, y, fit(name, first - 8, 11.5), color=color)
        for column, cell in enumerate(cells, start=1):
            text = fit(cell, wide - 8, 11.5)
            write(figure, x + first + column * wide, y, text, color=color, align="right")
        y += 15
        if index == 0:
            if figure is not None:
                _draw_line(figure, x, y - 3, x + first + columns * wide, "#c8c8c8")
            y += 2
    return write(
        figure, x, y, [f"{left_out} more in the tables"][: max(left_out, 0)], SMALL, color=FAINT, step=15
    )


def _draw_side(figure: AnyFigure | None, row: Row, y: float) -> float:
    """Write what a row is at the left of it; return the height where it ends."""
    title = wrap(row.title, SIDE, 12.5, most=3, bold=True)
    y = write(figure, MARGIN, y, title, 12.5, bold=True, step=16) + 4
    for text, color in (*((fact, INK) for fact in row.facts), (row.caution, WARN)):
        y = write(figure, MARGIN, y, wrap(text, SIDE, SMALL) if text else (), SMALL, color=color, step=LINE)
    return y


def _draw_line(figure: AnyFigure, x0: float, y: float, x1: float, color: str) -> None:
    wide, level = figure.bbox.width, 1 - y / figure.bbox.height
    line = Line2D([x0 / wide, x1 / wide], [level, level], color=color, linewidth=72 / DPI)
    line.set_transform(figure.transSubfigure)
    figure.add_artist(line)


def draw_absence(figure: AnyFigure, reason: str, x: float, y: float, size: tuple[float, float]) -> None:
    """Fill the place of a map or picture with the reason why there is none."""
    axes = axes_at(figure, x, y, *size)
    axes.set(xticks=[], yticks=[], facecolor="#f3f3f3")
    axes.spines[:].set(color="#9a9a9a", linewidth=0.6)
    lines = wrap(reason or "No map.", size[0] - 20, SMALL, most=max(1, int(size[1]) // LINE - 1))
    write(figure, x + 10, y + 10, lines, SMALL, step=LINE, color=WARN)


def _draw_contour(axes: Axes, panel: Panel, width: int) -> None:
    """Draw the line around the strongest pixels of a map that has values and a scale, shown at a width.

    Around single pixels it is thinner than one of them, whose colour it would hide.
    """
    assert panel.values is not None
    assert panel.scale is not None
    style = panel.scale.style
    if style.contour:
        line = outline(strongest(panel.values, style.contour, style.part, style.blur))
        pixels = 1.0 if style.blur else min(1.0, 0.4 * width / panel.values.shape[1])
        axes.add_patch(PathPatch(line, fill=False, edgecolor=style.colors.line, linewidth=pixels * 72 / DPI))


def _outline(axes: Axes, boxes: Sequence[Box], width: float, color: str | None = None) -> None:
    for box in boxes:
        corner, size = (box.x_min, box.y_min), (box.x_max - box.x_min, box.y_max - box.y_min)
        edge = color or box.color
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=edge, linewidth=width * 72 / DPI))


def _bytes(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a picture in 0..1 as bytes."""
    colors: NDArray[np.uint8] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return colors
