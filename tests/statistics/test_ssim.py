from time import perf_counter

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from igbatch.statistics.ssim import local_moments, mean_ssim, pair_moments

Map = NDArray[np.float32]


def index(one: Map, other: Map, width: float, other_width: float) -> float:
    moments, others = local_moments(one), local_moments(other)
    assert moments is not None
    assert others is not None
    return mean_ssim(pair_moments(moments, others, one, other), width, other_width)


def maps(shape: tuple[int, int], scale: float) -> tuple[Map, Map]:
    rng = np.random.default_rng(1)
    one = rng.standard_normal(shape).astype(np.float32)
    other = one + rng.standard_normal(shape).astype(np.float32)
    return one * np.float32(scale), other * np.float32(scale)


@pytest.mark.parametrize("scale", [1.0, 1e-7, 1e-12])
@pytest.mark.parametrize("shape", [(7, 7), (8, 31), (48, 56)])
def test_it_is_scikit_images(shape: tuple[int, int], scale: float) -> None:
    one, other = maps(shape, scale)
    a, b = one.astype(np.float64), other.astype(np.float64)
    for width in (0.5 * scale, 7 * scale, 1e6 * scale):
        expected = structural_similarity(a, b, data_range=width)
        assert index(one, other, width, width) == pytest.approx(expected, abs=1e-10)
        divided = structural_similarity(a / width, b / width, data_range=1)
        assert index(one, other, width, width) == pytest.approx(divided, abs=1e-10)
    own = structural_similarity(a / np.ptp(a), b / np.ptp(b), data_range=1)
    assert index(one, other, float(np.ptp(a)), float(np.ptp(b))) == pytest.approx(own, abs=1e-10)


def test_a_map_is_like_itself() -> None:
    one, _ = maps((20, 30), 1e-6)
    assert index(one, one, 2e-6, 2e-6) == pytest.approx(1, abs=1e-12)
    assert index(one, 2 * one, 3e-6, 6e-6) == pytest.approx(1, abs=1e-12)


def test_maps_below_the_window_have_no_moments() -> None:
    assert local_moments(np.ones((6, 40), dtype=np.float32)) is None


def test_four_ranges_cost_less_than_half_of_scikit_images() -> None:
    """The reason for our own; measured 17 ms against 2."""
    one, other = maps((224, 224), 1e-6)
    a, b = one.astype(np.float64), other.astype(np.float64)
    moments, others = local_moments(one), local_moments(other)
    assert moments is not None
    assert others is not None
    widths = (1e-6, 3e-6, 1e-5, 1e-4)

    def ours() -> None:
        pair = pair_moments(moments, others, one, other)
        for width in widths:
            mean_ssim(pair, width, width)

    def theirs() -> None:
        for width in widths:
            structural_similarity(a, b, data_range=width)

    def least(function: object) -> float:
        taken = []
        for _ in range(5):
            start = perf_counter()
            function()  # type: ignore[operator]
            taken.append(perf_counter() - start)
        return min(taken)

    assert least(ours) < 0.5 * least(theirs)
