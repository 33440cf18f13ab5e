import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from igbatch.errors import InputError
from igbatch.statistics import significance
from igbatch.statistics.significance import (
    Alternative,
    EmpiricalP,
    benjamini_hochberg,
    bootstrap_weights,
    effect_size,
    effect_sizes,
    empirical_p,
    empirical_p_values,
    resampled_means,
    sign_test,
    signed_rank_test,
)

SIDES: tuple[Alternative, ...] = ("greater", "less", "two-sided")


def test_known_p_values() -> None:
    null = np.arange(99.0)
    assert empirical_p(1000, null, "greater") == EmpiricalP(0.01, 0, 99, 0.01)
    assert empirical_p(98, null, "greater") == EmpiricalP(0.02, 1, 99, 0.01)  # a tie is an exceedance
    assert empirical_p(1000, null, "less") == EmpiricalP(1, 99, 99, 0.01)
    assert empirical_p(-1, null, "two-sided") == EmpiricalP(0.02, 0, 99, 0.02)
    assert empirical_p(49, null, "two-sided") == EmpiricalP(1, 50, 99, 0.02)
    assert empirical_p(3, np.array([]), "two-sided") == EmpiricalP(1, 0, 0, 1)


@pytest.mark.parametrize("n", [1, 4, 19])
def test_p_is_uniform_under_the_null(n: int) -> None:
    """Each of 1 + n exchangeable values is as likely the tested one: p takes every k / (1 + n) once."""
    values = np.random.default_rng(n).permutation(np.arange(1.0 + n))
    for side in ("greater", "less"):
        found = [empirical_p(value, np.delete(values, i), side).p for i, value in enumerate(values)]
        assert sorted(found) == pytest.approx([k / (1 + n) for k in range(1, n + 2)])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.sampled_from(SIDES))
def test_p_never_rejects_too_often_with_ties_either(levels: list[int], side: Alternative) -> None:
    values = np.array(levels, dtype=np.float64)
    found = [empirical_p(value, np.delete(values, i), side) for i, value in enumerate(values)]
    for level in {each.p for each in found}:
        assert sum(each.p <= level for each in found) / len(found) <= level + 1e-12
    assert all(each.smallest <= each.p <= 1 for each in found)


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        empirical_p(1.0, np.array([0.0, np.nan]), "greater")
    with pytest.raises(InputError, match="finite"):
        empirical_p(math.inf, np.zeros(2), "greater")


def test_effect_size() -> None:
    null = np.array([1.0, 2.0, 3.0])  # standard deviation 1
    assert effect_size(4.5, null) == pytest.approx(2.5)
    assert effect_size(4.5e-12, null * 1e-12) == pytest.approx(2.5)
    assert effect_size(1.0, null[:1]) is None
    assert effect_size(1.0, np.full(7, 0.1)) is effect_size(1.0, np.array([0.3, 0.1 + 0.2])) is None


@pytest.mark.parametrize("side", SIDES)
def test_many_values_are_tested_as_each_is_against_what_is_there_of_its_null(side: Alternative) -> None:
    values = np.array([0.5, 1.0, -2.0, 0.1, math.nan, 3.0, math.inf, 1.0])
    null = np.random.default_rng(1).integers(-2, 3, (len(values), 9)).astype(np.float64)
    null[0, 2:], null[1, ::2], null[2, 3] = math.nan, math.inf, -math.inf
    null[3], null[5], null[7, 1:] = 0.1, math.nan, math.nan
    p_values, effects = empirical_p_values(values, null, side), effect_sizes(values, null)
    for value, row, p, effect in zip(values, null, p_values, effects, strict=True):
        others = row[np.isfinite(row)]
        there = math.isfinite(value) and len(others) > 0
        expected = effect_size(value, others) if there else None
        assert p == pytest.approx(empirical_p(value, others, side).p if there else math.nan, nan_ok=True)
        assert effect == pytest.approx(math.nan if expected is None else expected, nan_ok=True)
    assert empirical_p_values(values[:0], null[:0], side).shape == effect_sizes(values[:0], null[:0]).shape
    assert np.isnan(empirical_p_values(values, null[:, :0], side)).all()
    assert np.isnan(effect_sizes(values, null[:, :0])).all()


def test_benjamini_and_hochberg_by_hand() -> None:
    """Sorted p times m / rank, then the least of what stands at or above: 0.04, 0.06, 0.06, 0.5."""
    p_values = np.array([0.5, 0.01, 0.045, 0.03])
    assert benjamini_hochberg(p_values) == pytest.approx([0.5, 0.04, 0.06, 0.06])


def test_nan_is_no_test() -> None:
    found = benjamini_hochberg(np.array([0.5, np.nan, 0.01, 0.045, 0.03, np.nan]))
    assert found == pytest.approx([0.5, np.nan, 0.04, 0.06, 0.06, np.nan], nan_ok=True)
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()
    assert benjamini_hochberg(np.array([])).size == 0


def test_signs_are_counted_as_binomial() -> None:
    values = np.array([1.0, 2.0, 3.0, -1.0, 0.0, np.nan])
    greater = sign_test(values, "greater")
    assert (greater.n, greater.zeros, greater.positive, greater.statistic) == (4, 1, 0.75, 3)
    assert greater.p == pytest.approx(5 / 16)
    assert greater.smallest == 1 / 16
    assert sign_test(values, "less").p == pytest.approx(15 / 16)
    assert sign_test(values, "two-sided").p == pytest.approx(10 / 16)
    assert sign_test(np.ones(5), "two-sided").p == pytest.approx(2 / 32)
    empty = sign_test(np.array([0.0, np.nan]), "greater")
    assert (empty.n, empty.zeros, empty.positive, empty.p, empty.smallest) == (0, 1, None, None, 1)


