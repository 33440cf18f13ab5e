"""Sums over patches: a partition of a map, whose sums add up to the map's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from igbatch.statistics.blur import BLURRED
from igbatch.statistics.partitions import Partition
from igbatch.statistics.patches import PATCH_SIZES, over_pixels, patch_statistics, patch_sums

maps = arrays(
    np.float32, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.floats(-1, 1, width=32)
)


@given(attribution=maps, size=st.sampled_from((1, *PATCH_SIZES)))
def test_patches_are_a_partition_whose_sums_add_up(attribution: np.ndarray, size: int) -> None:
    sums = patch_sums(attribution, size)
    height, width = attribution.shape
    assert sums.shape == (-(-height // size), -(-width // size))
    off = 1e-12 * np.abs(attribution).sum(dtype=np.float64)
    assert abs(sums.sum() - attribution.sum(dtype=np.float64)) <= off
    shown = over_pixels(sums, size, attribution.shape)
    assert shown.shape == attribution.shape
    for row in range(height):
        for column in range(0, width, size):
            assert shown[row, column] == sums[row // size, column // size]


def test_a_patch_is_the_sum_of_its_pixels_and_edges_have_what_is_left() -> None:
    attribution = np.arange(30, dtype=np.float32).reshape(5, 6)
    expected = [
        [attribution[:4, :4].sum(), attribution[:4, 4:].sum()],
        [attribution[4:, :4].sum(), attribution[4:, 4:].sum()],
    ]
    np.testing.assert_array_equal(patch_sums(attribution, 4), expected)
    np.testing.assert_array_equal(patch_sums(attribution, 8), [[attribution.sum()]])
    np.testing.assert_array_equal(patch_sums(attribution, 1), attribution)


@given(attribution=maps)
def test_statistics_are_those_of_the_sums(attribution: np.ndarray) -> None:
    for entry, size in zip(patch_statistics(attribution), (BLURRED, *PATCH_SIZES), strict=True):
        sums = Partition(size).sums(attribution)
        assert (entry["size"], entry["minimum"], entry["maximum"]) == (size, sums.min(), sums.max())
        assert entry["histogram"].sum() == sums.size
        assert entry["n_maps"] == 1


def test_signs_cancel_inside_of_a_patch_and_not_beyond() -> None:
    attribution = np.zeros((8, 8), dtype=np.float32)
    attribution[0, 0], attribution[0, 1], attribution[0, 4] = 0.25, -0.25, 0.5
    assert patch_sums(attribution, 4).tolist() == [[0.0, 0.5], [0.0, 0.0]]
    assert patch_sums(attribution, 8).item() == pytest.approx(0.5)
