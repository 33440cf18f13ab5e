import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from igbatch.errors import InputError
from igbatch.statistics.edges import edge_features, edge_maps, edge_similarity
from igbatch.statistics.similarity import map_features

KEYS = ["sobel_spearman", "sobel_ssim", "canny_spearman", "canny_ssim"]


def square(side: int = 60) -> NDArray[np.float32]:
    """A bright square on gray, a little uneven."""
    pixels = np.full((side, side, 3), 0.4, dtype=np.float32)
    pixels[15:40, 20:45] = 0.9
    uneven = 0.05 * np.random.default_rng(0).random(pixels.shape)
    return (pixels + ndimage.gaussian_filter(uneven, (2, 2, 0))).astype(np.float32)


def noise(side: int = 60) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((side, side)).astype(np.float32)


def test_edges_lie_where_the_brightness_changes() -> None:
    edges = edge_maps(square())
    border = np.zeros((60, 60), dtype=bool)
    border[13:42, 18:47] = True
    border[17:38, 22:43] = False
    for edge in edges.values():
        assert edge.dtype == np.float32
        assert edge.shape == (60, 60)
        assert (edge >= 0).all()
        assert edge[border].sum() > 0.5 * edge.sum()
    assert (edges["canny"][~border] == 0).all()
    assert 0 < np.count_nonzero(edges["canny"]) < np.count_nonzero(border)


def test_the_weights_of_the_colours_are_those_of_rec_709() -> None:
    for channel, weight in enumerate((0.2125, 0.7154, 0.0721)):
        pixels = np.zeros((20, 20, 3), dtype=np.float32)
        pixels[:, 10:, channel] = 1
        white = np.repeat(pixels[..., channel, None], 3, axis=2)
        assert edge_maps(pixels)["sobel"] == pytest.approx(weight * edge_maps(white)["sobel"], abs=1e-6)


def test_similarities_are_those_of_scipy_and_scikit_image() -> None:
    attribution = 1e-7 * noise()
    found = edge_similarity(map_features(attribution), edge_features(square()))
    assert list(found) == KEYS
    magnitudes = np.abs(attribution.astype(np.float64))
    for name, edge in edge_maps(square()).items():
        spearman = stats.spearmanr(magnitudes, edge, axis=None).statistic
        assert found[f"{name}_spearman"] == pytest.approx(spearman, abs=1e-7)
        scaled = (edge / edge.max()).astype(np.float64)
        ssim = structural_similarity(magnitudes / magnitudes.max(), scaled, data_range=1)
        assert found[f"{name}_ssim"] == pytest.approx(ssim, abs=1e-10)


@pytest.mark.parametrize("name", ["sobel", "canny"])
def test_an_edge_detector_is_found_out_whatever_its_signs_and_scale(name: str) -> None:
    signs = np.sign(noise())
    detector = (-1e-9 * signs * edge_maps(square())[name]).astype(np.float32)
    found = edge_similarity(map_features(detector), edge_features(square()))
    assert found[f"{name}_spearman"] == pytest.approx(1, abs=1e-6)
    assert found[f"{name}_ssim"] == pytest.approx(1, abs=1e-6)


def test_what_is_undefined() -> None:
    flat = np.full((60, 60, 3), 0.5, dtype=np.float32)
    assert edge_similarity(map_features(noise()), edge_features(flat)) == dict.fromkeys(KEYS)
    zero = map_features(np.zeros((60, 60), dtype=np.float32))
    assert edge_similarity(zero, edge_features(square())) == dict.fromkeys(KEYS)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"\[height, width, 3\]"):
        edge_maps(np.zeros((20, 20), dtype=np.float32))
    with pytest.raises(InputError, match="cannot be compared"):
        edge_similarity(map_features(noise(50)), edge_features(square()))
