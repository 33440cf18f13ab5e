from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from igbatch.report.figures.encoding import figure_png
from igbatch.report.randomization.nulls import FEW, nulls_figure


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_a_panel_has_the_null_the_value_and_p(tested: Any, tests_of: Any) -> None:
    figure = nulls_figure(tests_of([tested()]), "means")
    (axes,) = figure.axes
    assert sum(bar.get_height() for bar in axes.containers[0]) == 30  # every random model once
    (value,) = [line for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert set(value.get_xdata()) == {0.5}
    texts = said(figure)
    assert "p = 0.032 (above)" in texts
    assert "N = 30, smallest p 0.032" in texts
    assert {"share of |a|", "free of scale", "eagle box → eagle (24 images)"} <= set(texts)
    figure_png(figure, 1)


def test_few_random_models_are_a_dot_each(tested: Any, tests_of: Any) -> None:
    few = np.linspace(0.1, 0.3, FEW).tolist()
    (axes,) = nulls_figure(tests_of([tested(null=few, n_null=FEW)]), "means").axes
    assert not axes.containers
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots.get_xdata()) == FEW


@pytest.mark.parametrize("value", [0.0, 0.2, -3e-9])
def test_a_null_without_spread_is_drawn(tested: Any, tests_of: Any, value: float) -> None:
    row = tested(null=[value] * 30, value=value, value_low=None, value_high=None, effect=None)
    (axes,) = (figure := nulls_figure(tests_of([row]), "means")).axes
    low, high = axes.get_xlim()
    assert low < value < high
    figure_png(figure, 1)


def test_statistics_bound_to_scale_are_marked(tested: Any, tests_of: Any) -> None:
    rows = [
        tested(statistic="sum", family="of scale"),
        tested(box_label=None, statistic="abs_sum", family="of scale"),
    ]
    texts = said(nulls_figure(tests_of(rows), "means"))
    assert texts.count("bound to scale") == 2
    assert "whole maps (24 images)" in texts
    assert "sum of |a| → eagle" in texts
