"""How sums depend on the baseline: deviations and signs by hand."""

import math

import numpy as np
import pytest

from igbatch.statistics.baseline_spread import MapSpread


def test_columns_of_boxes_are_deviations_and_shares_of_signs() -> None:
    sums = np.array(
        [[1.0, -1.0, 0.0, 0.0], [2.0, -2.0, 0.0, 0.0], [3.0, 9.0, 0.0, 0.0], [6.0, -6.0, 0.0, 0.0]]
    )
    boxes = [{"sum": 3.0}, {"sum": 0.0}, {"sum": None}, {"sum": 0.0}]
    first, second, hidden, nothing = MapSpread(None, 0.5, sums).box_columns(boxes)
    assert first == {"sum_spread": pytest.approx(math.sqrt(3.5)), "sign_agreement": 1.0}
    assert second == {"sum_spread": pytest.approx(sums[:, 1].std()), "sign_agreement": 0.0}
    assert hidden == {"sum_spread": None, "sign_agreement": None}
    assert nothing == {"sum_spread": 0.0, "sign_agreement": None}
    (drawn,) = MapSpread(None, 0.5, np.array([[0.0], [1.0], [-2.0], [3.0]])).box_columns([{"sum": 0.5}])
    assert drawn["sign_agreement"] == pytest.approx(2 / 3)  # a baseline that is the image itself says nothing
    (alone,) = MapSpread(None, 0.5, np.array([[0.0], [1.0]])).box_columns([{"sum": 0.5}])
    assert alone["sign_agreement"] is None  # the other one agrees with itself


@pytest.mark.parametrize(("ratio", "column"), [(0.5, 0.5), (0.0, 0.0), (math.nan, None), (math.inf, None)])
def test_a_map_of_zeros_has_no_spread_relative_to_it(ratio: float, column: float | None) -> None:
    assert MapSpread(None, ratio, np.zeros((2, 0))).columns() == {"spread": column}
