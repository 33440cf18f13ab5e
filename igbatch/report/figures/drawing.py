"""Drawing pictures, maps and colour bars onto a canvas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from numpy.typing import NDArray

from igbatch.report.color.contour import outline, strongest
from igbatch.report.color.scale import ColorScale
from igbatch.report.figures.bar import lay_out
from igbatch.report.figures.canvas import DPI, FAINT, INK, WARN, Canvas, fit, text_width, wrap
from igbatch.report.figures.image_data import Box, Panel, Picture
from igbatch.report.figures.labels import place_labels
from igbatch.report.text import number, plain

SMALL = 10.5
LINE = 14
BAR_HEIGHT = 10
_UNDER_MAP = 3 + 14 + BAR_HEIGHT + 4 + 11 + 13 + 7
_MOST_MARKS = 3


def panel_height(panel: Panel, width: int, height: int) -> int:
    """Return the height in pixels of a panel whose map is shown at `width` x `height`."""
    lines = 2 + len(_label_lines(panel, width)) + len(_mark_lines(panel, width))
    return LINE + 4 + height + _UNDER_MAP + LINE * lines


def _label_lines(panel: Panel, width: int) -> list[str]:
    """Return the normalization in words, and the rule where one is named with it; one empty line at least."""
    return [""] if panel.scale is None else wrap(panel.scale.label, width, SMALL, most=2)


def draw_panel(
    canvas: Canvas, panel: Panel, x: int, y: int, width: int, height: int, boxes: Sequence[Box]
) -> None:
    """Draw one map with its target above it; its colour bar, numbers, normalization and marks below."""
    canvas.text(x, y, fit(plain(panel.target), width, 11.5, bold=True), bold=True)
    y += LINE + 4
    if panel.values is None or panel.scale is None:
        _placeholder(canvas, panel.missing, x, y, width, height)
    else:
        axes = canvas.image(x, y, colors_of(panel), width, height)
        _contour(axes, panel, width)
        _outline(axes, boxes, 0.9)
        canvas.frame(x, y, width, height, edge="#c8c8c8")
    y += height + 3
    if panel.scale is not None:
        draw_bar(canvas, panel.scale, x, y, width)
    y += _UNDER_MAP - 3
    if panel.minimum is not None and panel.maximum is not None and panel.total is not None:
        lines = [f"min {number(panel.minimum)}   max {number(panel.maximum)}", f"sum {number(panel.total)}"]
        for text in lines:
            canvas.text(x, y, fit(text, width, SMALL), SMALL)
            y += LINE
        for text in _label_lines(panel, width):
            canvas.text(x, y, text, SMALL, color=FAINT)
            y += LINE
    for text in _mark_lines(panel, width):
        canvas.text(x, y, text, SMALL, color=WARN)
        y += LINE


def colors_of(panel: Panel) -> NDArray[np.uint8]:
    """Return the colours of a map that has values and a scale, over the photograph where it has one.

    uint8 [H, W, 3]: opacity * colour of the map + (1 - opacity) * photograph.
    """
    assert panel.values is not None
    assert panel.scale is not None
    colors, opacity = panel.scale.paint(panel.values), panel.scale.look.opacity
    if panel.photograph is None:
        return colors
    laid: NDArray[np.uint8] = np.rint(opacity * colors + (1 - opacity) * _bytes(panel.photograph)).astype(
        np.uint8
    )
    return laid


def draw_bar(canvas: Canvas, scale: ColorScale, x: int, y: int, width: int) -> None:
    """Draw a colour bar with its labels: normalized above, raw below, zero marked by a line."""
    bar = lay_out(scale, width)
    top = y + 14
    canvas.image(x, top, bar.colors, width, BAR_HEIGHT)
    canvas.frame(x, top, width, BAR_HEIGHT)
    for tick in bar.above:
        _label(canvas, tick.text, x, tick.at, width, y + 1, FAINT)
    zero = x + bar.zero * width
    canvas.line(zero, top - 3, zero, top + BAR_HEIGHT + 4, INK, 1.2)
    below = top + BAR_HEIGHT + 6
    _label(canvas, "0", x, bar.zero, width, below, INK)
    for tick in bar.below:
        _label(canvas, tick.text, x, tick.at, width, below + 12, INK)


def draw_picture(canvas: Canvas, picture: Picture, x: int, y: int, width: int, height: int) -> None:
    """Draw an image with its boxes and their labels."""
    if picture.pixels is None:
        _placeholder(canvas, picture.missing, x, y, width, height)
        return
    colors = _bytes(picture.pixels)
    axes = canvas.image(x, y, colors, width, height)
    _outline(axes, picture.boxes, 3.0, "white")
    _outline(axes, picture.boxes, 1.6)
    texts = [fit(box.name, 0.6 * width, SMALL) for box in picture.boxes]
    widths = [text_width(text, SMALL) + 6 for text in texts]
    spots = place_labels(picture.boxes, widths, LINE, (width, height), width / colors.shape[1])
    for box, text, size, spot in zip(picture.boxes, texts, widths, spots, strict=True):
        canvas.frame(x + spot.x, y + spot.y, size, LINE, fill=box.color, edge="white")
        canvas.text(x + spot.x + 3, y + spot.y + 3, text, SMALL, color="white")


def _bytes(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a picture in 0..1 as bytes."""
    colors: NDArray[np.uint8] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return colors


def _contour(axes: Axes, panel: Panel, width: int) -> None:
    """Draw the line around the strongest pixels of a map that has values and a scale, shown at a width.

    Around single pixels it is thinner than one of them, whose colour it would hide.
    """
    assert panel.values is not None
    assert panel.scale is not None
    look = panel.scale.look
    if look.contour:
        line = outline(strongest(panel.values, look.contour, look.part, look.blur))
        pixels = 1.0 if look.blur else min(1.0, 0.4 * width / panel.values.shape[1])
        axes.add_patch(PathPatch(line, fill=False, edgecolor=look.colors.line, linewidth=pixels * 72 / DPI))


def _outline(axes: Axes, boxes: Sequence[Box], width: float, color: str | None = None) -> None:
    for box in boxes:
        axes.add_patch(
            Rectangle(
                (box.x_min, box.y_min),
                box.x_max - box.x_min,
                box.y_max - box.y_min,
                fill=False,
                edgecolor=color or box.color,
                linewidth=width * 72 / DPI,
            )
        )


def _label(canvas: Canvas, text: str, x: float, at: float, width: int, y: float, color: str) -> None:
    """Write a label centred at its place along the bar, but not beyond the bar's ends."""
    half = text_width(text, SMALL) / 2
    centre = min(max(at * width, half), width - half)
    canvas.text(x + centre, y, text, SMALL, color=color, align="center")


def _placeholder(canvas: Canvas, reason: str, x: int, y: int, width: int, height: int) -> None:
    canvas.frame(x, y, width, height, fill="#f3f3f3")
    for index, text in enumerate(
        wrap(reason or "No map.", width - 20, SMALL, most=max(1, height // LINE - 1))
    ):
        canvas.text(x + 10, y + 10 + LINE * index, text, SMALL, color=WARN)


def _mark_lines(panel: Panel, width: int) -> list[str]:
    return [line for mark in panel.marks for line in wrap(f"! {mark}", width, SMALL, most=2)][
        : 2 * _MOST_MARKS
    ]
