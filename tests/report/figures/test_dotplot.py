from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from igbatch.report.figures.dotplot import MAX_LABELS, aggregates_figure, extent, select_aggregates
from igbatch.report.figures.encoding import figure_png


def test_all_variants_stand_on_one_stated_scale(small_study: Any) -> None:
    figure = aggregates_figure(small_study)
    (axes,) = figure.axes
    assert axes.get_xscale() == "symlog"
    low, high = axes.get_xlim()
    assert low == -high
    written = [text.get_text().strip() for text in figure.findobj(Text)]
    assert any("logarithmic beyond" in text for text in written)
    assert {"random-1", "trained", "eagle box → magpie"} <= set(written)
    figure_png(figure, 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.3, -2e-9], (1e-8, 1.0)), ([0.3, 0.02], (0.01, 1.0)), ([], (0.1, 1.0)), ([0.0, np.nan], (0.1, 1.0))],
)
def test_the_axis_holds_all_values(values: list[float], expected: tuple[float, float]) -> None:
    assert extent(np.array(values)) == pytest.approx(expected)


def test_labels_of_targets_come_first_and_rare_ones_are_counted(small_study: Any) -> None:
    table = small_study.aggregates
    many = [table.assign(box_label=f"bird-{n:02d}", n_images=50 - n) for n in range(9)]
    small_study.__dict__["aggregates"] = pd.concat([table, *many], ignore_index=True)
    selection = select_aggregates(small_study)
    labels = list(dict.fromkeys(selection.rows["box_label"]))
    assert labels[:3] == ["eagle", "magpie", "bird-00"]
    assert len(labels) == MAX_LABELS
    assert selection.labels_left_out == 11 - MAX_LABELS
    figure_png(aggregates_figure(small_study), 1)
