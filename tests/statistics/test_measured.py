"""All that is measured of a map: what its parts say, and nothing of a map that is no map."""

import numpy as np
import pytest

from igbatch.errors import InputError
from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import map_statistics
from igbatch.statistics.measured import Measured, measure

BOXES = (MappedBox("a", "bird", 0, 0, 3, 2, 1.0), MappedBox("b", "bird", 1, 1, 5, 4, 0.5))


def test_a_map_is_measured_by_itself_and_within_boxes() -> None:
    attribution = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    found, expected = measure(attribution, BOXES), map_statistics(attribution)
    assert found.not_finite == 0
    assert found.statistics is not None
    np.testing.assert_array_equal(found.statistics["histogram"], expected["histogram"])
    assert {**found.statistics, "histogram": None} == {**expected, "histogram": None}
    assert found.boxes == box_statistics(attribution, BOXES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_says_how_many_values_are_not(bad: float) -> None:
    attribution = np.ones((4, 5), dtype=np.float32)
    attribution[1, 2:4] = bad
    assert measure(attribution, BOXES) == Measured(2, None, [])


def test_a_box_outside_the_map_is_refused() -> None:
    with pytest.raises(InputError, match=r"box b .* reaches outside the map of 4 x 4"):
        measure(np.ones((4, 4), dtype=np.float32), BOXES)
