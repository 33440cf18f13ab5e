from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from igbatch.report.figures.encoding import figure_png
from igbatch.report.randomization.nulls import FEW, nulls_figure


def lines(figure: Figure) -> list[str]:
    return [line for text in figure.findobj(Text) for line in text.get_text().split("\n")]


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
