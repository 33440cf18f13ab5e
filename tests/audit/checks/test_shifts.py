"""Shifts of paired values: their test and its effect size."""

import numpy as np
import pytest
from scipy import stats

from igbatch.audit.checks.shifts import MAX_TESTED, shift


def test_p_is_wilcoxons_and_the_effect_follows_from_its_rank_sums() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=30)
    now = before + rng.normal(0.3, 1, 30)
    found, _ = shift("x", 0.5, now, before)
    ranks = stats.rankdata(np.abs(now - before))
    above, below = ranks[now > before].sum(), ranks[now < before].sum()
    assert found.effect == pytest.approx((above - below) / (above + below))
    assert found.p == pytest.approx(stats.wilcoxon(now - before).pvalue)
    assert (found.now, found.before, found.n) == (pytest.approx(now.mean()), pytest.approx(before.mean()), 30)


def test_values_that_all_rose_or_fell_have_the_largest_effect_and_equal_ones_none() -> None:
    before = np.arange(8.0)
    assert shift("x", 1.0, before + 1, before)[0].effect == 1.0
    assert shift("x", 1.0, before - 1, before)[0].effect == -1.0
    equal, _ = shift("x", 0.0, before, before)
    assert (equal.effect, equal.p) == (None, None)


def test_of_very_many_pairs_evenly_spaced_ones_are_tested() -> None:
    before = np.zeros(2 * MAX_TESTED)
    now = np.where(np.arange(len(before)) % 2 == 0, 1.0, -5.0)  # every other pair, which is tested, rose
    found, _ = shift("x", 1.0, now, before)
    assert found.effect == 1.0
    assert (found.n, found.now) == (2 * MAX_TESTED, -2.0)  # means are those of all
