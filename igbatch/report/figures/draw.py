"""Figures of one image for print and screen: the seed's sequence, all variants, pairs of targets."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from igbatch.report.color.scope import Normalizations
from igbatch.report.color.style import DEFAULT, Look
from igbatch.report.figures.canvas import INK, WARN, Canvas, wrap
from igbatch.report.figures.drawing import LINE, SMALL, draw_panel, draw_picture, panel_height
from igbatch.report.figures.header import Header
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.sheets import Row, Sheet, overview_sheet, seed_sheet
from igbatch.results import StudyResults

MARGIN = 18
SIDE = 176  # width of the column that says what a row is
GAP = 20
SMALLEST_MAP = 224
SMALLEST_HEADER = 330


def figure(
    study: StudyResults,
    image_id: str,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    scope: str = "pair",
    *,
    rule: str | None = None,
    percentile: float | None = None,
    ends: tuple[float, float] | None = None,
    part: str = "signed",
    level: float = 1.0,
    palette: str = "red-white-blue",
    contour: float = 0.0,
    blur: int = 4,
    opacity: float = 1.0,
) -> Figure:
    """Return the report's figure of one image: variants are rows, targets are columns.

    Every map carries its minimum, maximum, sum and normalization. The choices are those of
    `igbatch report --format` (docs/figures.md).

    Args:
        study: an opened study.
        image_id: of the study.
        variants: by default all that the study asks for on this image.
        targets: all by default; under `pair`, more than two make a row for each pair.
        scope: raw, image, pair, targets, models, variant or dataset: whose range the colours stand for.
        rule: symmetric (default), min-max, percentile or fixed: how the range becomes the ends.
        percentile: of |a|, 90 to 100, where the colours end; 99 by default, under the rule `percentile`.
        ends: where the colours end, in units of the output; this is the rule `fixed`.
        part: signed, positive, negative or absolute.
        level: 1 to 20; at 2 the end colour is reached at half of the range.
        palette: red-white-blue, orange-white-purple, brown-white-teal or gray.
        contour: a line around the strongest so many percent of a map's pixels.
        blur: pixels around each that its strength for the contour is averaged over, 0 to 16.
        opacity: of the map over the photograph, 0 to 1.

    Raises:
        InputError: a choice is wrong, or the study has no such image, variant or target.
    """
    lines = {"contour": contour, "blur": blur}
    colors = {"part": part, "level": level, "palette": palette, "opacity": opacity}
    look = Look.of(rule=rule, percentile=percentile, ends=ends, **lines, **colors)
    maps = ImageMaps(study, image_id)
    return draw_sheet(overview_sheet(maps, Normalizations(study), scope, variants, targets, look))


def seed_figure(
    results: StudyResults,
    image_id: str,
    variant_id: str,
    targets: Sequence[str] | None = None,
    look: Look = DEFAULT,
) -> Figure:
    """Return one image and variant raw, normalized map by map, jointly, and jointly over the study.

    Targets are columns. The joint range is that of the pair, or of all targets where there are more than two.

    Raises:
        InputError: the study has no such variant or target.
    """
    maps = ImageMaps(results, image_id)
    return draw_sheet(seed_sheet(maps, Normalizations(results), variant_id, targets, look))


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw a sheet; maps are shown at a whole multiple of their size."""
    columns, rows = _map_size(sheet)
    scale = max(1, round(SMALLEST_MAP / columns))
    wide, high = columns * scale, rows * scale
    across = max(len(row.panels) for row in sheet.rows)
    width = max(
        MARGIN * 2 + SIDE + GAP + across * (wide + GAP) - GAP, MARGIN * 2 + wide + GAP + SMALLEST_HEADER
    )
    header = Header(sheet, MARGIN + wide + GAP, width - 2 * MARGIN - wide - GAP)
    top = MARGIN + max(high, header.height) + GAP
    heights = [
        max(_side_height(row), *(panel_height(p, wide, high) for p in row.panels)) for row in sheet.rows
    ]
    canvas = Canvas(width, top + sum(heights) + GAP * len(heights))
    draw_picture(canvas, sheet.picture, MARGIN, MARGIN, wide, high)
    header.draw(canvas, MARGIN)
    for row, height in zip(sheet.rows, heights, strict=True):
        canvas.line(MARGIN, top - GAP / 2, width - MARGIN, top - GAP / 2, "#d0d0d0")
        _draw_side(canvas, row, top)
        for index, panel in enumerate(row.panels):
            x = MARGIN + SIDE + GAP + index * (wide + GAP)
            draw_panel(canvas, panel, x, top, wide, high, sheet.picture.boxes)
        top += height + GAP
    return canvas.figure


def _map_size(sheet: Sheet) -> tuple[int, int]:
    """Return width and height of the maps, or of the picture where there is no map."""
    for row in sheet.rows:
        for panel in row.panels:
            if panel.values is not None:
                return panel.values.shape[1], panel.values.shape[0]
    if sheet.picture.pixels is not None:
        return sheet.picture.pixels.shape[1], sheet.picture.pixels.shape[0]
    return SMALLEST_MAP, SMALLEST_MAP


def _side_lines(row: Row) -> list[tuple[str, str]]:
    texts = [(text, INK) for text in row.facts] + [(row.caution, WARN)]
    return [(line, color) for text, color in texts if text for line in wrap(text, SIDE, SMALL)]


def _side_height(row: Row) -> int:
    return 16 * len(wrap(row.title, SIDE, 12.5, most=3, bold=True)) + LINE * len(_side_lines(row)) + 4


def _draw_side(canvas: Canvas, row: Row, y: int) -> None:
    for text in wrap(row.title, SIDE, 12.5, most=3, bold=True):
        canvas.text(MARGIN, y, text, 12.5, bold=True)
        y += 16
    y += 4
    for text, color in _side_lines(row):
        canvas.text(MARGIN, y, text, SMALL, color=color)
        y += LINE
