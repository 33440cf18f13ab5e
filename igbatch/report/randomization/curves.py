"""How alike the maps of partly random models and of the trained one are: by cascade, and by single layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from igbatch.report.figures.typeset import FAINT, finish
from igbatch.report.randomization import plotting
from igbatch.report.randomization.means import INVARIANT, NAMES, RANGES, Means
from igbatch.report.randomization.plotting import COLORS, MARKERS, TEXT
from igbatch.report.randomization.steps import Randomized, short
from igbatch.report.sentences import sentences
from igbatch.report.text import number, plain, shorten

_SLANTED = 9  # names of layers fit aslant up to so many, upright beyond
_MAX_LETTERS = 28  # of a layer's name beside a plot
_PANELS: dict[str, dict[str, str]] = {
    "Rank correlation and HOG": {measure: NAMES[measure] for measure in INVARIANT},
    "SSIM": {f"ssim_{scale}": words for scale, words in RANGES.items()},
    "RMS difference / range": {f"difference_{scale}": words for scale, words in RANGES.items()},
}


def curves_figure(means: Means, cascade: Randomized) -> Figure:
    """Return one cascade's similarity to the trained model, against how many layers are random.

    Panels: the measures that no normalization changes; SSIM, and below it the root mean square difference,
    under each normalization. Dots carry 95 % intervals over images; the dashed level is that between random
    models.
    """
    values = {"whence": cascade.whence, "seed": cascade.seed, "images": means.images(cascade)}
    title, caption, *notes = sentences("randomization/curves_figure.j2", **values)
    figure = plotting.titled_figure(8.8, title, [caption])
    grid = figure.add_gridspec(3, len(RANGES), height_ratios=[1.2, 1, 1])
    invariant, side = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2:])
    _draw_panel(invariant, means, cascade, INVARIANT)
    invariant.set_title("Rank correlation and HOG", loc="left", size=TEXT, weight="bold")
    side.set_axis_off()
    side.legend(*invariant.get_legend_handles_labels(), loc="upper left", frameon=False, fontsize=TEXT)
    words = side.text(0.03, 0.6, plotting.wrapped(notes, 80), va="top", size=TEXT, color=FAINT)
    words.set_in_layout(False)
    for column, (scale, name) in enumerate(RANGES.items()):
        similarity, difference = (figure.add_subplot(grid[row, column]) for row in (1, 2))
        _draw_panel(similarity, means, cascade, [f"ssim_{scale}"])
        _draw_panel(difference, means, cascade, [f"difference_{scale}"], 1)
        similarity.set_title(name, loc="left", size=TEXT, color=FAINT)
        similarity.tick_params(labelbottom=False)
        if column == 0:
            similarity.set_ylabel("SSIM", size=TEXT, weight="bold")
            difference.set_ylabel("RMS difference / range", size=TEXT, weight="bold")
    return finish(figure)


def _draw_panel(
    axes: Axes, means: Means, cascade: Randomized, measures: Sequence[str], first: int = 0
) -> None:
    """Draw measures along a cascade, from the value that a map has against itself."""
    plotting.style(axes, "y")
    start = 0.0 if first else 1.0
    for kind, measure in enumerate(measures, first):
        if level := means.random(measure, comparison="between_random"):
            axes.axhline(level.value, color=COLORS[kind], linewidth=1.1, linestyle=(0, (4, 3)))
            axes.axhspan(*level.span, color=COLORS[kind], alpha=0.13, linewidth=0)
        if line := means.along(cascade, measure):
            places = [place + 1 for place, _ in line]
            axes.plot([0, places[0]], [start, line[0][1].value], color=COLORS[kind], linewidth=1.4)
            axes.plot(0, start, MARKERS[kind], color="white", markeredgecolor=COLORS[kind], zorder=3)
            plotting.draw_means(
                axes, places, [mean for _, mean in line], kind, linewidth=1.4, label=NAMES[measure]
            )
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.03 * high), None if first else 1.05)
    layers = ["trained", *(short(step.layer) for step in cascade.steps)]
    aslant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(layers)), layers, **(aslant if len(layers) <= _SLANTED else {"rotation": 90}))
    axes.set_xlim(-0.4, len(cascade.steps) + 0.4)


def layers_figure(means: Means, group: Randomized) -> Figure:
    """Return the similarity to the trained model where a single layer is random: a row a layer."""
    values = {"seed": group.seed, "images": means.images(group)}
    title, *caption = sentences("randomization/layers_figure.j2", **values)
    layers = [shorten(plain(step.layer), _MAX_LETTERS) for step in group.steps]
    figure = plotting.titled_figure(2.3 + 0.34 * len(layers), title, caption)
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (heading, measures) in zip(panels, _PANELS.items(), strict=True):
        plotting.style(axes, "x")
        for kind, (measure, name) in enumerate(measures.items()):
            dots = means.along(group, measure)
            offset = (kind - (len(measures) - 1) / 2) * 0.18
            rows = [row + offset for row, _ in dots]
            plotting.draw_means(
                axes, rows, [mean for _, mean in dots], kind, across=True, linestyle="", label=name
            )
        if not heading.startswith("RMS"):
            axes.set_xlim(min(-0.04, axes.get_xlim()[0]), 1.05)
        elif axes.dataLim.x0 > 0:  # differences differ by decades
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
            axes.xaxis.set_minor_formatter(NullFormatter())
        key = axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), frameon=False, title=heading,
                          fontsize=plotting.TEXT, alignment="left")  # fmt: skip
        key.get_title().set(size=plotting.TEXT, weight="bold")
        axes.tick_params(axis="y", length=0)
        for row in range(1, len(layers)):
            axes.axhline(row - 0.5, color="#ececec", linewidth=0.6, zorder=0)
    panels[0].set(yticks=range(len(layers)), yticklabels=layers, ylim=(len(layers) - 0.5, -0.5))
    return finish(figure)
