import numpy as np
import pytest
from skimage.metrics import structural_similarity

from igbatch.statistics.likeness import MapLikeness, cell_sums, likeness, mean_likeness
from igbatch.statistics.similarity import map_features, similarity


def noise(seed: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)


def test_it_is_what_the_measures_of_a_randomization_study_say() -> None:
    one, other = noise(1), 0.1 * noise(1) + noise(2) / 50
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    measures = similarity(map_features(one), map_features(other), {"pair": (float(low), float(high))})
    found = likeness(one, other)
    assert found is not None
    assert found.per_map == pytest.approx(measures["ssim_own"])
    assert found.joint == pytest.approx(measures["ssim_pair"])
    assert found.ranks == measures["spearman_abs"]
    assert found.joint == pytest.approx(
        structural_similarity(one, other, data_range=float(high - low)), abs=1e-6
    )


def test_a_map_and_a_fainter_copy_differ_under_their_joint_range_alone() -> None:
    one = np.abs(noise(1))
    found = likeness(one, one / 100)
    assert found is not None
    assert (found.per_map, found.ranks) == (pytest.approx(1), pytest.approx(1))
    assert found.joint < 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [(noise(1), np.zeros((24, 24), np.float32)), (np.ones((24, 24), np.float32), noise(1)),
     (noise(1, 6), noise(2, 6))],
)  # fmt: skip
def test_constant_and_tiny_maps_cannot_be_compared(one: np.ndarray, other: np.ndarray) -> None:
    assert likeness(one, other) is None


def test_cells_add_absolute_values_and_lose_none() -> None:
    values = noise(3, 20)
    cells = cell_sums(values)
    assert cells.shape == (3, 3)
    assert cells[0, 1] == pytest.approx(np.abs(values[:8, 8:16]).sum())
    assert cells[2, 2] == pytest.approx(np.abs(values[16:, 16:]).sum())
    assert cells.sum() == pytest.approx(np.abs(values).sum())
    np.testing.assert_array_equal(cell_sums(values, 1), np.abs(values))


def test_means_are_by_measure() -> None:
    assert mean_likeness([]) is None
    assert mean_likeness([MapLikeness(1, 0.5, 0), MapLikeness(0, 0.5, 1)]) == MapLikeness(0.5, 0.5, 0.5)