@pytest.mark.parametrize("side", SIDES)
def test_signed_ranks_over_all_patterns_of_signs(side: Alternative) -> None:
    values = np.array([0.3, -0.1, 2.0, 1.1, -0.2, 0.7, 0.0])
    magnitudes = np.sort(np.abs(values[values != 0]))
    ranks = range(1, 1 + len(magnitudes))
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(ranks))]
    observed = 3 + 4 + 5 + 6  # 0.3, 0.7, 1.1 and 2.0
    tails = {
        "greater": Fraction(sum(each >= observed for each in sums), len(sums)),
        "less": Fraction(sum(each <= observed for each in sums), len(sums)),
    }
    tails["two-sided"] = min(Fraction(1), 2 * min(tails.values()))
    found = signed_rank_test(values, side)
    assert (found.n, found.zeros, found.positive, found.statistic) == (6, 1, 4 / 6, observed)
    assert found.p == pytest.approx(float(tails[side]))
    assert signed_rank_test(np.arange(1.0, 7), side).smallest == (2 if side == "two-sided" else 1) / 64


def test_the_smallest_p_is_attained() -> None:
    for side, sign in (("greater", 1), ("less", -1), ("two-sided", 1)):
        values = sign * np.arange(1.0, 9)
        for test in (sign_test, signed_rank_test):
            found = test(values, side)  # type: ignore[arg-type]
            assert found.p == pytest.approx(found.smallest)


def test_too_few_values_have_no_signed_ranks() -> None:
    found = signed_rank_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.0]), "greater")
    assert (found.n, found.p, found.statistic, found.positive) == (5, None, None, 1)


def weights_of(images: int, resamples: int, seed: int) -> NDArray[np.float64]:
    blocks = list(bootstrap_weights(images, resamples, seed))
    assert [part.start for part, _ in blocks] == [0, *(part.stop for part, _ in blocks[:-1])]
    return np.concatenate([weights for _, weights in blocks], axis=1)


@pytest.mark.parametrize("cells", [1_000_000, 8_000])
def test_weights_are_multinomial(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one block or in several, all weights of a resample share one budget of draws."""
    monkeypatch.setattr(significance, "_CELLS", cells)
    images, resamples = 9, 4_000
    weights = weights_of(images, resamples, 5)
    assert weights.shape == (resamples, images)
    assert (weights.sum(axis=1) == images).all()
    assert (weights == weights.round()).all()
    assert (weights >= 0).all()
    covariance = np.cov(weights, rowvar=False)
    expected = np.eye(images) - 1 / images  # of the multinomial distribution
    assert weights.mean(axis=0) == pytest.approx(np.ones(images), abs=0.08)  # 5 standard errors
    assert covariance == pytest.approx(expected, abs=0.13)


def test_the_same_images_are_resampled_for_every_variant() -> None:
    values = np.random.default_rng(0).standard_normal((30, 5))
    values[3, 1] = values[7:20, 4] = np.nan
    together = resampled_means(values, 50, 3)
    assert np.array_equal(together, resampled_means(values, 50, 3))
    apart = np.concatenate(
        [resampled_means(values[:, :2], 50, 3), resampled_means(values[:, 2:], 50, 3)], axis=1
    )
    assert together == pytest.approx(apart, rel=1e-12)
    assert not np.allclose(together[1:], resampled_means(values, 50, 4)[1:])
    assert np.array_equal(together[0], resampled_means(values, 7, 4)[0])
    sums = resampled_means(values[:, 2:3] + values[:, 3:4], 50, 3)
    assert sums[:, 0] == pytest.approx(together[:, 2] + together[:, 3])


@pytest.mark.parametrize("cells", [1_000_000, 400])
def test_missing_values_count_in_neither_sum(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(significance, "_CELLS", cells)
    values = np.random.default_rng(0).standard_normal((40, 3))
    values[::3, 1] = np.nan
    values[:, 2] = np.nan
    found = resampled_means(values, 20, 0)
    assert found.shape == (21, 3)
    assert found[0] == pytest.approx([values[:, 0].mean(), np.nanmean(values[:, 1]), np.nan], nan_ok=True)
    valid = ~np.isnan(values[:, 1])
    for weights, mean in zip(weights_of(40, 20, 0), found[1:, 1], strict=True):
        assert mean == pytest.approx(np.average(values[valid, 1], weights=weights[valid]))
    assert np.isnan(found[:, 2]).all()


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    means = resampled_means(values[:, None], 4_000, 1)[1:, 0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4_000, method="percentile", rng=np.random.default_rng(2)
    )
    error = float(theirs.standard_error)
    assert means.std(ddof=1) == pytest.approx(error, rel=0.1)
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx(theirs.confidence_interval, abs=0.2 * error)


def test_nothing_to_resample() -> None:
    assert resampled_means(np.empty((4, 0)), 3, 0).shape == (4, 0)
    assert np.isnan(resampled_means(np.empty((0, 2)), 3, 0)).all()
    assert resampled_means(np.ones((4, 1)), 0, 0).tolist() == [[1.0]]
