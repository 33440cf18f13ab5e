"""One layer random at a time: how alike its maps and the trained model's are, as a dot plot by layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from igbatch.report.figures.canvas import Canvas, fit
from igbatch.report.figures.fonts import FONT
from igbatch.report.randomization.curves import RANGES, images_of
from igbatch.report.randomization.means import INVARIANT, NAMES, Mean, Means
from igbatch.report.randomization.plotting import (
    COLORS,
    MARGIN,
    MARKERS,
    WIDTH,
    legend,
    likeness_limits,
    paragraph,
    style,
)
from igbatch.report.randomization.steps import Randomized
from igbatch.report.text import count, number, plain
from igbatch.store.schemas import SCALES

_ROW, _NAMES, _APART = 34, 150, 26
_TOP = 176

_PANELS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("Rank correlation and HOG", INVARIANT, tuple(NAMES[measure] for measure in INVARIANT)),
    ("SSIM", tuple(f"ssim_{scale}" for scale in SCALES), tuple(RANGES.values())),
    ("RMS difference / range", tuple(f"difference_{scale}" for scale in SCALES), tuple(RANGES.values())),
)


def independent_figure(means: Means, randomized: Randomized) -> Figure:
    """Return the similarity to the trained model where a single layer is random: a row a layer."""
    height = _TOP + _ROW * len(randomized.steps) + 40
    canvas = Canvas(WIDTH, height)
    title = f"Similarity to the trained model, one layer random at a time (seed {randomized.seed})"
    canvas.text(MARGIN, 16, title, 14, bold=True)
    said = (
        f"Marks: mean over {count(images_of(means, randomized), 'image')} and all targets; lines: 95 % "
        "interval over images. Near 1 (difference: near 0): the maps hardly depend on that layer's "
        "parameters, or are too small beside the range to differ."
    )
    paragraph(canvas, said, MARGIN, 38, WIDTH - 2 * MARGIN)
    for row, step in enumerate(randomized.steps):
        y = _TOP + _ROW * (row + 0.5) - 5
        name = fit(plain(step.layer), _NAMES - 10, 11)
        canvas.text(MARGIN + _NAMES - 10, y, name, 11, align="right")
    pitch = (WIDTH - 2 * MARGIN - _NAMES) / len(_PANELS)
    for column, (heading, measures, names) in enumerate(_PANELS):
        x = MARGIN + _NAMES + column * pitch
        canvas.text(x, 80, heading, 11.5, bold=True)
        for row, (name, color, marker) in enumerate(zip(names, COLORS, MARKERS, strict=False)):
            legend(canvas, x, 98 + 17 * row, name, color, marker)
        axes = canvas.axes(x, _TOP, pitch - _APART, _ROW * len(randomized.steps))
        _dots(axes, means, randomized, measures)
    return canvas.figure


def _dots(axes: Axes, means: Means, randomized: Randomized, measures: Sequence[str]) -> None:
    style(axes, grid="x")
    shown: list[Mean] = []
    for place, (measure, color, marker) in enumerate(zip(measures, COLORS, MARKERS, strict=False)):
        offset = (place - (len(measures) - 1) / 2) * 0.18
        for row, step in enumerate(randomized.steps):
            mean = means.likeness(step.variant_id, "to_trained", measure)
            if mean is None:
                continue
            shown.append(mean)
            y = row + 0.5 + offset
            if mean.ends is not None:
                axes.plot(mean.ends, [y, y], color=color, linewidth=1.6, alpha=0.75)
            axes.plot([mean.value], [y], marker, color=color, markersize=4.4)
    if measures[0].startswith("difference"):
        _from_zero(axes, shown)
    else:
        low, high = likeness_limits(shown)
        axes.set_xlim(low, high)
    for row in range(1, len(randomized.steps)):
        axes.axhline(row, color="#ececec", linewidth=0.6, zorder=0)
    axes.set_ylim(len(randomized.steps), 0)
    axes.set_yticks([])
    for label in axes.get_xticklabels():
        label.set_fontfamily(FONT)


def _from_zero(axes: Axes, means: Sequence[Mean]) -> None:
    """Scale an axis of differences: logarithmic where all are above zero, as they differ by decades."""
    ends = [end for mean in means for end in (mean.value, mean.low, mean.high) if end is not None]
    if ends and min(ends) > 0:
        axes.set_xscale("log")
        axes.set_xlim(min(ends) / 1.6, max(ends) * 1.6)
        axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
        axes.xaxis.set_minor_formatter(NullFormatter())
