import numpy as np
import pytest

from igbatch.reduce.ranges import RangeSummary
from igbatch.report.page.ranges import PERCENTILES, finite, page_range
from igbatch.statistics.histogram import RELATIVE_ERROR, histogram


def summary_of(values: np.ndarray) -> RangeSummary:
    return RangeSummary(float(values.min()), float(values.max()), histogram(values).astype(np.int64), 1)


def test_quantiles_are_those_of_the_magnitudes() -> None:
    values = np.random.default_rng(0).standard_t(2, size=20_000) * 1e-3
    found = page_range(summary_of(values), 1)
    assert found is not None
    wanted = np.quantile(np.abs(values), np.array(PERCENTILES) / 100, method="lower")
    assert np.abs(np.array(found["quantiles"]) / wanted - 1).max() <= RELATIVE_ERROR * (1 + 1e-9)
    assert found["quantiles"] == sorted(found["quantiles"])


@pytest.mark.parametrize("values", [[-3.0, 1, 2], [-1.0, 2, 5], [1.0, 2, 3], [-3.0, -2, -1], [0.0, 0, 0]])
def test_all_magnitudes_are_within_the_last_quantile(values: list[float]) -> None:
    found = page_range(summary_of(np.array(values)), 1)
    assert found is not None
    assert found["quantiles"][-1] == np.abs(values).max()


def test_percentiles_run_from_90_to_100_in_tenths() -> None:
    assert (PERCENTILES[0], PERCENTILES[1], PERCENTILES[95], PERCENTILES[-1]) == (90, 90.1, 99.5, 100)
    assert len(PERCENTILES) == 101


def test_a_range_that_lacks_a_map_is_incomplete_and_one_of_none_is_none() -> None:
    one = summary_of(np.array([1.0]))
    assert page_range(one, 1) | {"complete": False} == page_range(one, 2)
    assert page_range(RangeSummary(), 2) is None


def test_json_has_no_number_that_is_not_finite() -> None:
    assert [finite(value) for value in (None, np.nan, np.inf, np.float32(0.5), 2)] == [
        None,
        None,
        None,
        0.5,
        2,
    ]
