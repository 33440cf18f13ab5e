from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from igbatch.report.figures.encoding import figure_png
from igbatch.report.randomization.curves import curves_figure, layers_figure
from igbatch.report.randomization.means import INVARIANT, Means
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.sentences import render
from igbatch.store.schemas import SCALES

MEASURES = (*INVARIANT, *(f"{kind}_{scale}" for scale in SCALES for kind in ("ssim", "difference")))


@pytest.fixture
def whole(means_of: Any, variants: ModelVariants) -> Means:
    """All measures of every step: likeness falls along the cascade as 0.9, 0.6, 0.3, differences rise."""
    numbers: dict[Any, Any] = {("random", "between_random", measure): 0.1 for measure in MEASURES}
    for group in (*variants.cascades, *variants.independent):
        for n, step in enumerate(group.steps):
            for measure in MEASURES:
                value = 0.01 * (n + 1) if measure.startswith("difference") else 0.9 - 0.3 * n
                numbers[step.variant_id, "to_trained", measure] = (value, value - 0.005, value + 0.005)
    return Means(means_of(numbers), variants)


def texts(figure: Figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.findobj(Text)]


def test_a_curve_runs_from_the_trained_model_along_the_cascade(whole: Means, variants: ModelVariants) -> None:
    figure = curves_figure(whole, variants.cascades[0])
    panels = [axes for axes in figure.axes if axes.lines]
    assert len(panels) == 1 + 2 * len(SCALES)
    curves = [[line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 3] for axes in panels]
    np.testing.assert_allclose(np.asarray(curves[0], float), [[0.9, 0.6, 0.3]] * 3)  # one line a measure
    np.testing.assert_allclose(np.asarray(curves[1:3], float), [[[0.9, 0.6, 0.3]], [[0.01, 0.02, 0.03]]])
    starts = [
        line for line in panels[0].lines if list(line.get_xdata()) == [0, 1] and line.get_linestyle() == "-"
    ]
    assert [list(line.get_ydata()) for line in starts] == [[1.0, 0.9]] * 3
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["trained", "head", "body", "stem"]
    assert len([line for line in panels[0].lines if line.get_linestyle() == "--"]) == 3
    words = " ".join(texts(figure))
    assert render("randomization/wide.j2") in words
    assert "computed once, on raw attributions" in words
    assert "mean over 24 images" in words
    for axes in panels:
        low, high = axes.get_ylim()
        assert all(low <= y <= high for line in axes.lines for y in line.get_ydata())


def test_figures_are_equal_to_the_byte(whole: Means, variants: ModelVariants) -> None:
    first, second = (figure_png(layers_figure(whole, variants.independent[0]), 0.5) for _ in range(2))
    assert first == second


def test_what_was_not_measured_leaves_its_panel_empty(means_of: Any, variants: ModelVariants) -> None:
    nothing = Means(means_of().iloc[:0], variants)
    figure_png(curves_figure(nothing, variants.cascades[0]), 0.5)
    figure_png(layers_figure(nothing, variants.independent[0]), 0.5)


def test_single_layers_have_a_row_each(whole: Means, variants: ModelVariants) -> None:
    figure = layers_figure(whole, variants.independent[0])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["stem", "body", "head"]
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "linear", "log"]
    assert [len(axes.containers) for axes in figure.axes] == [3, 4, 4]


def test_a_difference_of_zero_is_shown(whole: Means, means_of: Any, variants: ModelVariants) -> None:
    zero = {
        (f"independent-1-{layer}", "to_trained", "difference_own"): (0.0, 0.0, 0.0)
        for layer in ("stem", "body")
    }
    figure = layers_figure(Means(means_of(zero), variants), variants.independent[0])
    assert figure.axes[2].get_xscale() == "linear"
