from typing import Any

import numpy as np

from igbatch.report.figures.encoding import figure_png
from igbatch.report.randomization.curves import WIDE_WORDS, curves_figure
from igbatch.report.randomization.independent import independent_figure
from igbatch.report.randomization.means import INVARIANT, Means
from igbatch.report.randomization.plotting import difference_limits, likeness_limits
from igbatch.report.randomization.steps import ModelVariants, first_of_each_direction
from igbatch.store.schemas import SCALES

MEASURES = (*INVARIANT, *(f"{kind}_{scale}" for scale in SCALES for kind in ("ssim", "difference")))


def whole(means_of: Any, variants: ModelVariants) -> Means:
    """All measures of every step: likeness falls along the cascade as 0.9, 0.6, 0.3, differences rise."""
    numbers: dict[Any, Any] = {("random", "between_random", measure): 0.1 for measure in MEASURES}
    for group in (*variants.cascades, *variants.independent):
        for n, step in enumerate(group.steps):
            for measure in MEASURES:
                value = 0.01 * (n + 1) if measure.startswith("difference") else 0.9 - 0.3 * n
                numbers[step.variant_id, "to_trained", measure] = (value, value - 0.005, value + 0.005)
    return Means(means_of(numbers), "small")


def lines(axes: Any) -> list[list[float]]:
    """Heights of the lines that begin at the trained model."""
    return [list(map(float, line.get_ydata())) for line in axes.lines if len(line.get_xdata()) == 4]


def test_a_curve_runs_from_the_trained_model_along_the_cascade(
    means_of: Any, variants: ModelVariants
) -> None:
    (down, _) = first_of_each_direction(variants.cascades)
    figure = curves_figure(whole(means_of, variants), down)
    invariant, *rest = figure.axes
    np.testing.assert_allclose(lines(invariant), [[1.0, 0.9, 0.6, 0.3]] * 3)  # one line a measure
    panels = [lines(axes) for axes in rest if lines(axes)]
    assert len(panels) == 2 * len(SCALES)
    np.testing.assert_allclose(panels[0], [[1.0, 0.9, 0.6, 0.3]])
    np.testing.assert_allclose(panels[1], [[0.0, 0.01, 0.02, 0.03]])
    assert [label.get_text() for label in invariant.get_xticklabels()] == ["trained", "head", "body", "stem"]
    levels = [line for line in invariant.lines if line.get_linestyle() == "--"]
    assert len(levels) == 3


def test_the_figure_says_what_wide_ranges_do_and_what_is_computed_once(
    means_of: Any, variants: ModelVariants
) -> None:
    figure = curves_figure(whole(means_of, variants), variants.cascades[0])
    said = " ".join(text.get_text() for text in figure.texts)
    assert WIDE_WORDS in said
    assert "computed once, on raw attributions" in said
    assert "mean over 24 images" in said


def test_what_was_not_measured_leaves_its_panel_empty(means_of: Any, variants: ModelVariants) -> None:
    nothing = Means(means_of().iloc[:0], "small")
    figures = [
        curves_figure(nothing, variants.cascades[0]),
        independent_figure(nothing, variants.independent[0]),
    ]
    for figure in figures:
        figure_png(figure, 0.5)


def test_single_layers_have_a_row_each(means_of: Any, variants: ModelVariants) -> None:
    figure = independent_figure(whole(means_of, variants), variants.independent[0])
    said = [text.get_text() for text in figure.texts]
    assert [name for name in said if name in ("stem", "body", "head")] == ["stem", "body", "head"]
    panels = [axes for axes in figure.axes if axes.get_ylim() == (3.0, 0.0)]
    assert [axes.get_xscale() for axes in panels] == ["linear", "linear", "log"]
    figure_png(figure, 1)


def test_limits_hold_all_values() -> None:
    from igbatch.report.randomization.means import Mean

    low, high = likeness_limits([Mean(-0.3, -0.45, -0.1, 1, 3), None, Mean(1.0, 1.0, 1.0, 1, 3)])
    assert low <= -0.45
    assert high > 1
    assert difference_limits([Mean(0.2, 0.1, 0.4, 1, 3)])[1] > 0.4
