from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.statistics.histogram import (
    BINS_PER_DECADE,
    EDGES,
    N_BINS,
    N_SIDE,
    RELATIVE_ERROR,
    fold,
    histogram,
    quantile,
)

Floats = NDArray[np.float64]
magnitudes = st.one_of(
    st.floats(0, 1e2),
    st.floats(-16, 2).map(lambda power: 10.0**power),
    st.sampled_from(list(EDGES)),
)
signed = st.tuples(magnitudes, st.sampled_from([-1.0, 1.0])).map(lambda pair: pair[0] * pair[1])
samples = st.lists(signed, min_size=1, max_size=200).map(lambda values: np.array(values))


def bin_of(value: float) -> int:
    (index,) = np.flatnonzero(histogram(np.array([value])))
    return int(index)


def estimate(values: Floats, q: float) -> float:
    return quantile(histogram(values), q, float(values.min()), float(values.max()))


def assert_within_bound(estimated: float, exact: float) -> None:
    if abs(exact) < EDGES[0]:
        assert abs(estimated - exact) < 1e-13
    else:
        assert abs(estimated - exact) <= RELATIVE_ERROR * abs(exact) * (1 + 1e-9)


@given(samples, st.floats(0, 1))
def test_a_quantile_is_within_its_bound_of_the_order_statistic(values: Floats, q: float) -> None:
    assert_within_bound(estimate(values, q), float(np.quantile(values, q, method="lower")))


@pytest.mark.parametrize("scale", [1e-12, 1e-7, 1.0])
def test_the_bound_holds_on_maps(scale: float) -> None:
    values = scale * np.random.default_rng(0).standard_cauchy(50_000).clip(-50, 50)
    for q in np.linspace(0, 1, 101):
        assert_within_bound(estimate(values, q), float(np.quantile(values, q, method="lower")))


@given(samples)
def test_quantiles_rise_from_the_minimum_to_the_maximum(values: Floats) -> None:
    estimates = [estimate(values, q) for q in np.linspace(0, 1, 21)]
    assert estimates[0] == values.min()
    assert estimates[-1] == values.max()
    assert estimates == sorted(estimates)


@given(st.lists(samples, min_size=1, max_size=5))
def test_merging_equals_the_histogram_of_the_union(parts: Sequence[Floats]) -> None:
    merged = sum(histogram(part) for part in parts)
    np.testing.assert_array_equal(merged, histogram(np.concatenate(parts)))
    assert merged.sum() == sum(len(part) for part in parts)


@given(samples)
def test_mirrored_values_have_the_mirrored_histogram(values: Floats) -> None:
    np.testing.assert_array_equal(histogram(-values), histogram(values)[::-1])


@given(signed)
def test_a_value_is_counted_between_the_edges_around_it(value: float) -> None:
    side = bin_of(value) - N_SIDE
    if side == 0:
        assert abs(value) < EDGES[0]
    else:
        assert np.sign(side) == np.sign(value)
        assert EDGES[abs(side) - 1] <= abs(value)
        assert abs(value) < EDGES[abs(side)] or value in (100.0, -100.0)


def test_edges_are_decades_cut_evenly() -> None:
    np.testing.assert_allclose(EDGES[1:] / EDGES[:-1], 10 ** (1 / BINS_PER_DECADE))
    np.testing.assert_allclose(EDGES[::BINS_PER_DECADE], 10.0 ** np.arange(-13, 3))
    assert (N_SIDE, N_BINS) == (240, 481)


def test_what_lies_beyond_is_counted_outermost_and_stays_within_the_extremes() -> None:
    values = np.array([-1e9, -1e3, 5.0, 2e2, 3e4, 1e30])
    counts = histogram(values)
    assert (counts[0], counts[-1]) == (2, 3)
    for q in np.linspace(0, 1, 11):
        exact = float(np.quantile(values, q, method="lower"))
        found = estimate(values, q)
        assert values.min() <= found <= values.max()
        assert abs(exact) < 1e2 or (abs(found) >= EDGES[-2] and np.sign(found) == np.sign(exact))


def test_the_shape_and_type_of_the_values_do_not_matter() -> None:
    values = np.random.default_rng(0).standard_normal((7, 9)).astype(np.float32)
    counts = histogram(values)
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts, histogram(values.astype(np.float64).ravel()[::-1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        histogram(np.array([0.0, bad, 1.0]))


def test_quantiles_of_nothing_and_outside_of_0_to_1_are_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        quantile(histogram(np.array([])), 0.5, 0.0, 0.0)
    for q in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="from 0 to 1"):
            estimate(np.array([1.0]), q)


def test_folding_gives_the_histogram_of_the_magnitudes() -> None:
    values = np.random.default_rng(5).standard_t(2, size=1000) * 10.0 ** np.arange(-14, 6).repeat(50)
    values[::7] = 0
    assert (fold(histogram(values)) == histogram(np.abs(values))).all()
