import math

import numpy as np
import pytest
from numpy.typing import NDArray

from igbatch.statistics.complexity import BINS, complexity, efficient_score, spread_entropy


def noise(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((50, 60)).astype(np.float32)


def test_known_entropies() -> None:
    even = np.linspace(0, 1, BINS * 7, dtype=np.float32).reshape(-1, 7)
    assert complexity(even) == pytest.approx(math.log(BINS), abs=2e-4)  # edges take a value each
    halves = np.repeat(np.float32([-1, 1]), 50).reshape(10, 10)
    assert complexity(halves) == pytest.approx(math.log(2))
    assert spread_entropy(halves) == pytest.approx(math.log(100))
    one = np.zeros((10, 10), dtype=np.float32)
    one[3, 4] = -2
    assert spread_entropy(one) == 0
    assert complexity(one) == pytest.approx(-0.01 * math.log(0.01) - 0.99 * math.log(0.99))


def test_scale_sign_and_order_do_not_matter() -> None:
    attribution = noise(0)
    shuffled = np.random.default_rng(1).permutation(attribution.ravel()).reshape(attribution.shape)
    for function in (complexity, spread_entropy):
        reference = function(attribution)
        for changed in (np.ldexp(attribution, -40), shuffled):
            assert function(changed) == pytest.approx(reference)
    assert spread_entropy(-attribution) == pytest.approx(spread_entropy(attribution))
    assert complexity(-attribution) == pytest.approx(
        complexity(attribution), rel=1e-2
    )  # but for values on edges


def test_what_has_no_complexity() -> None:
    for level in (0.0, 1e-30, 3.0):
        assert complexity(np.full((9, 9), level, dtype=np.float32)) is None
    assert spread_entropy(np.zeros((9, 9), dtype=np.float32)) is None
    assert spread_entropy(np.full((9, 9), 1e-30, dtype=np.float32)) == pytest.approx(math.log(81))


def test_the_score_is_the_relative_rise() -> None:
    assert efficient_score(3.0, 2.0) == 0.5
    assert efficient_score(2.0, 2.0) == 0
    assert efficient_score(None, 2.0) is efficient_score(2.0, None) is efficient_score(1.0, 0.0) is None


def test_noise_is_more_complex_than_a_few_pixels() -> None:
    few = np.zeros((50, 60), dtype=np.float32)
    few[10:12, 20:23] = 1
    score = efficient_score(complexity(noise(0)), complexity(few))
    assert score is not None
    assert score > 1
