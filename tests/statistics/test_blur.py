"""A blurred map: its sum stays, a flat one stays flat, and the device blurs as the host does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from igbatch.statistics.blur import BLURRED, SIGMA, blur, blur_matrix
from igbatch.statistics.device import launch_map_statistics, unpack_map_statistics
from igbatch.statistics.partitions import Partition

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(
    attribution=shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-1, 1, width=32)))
)
def test_the_sum_stays_as_with_any_partition(attribution: NDArray[np.float32]) -> None:
    partition = Partition(BLURRED)
    blurred = partition.sums(attribution)
    assert abs(blurred.sum() - attribution.sum(dtype=np.float64)) <= 1e-12 * np.abs(attribution).sum(
        dtype=float
    )
    assert np.abs(blurred).max() <= float(np.abs(attribution).max()) * (1 + 1e-12)
    assert (
        partition.over_pixels(blurred, attribution.shape) is blurred
        or (partition.over_pixels(blurred, attribution.shape) == blurred).all()
    )


@pytest.mark.parametrize("side", [1, 5, 31, 224])
def test_whatever_leaves_a_pixel_arrives_at_others(side: int) -> None:
    matrix = blur_matrix(side)
    assert matrix == pytest.approx(matrix.T, abs=1e-15)
    assert matrix.sum(0) == pytest.approx(np.ones(side), abs=1e-14)
    assert (matrix >= 0).all()


def test_one_pixel_becomes_a_gaussian() -> None:
    attribution = np.zeros((64, 64), np.float32)
    attribution[32, 32] = 1
    blurred = blur(attribution)
    for away in ((0, 3), (4, 0), (5, 5)):
        found = blurred[32 + away[0], 32 + away[1]] / blurred[32, 32]
        assert found == pytest.approx(np.exp(-(away[0] ** 2 + away[1] ** 2) / (2 * SIGMA**2)))


def test_its_ends_are_those_of_the_device() -> None:
    attribution = np.random.default_rng(0).normal(size=(2, 40, 56)).astype(np.float32)
    numbers = launch_map_statistics(torch.from_numpy(attribution), []).numpy()
    for one, values in zip(unpack_map_statistics(numbers, [], (40, 56)), attribution, strict=True):
        assert one.statistics is not None
        entry = one.statistics["patches"][0]
        assert entry["size"] == BLURRED
        assert (entry["minimum"], entry["maximum"]) == pytest.approx((blur(values).min(), blur(values).max()))
        assert entry["histogram"].sum() == values.size
