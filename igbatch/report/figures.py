"""Figures of one image for print and screen: the seed's sequence, an overview of variants, and pairs of targets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import combinations

from matplotlib.figure import Figure
from PIL import Image

from igbatch.report.canvas import DPI, FAINT, WARN, Canvas, fit, wrap
from igbatch.report.drawing import LINE, SMALL, draw_panel, draw_picture, panel_height
from igbatch.report.normalization import Normalizations
from igbatch.report.panels import ImageMaps
from igbatch.report.sheets import HOW_TO_READ, Row, Sheet, chosen, overview_sheet, seed_sheet
from igbatch.results import StudyResults

MARGIN = 18
SIDE = 176  # width of the column that says what a row is
GAP = 20
SMALLEST_MAP = 224
MOST_FACTS = 14
PRINT_SCALE = 2
PNG_COLORS = 256


def study_figure(
    results: StudyResults,
    image_id: str,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    scope: str = "pair",
) -> Figure:
    """Return one image under one normalization: variants are rows, targets are columns.

    Args:
        results: an opened study.
        image_id: of the study.
        variants: all by default.
        targets: all by default; under `pair`, more than two make a row for each pair.
        scope: `raw` (no normalization), or a scope of `igbatch.reduce.ranges.SCOPES`.

    Raises:
        InputError: the study has no such image, variant, target or scope.
    """
    maps = ImageMaps(results, image_id)
    return draw_sheet(overview_sheet(maps, Normalizations(results), scope, variants, targets))


def seed_figure(
    results: StudyResults, image_id: str, variant_id: str, targets: Sequence[str] | None = None
) -> Figure:
    """Return one image and variant under four normalizations: raw, each map's own, joint, joint over the study.

    Targets are columns. The joint range is that of the pair, or of all targets where there are more than two.

    Raises:
        InputError: the study has no such variant or target.
    """
    return draw_sheet(seed_sheet(ImageMaps(results, image_id), Normalizations(results), variant_id, targets))


def pair_figures(
    results: StudyResults, image_id: str, variant_id: str, targets: Sequence[str] | None = None
) -> dict[tuple[str, str], Figure]:
    """Return the seed figure of each pair of targets, k choose 2 of them.

    Raises:
        InputError: the study has no such variant or target.
    """
    maps, normalizations = ImageMaps(results, image_id), Normalizations(results)
    names = chosen(targets, results.target_names, "target")
    return {
        pair: draw_sheet(seed_sheet(maps, normalizations, variant_id, pair)) for pair in combinations(names, 2)
    }


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw a sheet; maps are shown at a whole multiple of their size."""
    columns, rows = _map_size(sheet)
    scale = max(1, round(SMALLEST_MAP / columns))
    wide, high = columns * scale, rows * scale
    across = max(len(row.panels) for row in sheet.rows)
    width = max(MARGIN * 2 + SIDE + GAP + across * (wide + GAP) - GAP, 600)
    lines = _header_lines(sheet, width - 2 * MARGIN - wide - GAP)
    header = max(high, LINE * (len(lines) + 2) + 12)
    heights = [max(_side_height(row), *(panel_height(p, wide, high) for p in row.panels)) for row in sheet.rows]
    canvas = Canvas(width, MARGIN + header + sum(heights) + GAP * (len(heights) + 1))
    draw_picture(canvas, sheet.picture, MARGIN, MARGIN, wide, high)
    _draw_header(canvas, sheet, lines, MARGIN + wide + GAP, width - 2 * MARGIN - wide - GAP)
    top = MARGIN + header + GAP
    for row, height in zip(sheet.rows, heights, strict=True):
        canvas.line(MARGIN, top - GAP / 2, width - MARGIN, top - GAP / 2, "#d0d0d0")
        _draw_side(canvas, row, top)
        for index, panel in enumerate(row.panels):
            x = MARGIN + SIDE + GAP + index * (wide + GAP)
            draw_panel(canvas, panel, x, top, wide, high, sheet.picture.boxes)
        top += height + GAP
    return canvas.figure


def png(figure: Figure, scale: float = PRINT_SCALE) -> bytes:
    """Return a figure as PNG, `scale` times its size on screen, in a palette of `PNG_COLORS` colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI * scale)
    whole = Image.open(buffer).convert("RGB")
    few = whole.quantize(PNG_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    few.save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _map_size(sheet: Sheet) -> tuple[int, int]:
    """Return width and height of the maps, or of the picture where there is no map."""
    for row in sheet.rows:
        for panel in row.panels:
            if panel.values is not None:
                return panel.values.shape[1], panel.values.shape[0]
    if sheet.picture.pixels is not None:
        return sheet.picture.pixels.shape[1], sheet.picture.pixels.shape[0]
    return SMALLEST_MAP, SMALLEST_MAP


def _header_lines(sheet: Sheet, width: int) -> list[tuple[str, str]]:
    """Return the lines beside the picture, each with its colour."""
    shown = sheet.facts[:MOST_FACTS]
    lines = [(line, "#1a1a1a") for fact in shown for line in wrap(fact, width, 11.5)]
    if len(sheet.facts) > len(shown):
        lines.append((f"{len(sheet.facts) - len(shown)} more in the tables", FAINT))
    return [*lines, ("", FAINT), *((line, FAINT) for line in wrap(HOW_TO_READ, width, SMALL))]


def _draw_header(canvas: Canvas, sheet: Sheet, lines: Sequence[tuple[str, str]], x: int, width: int) -> None:
    y = MARGIN
    canvas.text(x, y, fit(sheet.title, width, 15, bold=True), 15, bold=True)
    y += 22
    if sheet.subtitle:
        canvas.text(x, y, fit(sheet.subtitle, width, 13, bold=True), 13, bold=True, color=FAINT)
        y += 20
    for text, color in lines:
        canvas.text(x, y, text, 11.5 if color != FAINT else SMALL, color=color)
        y += LINE


def _side_lines(row: Row) -> list[str]:
    return [line for text in (row.words, *row.facts) if text for line in wrap(text, SIDE, SMALL)]


def _side_height(row: Row) -> int:
    return LINE * (len(wrap(row.title, SIDE, 12.5, most=3)) + len(_side_lines(row))) + 16


def _draw_side(canvas: Canvas, row: Row, y: int) -> None:
    color = WARN if row.title.startswith("Incomplete") else "#1a1a1a"
    for text in wrap(row.title, SIDE - 10, 12.5, most=3):
        canvas.text(MARGIN, y, text, 12.5, bold=True, color=color)
        y += 16
    y += 4
    for text in _side_lines(row):
        canvas.text(MARGIN, y, text, SMALL)
        y += LINE
