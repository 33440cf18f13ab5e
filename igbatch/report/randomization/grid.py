"""A grid of maps of one image, from the trained model to a fully random one, step by step of a cascade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.reduce.ranges import Scope
from igbatch.report.figures.bar import BAR, BAR_SPACE, SMALL, draw_bar
from igbatch.report.figures.draw import MARGIN, colors_of, draw_absence
from igbatch.report.figures.image_data import ImageMaps, Panel
from igbatch.report.figures.scales import color_scale, shown_style
from igbatch.report.figures.typeset import FAINT, LINE, draw_image, finish_page, new_page, write
from igbatch.report.randomization.steps import Randomized
from igbatch.report.sentences import sentences
from igbatch.text import number, plain

COLUMNS = 8
"""Maps side by side; longer cascades go on below."""

SCOPES: tuple[Scope, ...] = ("image", "models")
"""Every map is shown by its per-map range, and under the joint range of all variants and targets."""

MIN_PIXELS = 224
"""Pixels of a print that a map is wide, or more: twice as many as on the page."""

_SIDE, _GAP, _TOP = 116, 12, 92
_UNDER = 3 + BAR + 16 + 3 * LINE + 14  # a map: its bar, three numbers, and air


def grid_rows(
    maps: ImageMaps, variants: Sequence[str], targets: Sequence[str]
) -> Iterator[tuple[Scope, list[Panel]]]:
    """Yield rows of maps, one a variant: each target under its per-map range, and under that of the image."""
    style = shown_style(maps.results)
    for target in targets:
        joint = color_scale(maps, "models", targets=[target], style=style)
        per_map = [color_scale(maps, "image", variant, [target], style) for variant in variants]
        for scope, scales in zip(SCOPES, (per_map, [joint] * len(variants)), strict=True):
            yield (
                scope,
                [maps.panel(each, target, scale) for each, scale in zip(variants, scales, strict=True)],
            )


def grid_figure(maps: ImageMaps, trained: str | None, cascade: Randomized) -> Figure:
    """Return the maps of one image, columns being the steps of a cascade, rows targets and scopes.

    Under every map stand its colour bar with zero marked, and its minimum, maximum and sum.
    """
    steps = ({} if trained is None else {"trained": trained}) | dict(cascade.steps)
    rows = list(grid_rows(maps, list(steps.values()), maps.results.target_names))
    size, across = _map_size(panel for _, panels in rows for panel in panels), min(len(steps), COLUMNS)
    width = max(2 * MARGIN + _SIDE + across * (size[0] + _GAP), 760)
    page = new_page(width)
    words = {"name": maps.image_id, "whence": cascade.whence, "seed": cascade.seed}
    title, caption = sentences("randomization/grid_figure.j2", **words)
    write(page, MARGIN, 16, title, 14, width=width - 2 * MARGIN, bold=True)
    write(page, MARGIN, 38, caption, 11, width=0.97 * width - 2 * MARGIN, max_lines=20, color=FAINT)
    lefts = [MARGIN + _SIDE + column * (size[0] + _GAP) for column in range(COLUMNS)]
    y = float(_TOP)
    for start in range(0, len(steps), COLUMNS):
        for left, layer in zip(lefts, [*steps][start:], strict=False):
            write(page, left, y, plain(layer), width=size[0], bold=True)
        y += LINE + 6
        for scope, panels in rows:
            _draw_side(page, scope, panels, y, size[1])
            for left, panel in zip(lefts, panels[start:], strict=False):
                _draw_map(page, panel, left, y, size)
            y += size[1] + _UNDER
    return finish_page(page, y)


def _draw_side(page: Axes, scope: Scope, panels: Sequence[Panel], y: float, height: float) -> None:
    write(page, MARGIN, y, panels[0].title, 12, width=_SIDE - 16, bold=True)
    scale = next((panel.scale for panel in panels if panel.scale), None)
    if scale is not None:
        write(page, MARGIN, y + 17, scale.words["label"], 11, width=_SIDE - 22, max_lines=3, color=FAINT)
        if scope != "image":
            draw_bar(page, scale, MARGIN, y + max(height - BAR_SPACE, 58), _SIDE - 22)


def _draw_map(page: Axes, panel: Panel, x: float, y: float, size: tuple[float, float]) -> None:
    if panel.values is None or panel.scale is None:
        draw_absence(page, panel.missing, x, y, size)
    else:
        draw_image(page, colors_of(panel), x, y, size)
        draw_bar(page, panel.scale, x, y + size[1] - 9, round(size[0]), labels=False)
    numbers = {"min": panel.minimum, "max": panel.maximum, "sum": panel.total}
    lines = [f"{name} {number(value)}" for name, value in numbers.items() if value is not None]
    write(page, x, y + size[1] + BAR + 24, lines, SMALL, step=LINE - 1)


def _map_size(panels: Iterable[Panel]) -> tuple[float, float]:
    """Return width and height of the maps on the page: whole pixels of a print for each of their pixels."""
    shapes = (panel.values.shape for panel in panels if panel.values is not None)
    high, wide = next(shapes, (MIN_PIXELS, MIN_PIXELS))
    times = -(-MIN_PIXELS // wide)
    return wide * times / 2, high * times / 2
