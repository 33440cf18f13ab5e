import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy import stats

from igbatch.statistics.ranks import correlation, standard, standard_ranks

tied = npst.arrays(np.float32, st.integers(2, 60), elements=st.integers(-3, 3))


@given(tied)
def test_ranks_are_scipys_average_ranks(values: NDArray[np.float32]) -> None:
    found, ranks = standard_ranks(values), stats.rankdata(values)
    if np.ptp(values) == 0:
        assert found is None
    else:
        assert found is not None
        centred = ranks - ranks.mean()
        assert found == pytest.approx(centred / np.linalg.norm(centred), abs=1e-7)


@given(st.data(), tied)
def test_the_dot_product_is_spearmans_correlation(data: st.DataObject, one: NDArray[np.float32]) -> None:
    other = data.draw(npst.arrays(np.float32, one.shape, elements=st.integers(-3, 3)))
    found = correlation(standard_ranks(one), standard_ranks(other))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-7)


def test_signed_zeros_are_ties() -> None:
    values = np.array([0.0, -0.0, 1.0], dtype=np.float32)
    found = standard_ranks(values)
    assert found is not None
    assert found[0] == found[1]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-30, 3e7])
def test_a_constant_has_no_correlation(constant: float) -> None:
    assert standard(np.full((7, 9), constant)) is None
    assert standard_ranks(np.full((7, 9), constant, dtype=np.float32)) is None


def test_a_vector_correlates_wholly_with_itself() -> None:
    values = np.random.default_rng(0).standard_normal(50_000)
    assert correlation(standard(values), standard(values)) == pytest.approx(1, abs=1e-7)
    assert correlation(standard(values), standard(-values)) == pytest.approx(-1, abs=1e-7)
