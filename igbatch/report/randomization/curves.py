"""Curves: how alike the maps of a cascade's variants and of the trained model are, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from igbatch.report.figures.canvas import FAINT, Canvas
from igbatch.report.figures.fonts import FONT
from igbatch.report.randomization.means import INVARIANT, NAMES, Mean, Means
from igbatch.report.randomization.plotting import (
    COLORS,
    MARGIN,
    MARKERS,
    TICK,
    WIDTH,
    difference_limits,
    legend,
    likeness_limits,
    paragraph,
    plot_level,
    plot_line,
    style,
)
from igbatch.report.randomization.steps import Randomized, short
from igbatch.report.text import count, plain
from igbatch.store.schemas import SCALES

RANGES = {
    "own": "each map by its own range",
    "pair": "range of the two maps",
    "models": "range of all maps of the image",
    "dataset": "range of all maps of the study",
}
"""What a normalization of similarity measures divides maps by, in words."""

INVARIANT_WORDS = (
    "No normalization changes these three measures: they are computed once, on raw attributions."
)
WIDE_WORDS = (
    "SSIM is near 1, and the difference near 0, wherever both maps are nearly white, whatever they show. A "
    "range far wider than both maps makes them so; the range of a strong map leaves a weak one white, and a "
    "few strong pixels leave the rest white. So values near 1 under shared ranges say that most values are "
    "small beside the range. They do not say that the maps are alike: read rank correlation for that."
)
_HEIGHT, _TICKS = 190, 84  # of the panels, and of the names of layers below them
_LEFT, _APART = 52, 26
_SLANTED = 9  # names of layers fit aslant up to so many, upright beyond


def curves_figure(means: Means, cascade: Randomized) -> Figure:
    """Return one cascade's similarity to the trained model, against how many layers are random.

    Panels: the measures that no normalization changes; SSIM, and below it the root mean square difference,
    under each normalization. Dots carry 95 % intervals over images; the dashed level is that between random
    models.
    """
    whence = {"down": "from the head down", "up": "from the patch embedding up"}[str(cascade.direction)]
    top, second = 90, 90 + _HEIGHT + _TICKS + 30
    third = second + _HEIGHT + 44
    canvas = Canvas(WIDTH, third + _HEIGHT + _TICKS + 12)
    canvas.text(
        MARGIN,
        16,
        f"Similarity to the trained model, randomized {whence} (seed {cascade.seed})",
        14,
        bold=True,
    )
    said = (
        "Across: layers in the order of the cascade, each random together with all to its left; first the "
        f"trained model itself. Marks: mean over {count(images_of(means, cascade), 'image')} and all "
        "targets; lines: 95 % interval over images. Dashed: the same between random models, with its "
        "interval."
    )
    paragraph(canvas, said, MARGIN, 38, WIDTH - 2 * MARGIN)
    _invariant_row(canvas, means, cascade, top)
    pitch = (WIDTH - 2 * MARGIN) / len(SCALES)
    for column, scale in enumerate(SCALES):
        x = MARGIN + column * pitch
        for y, measure, color in ((second, f"ssim_{scale}", 0), (third, f"difference_{scale}", 1)):
            canvas.text(x, y, _heading(measure), 11.5, bold=True)
            canvas.text(x, y + 15, RANGES[scale], 10.5, color=FAINT)
            axes = canvas.axes(x + _LEFT - 10, y + 34, pitch - _LEFT - _APART + 20, _HEIGHT - 34)
            _panel(axes, means, cascade, [measure], COLORS[color : color + 1], MARKERS[color : color + 1])
            _name_layers(axes, cascade, named=measure.startswith("difference"))
    return canvas.figure


def _invariant_row(canvas: Canvas, means: Means, cascade: Randomized, y: float) -> None:
    """Draw the measures that no normalization changes, with their key and what to know at their right."""
    width = 560
    canvas.text(MARGIN, y, "Rank correlation and HOG", 11.5, bold=True)
    axes = canvas.axes(MARGIN + _LEFT - 10, y + 20, width - _LEFT, _HEIGHT - 10)
    _panel(axes, means, cascade, INVARIANT, COLORS, MARKERS)
    _name_layers(axes, cascade, named=True)
    x = MARGIN + width + 40
    for row, (measure, color, marker) in enumerate(zip(INVARIANT, COLORS, MARKERS, strict=False)):
        legend(canvas, x, y + 22 + 20 * row, NAMES[measure], color, marker)
    paragraph(canvas, INVARIANT_WORDS, x, y + 96, WIDTH - MARGIN - x, FAINT)
    paragraph(canvas, WIDE_WORDS, x, y + 140, WIDTH - MARGIN - x, FAINT)


def _panel(
    axes: Axes,
    means: Means,
    cascade: Randomized,
    measures: Sequence[str],
    colors: Sequence[str],
    markers: Sequence[str],
) -> None:
    style(axes)
    shown: list[Mean | None] = []
    differs = measures[0].startswith("difference")
    for measure, color, marker in zip(measures, colors, markers, strict=False):
        level = means.random_likeness("between_random", measure)
        line = [means.likeness(step.variant_id, "to_trained", measure) for step in cascade.steps]
        plot_level(axes, level, color)
        plot_line(axes, line, 0.0 if differs else 1.0, color, marker)
        shown += [level, *line]
    axes.set_ylim((difference_limits if differs else likeness_limits)(shown))
    axes.set_xlim(-0.4, len(cascade.steps) + 0.4)


def _name_layers(axes: Axes, cascade: Randomized, named: bool) -> None:
    layers = ["trained", *(short(step.layer) for step in cascade.steps)]
    axes.set_xticks(range(len(layers)), [plain(layer) for layer in layers] if named else [])
    for label in axes.get_xticklabels():
        label.set(fontsize=TICK, fontfamily=FONT)
        if len(layers) > _SLANTED:
            label.set(rotation=90)
        else:
            label.set(rotation=55, ha="right", rotation_mode="anchor")
        label.set_parse_math(False)


def _heading(measure: str) -> str:
    return "SSIM" if measure.startswith("ssim") else "RMS difference / range"


def images_of(means: Means, cascade: Randomized) -> int:
    """Return over how many images the likenesses of some variants are averaged."""
    found = [
        means.likeness(step.variant_id, "to_trained", measure)
        for step in cascade.steps
        for measure in INVARIANT
    ]
    return max((mean.images for mean in found if mean), default=0)
