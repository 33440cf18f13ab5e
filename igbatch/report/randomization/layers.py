"""One layer random at a time: how alike its maps and the trained model's are, as a dot plot by layer."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from igbatch.report.randomization import plotting
from igbatch.report.randomization.means import INVARIANT, NAMES, RANGES, Means
from igbatch.report.randomization.steps import Randomized
from igbatch.report.sentences import sentences
from igbatch.report.text import number, plain, shorten

_PANELS: dict[str, dict[str, str]] = {
    "Rank correlation and HOG": {measure: NAMES[measure] for measure in INVARIANT},
    "SSIM": {f"ssim_{scale}": words for scale, words in RANGES.items()},
    "RMS difference / range": {f"difference_{scale}": words for scale, words in RANGES.items()},
}
_MAX_LETTERS = 28


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
            plotting.draw_means(axes, rows, [mean for _, mean in dots], kind, True, linestyle="", label=name)
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
    return plotting.lettered(figure)
