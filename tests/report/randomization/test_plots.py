from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from igbatch.report.figures.encoding import figure_png
from igbatch.report.randomization.means import INVARIANT, Means
from igbatch.report.randomization.plots import FEW, curves_figure, layers_figure, nulls_figure
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.sentences import render
from igbatch.store.schemas import SCALES

pytestmark = pytest.mark.slow

MEASURES = (*INVARIANT, *(f"{kind}_{scale}" for scale in SCALES for kind in ("ssim", "difference")))


@pytest.fixture
def whole(means_of: Any, variants: ModelVariants) -> Means:
    """All measures of every step: likeness falls along the cascade as 0.9, 0.6, 0.3, differences rise."""
    numbers: dict[Any, Any] = {("random", "between_random", measure): 0.1 for measure in MEASURES}
    for group in (*variants.cascades, *variants.independent):
        for n, variant_id in enumerate(group.steps.values()):
            for measure in MEASURES:
                value = 0.01 * (n + 1) if measure.startswith("difference") else 0.9 - 0.3 * n
                numbers[variant_id, "to_trained", measure] = (value, value - 0.005, value + 0.005)
    return Means(means_of(numbers), variants)


def lines(figure: Figure) -> list[str]:
    return [line for text in figure.findobj(Text) for line in text.get_text().split("\n")]


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


def panels(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if axes.axison]


def test_a_panel_has_the_null_the_value_and_p(tested: Any, tests_of: Any) -> None:
    figure = nulls_figure(tests_of([tested()]), "", "probability")
    (axes,) = panels(figure)
    assert sum(bar.get_height() for bar in axes.containers[0]) == 30  # every random model once
    (value,) = [line for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert set(value.get_xdata()) == {0.5}
    assert {
        "p = 0.032 (above)", "N = 30, smallest p 0.032", "share of |a|", "free of scale",
        "eagle box → eagle (24 images)",
        "The trained model among random ones: means over the data set (sums in units of probability)",
    } <= set(lines(figure))  # fmt: skip
    assert "values of c.png by itself" in " ".join(
        lines(nulls_figure(tests_of([tested()]), "c.png", "logit"))
    )


def test_few_random_models_are_a_dot_each(tested: Any, tests_of: Any) -> None:
    few = np.linspace(0.1, 0.3, FEW).tolist()
    (axes,) = panels(nulls_figure(tests_of([tested(null=few, n_null=FEW)]), "", "probability"))
    assert not axes.containers
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots.get_xdata()) == FEW


@pytest.mark.parametrize("value", [0.0, 0.2, -3e-9])
def test_a_null_without_spread_is_drawn(tested: Any, tests_of: Any, value: float) -> None:
    row = tested(null=[value] * 30, value=value, value_low=None, value_high=None, effect=None)
    figure = nulls_figure(tests_of([row]), "", "probability")
    low, high = panels(figure)[0].get_xlim()
    assert low < value < high
    figure_png(figure, 1)


def test_statistics_bound_to_scale_are_marked(tested: Any, tests_of: Any) -> None:
    rows = [
        tested(statistic="sum", family="of scale"),
        tested(box_label=None, statistic="abs_sum", family="of scale"),
    ]
    found = lines(nulls_figure(tests_of(rows), "", "probability"))
    assert found.count("bound to scale") == 2
    assert {"whole maps (24 images)", "sum of |a| → eagle"} <= set(found)
