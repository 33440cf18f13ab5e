import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage.feature import hog
from skimage.metrics import structural_similarity

from igbatch.errors import InputError
from igbatch.statistics.similarity import map_features, similarity

Map = NDArray[np.float32]
INVARIANT = ("spearman", "spearman_abs", "hog", "ssim_own", "difference_own")


def smooth(seed: int, shape: tuple[int, int] = (60, 70), scale: float = 1e-3) -> Map:
    """A map with structure, some pixels of it alike."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    smoothed = ndimage.gaussian_filter(noise, 2)
    smoothed[np.abs(smoothed) < 0.02] = 0
    return (scale * smoothed).astype(np.float32)


def compare(one: Map, other: Map, **ranges: tuple[float, float]) -> dict[str, float | None]:
    return similarity(map_features(one), map_features(other), ranges)


def joint(*maps: Map) -> tuple[float, float]:
    return float(min(each.min() for each in maps)), float(max(each.max() for each in maps))


@pytest.mark.parametrize("scale", [1e-3, 1e-9])
def test_every_measure_is_what_the_page_says(scale: float) -> None:
    one, other = smooth(0, scale=scale), smooth(1, scale=3 * scale)
    ranges = {"pair": joint(one, other), "dataset": (-scale, 40 * scale)}
    found = compare(one, other, **ranges)
    a, b = one.astype(np.float64), other.astype(np.float64)

    def rms(gap: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean(gap**2)))

    expected = {
        "spearman": stats.spearmanr(a, b, axis=None).statistic,
        "spearman_abs": stats.spearmanr(np.abs(a), np.abs(b), axis=None).statistic,
        "hog": stats.pearsonr(*(hog(each / np.abs(each).max(), 9, (16, 16), (3, 3)) for each in (a, b)))[0],
        "difference": rms(a - b),
        "ssim_own": structural_similarity(a / np.ptp(a), b / np.ptp(b), data_range=1),
        "difference_own": rms(a / np.ptp(a) - b / np.ptp(b)),
    }
    for name, (minimum, maximum) in ranges.items():
        width = maximum - minimum
        expected[f"ssim_{name}"] = structural_similarity(a, b, data_range=width)
        expected[f"difference_{name}"] = rms(a - b) / width
    assert list(found) == list(expected)
    for name, value in expected.items():
        if name.startswith("difference"):
            assert found[name] == pytest.approx(value, rel=1e-12), name
        else:
            assert found[name] == pytest.approx(value, abs=1e-10 if "ssim" in name else 1e-7), name


def test_it_is_symmetric() -> None:
    one, other = smooth(0), smooth(1, scale=0.5)
    forth = compare(one, other, pair=joint(one, other))
    back = compare(other, one, pair=joint(one, other))
    assert forth == pytest.approx(back, rel=1e-12)


def test_a_map_is_like_itself_under_every_range() -> None:
    one = smooth(0)
    found = compare(one, one, pair=joint(one), dataset=(-7.0, 2.0))
    for name, value in found.items():
        assert value == pytest.approx(0 if name.startswith("difference") else 1, abs=1e-7), name


@pytest.mark.parametrize("exponent", [-40, -27, 10])
def test_what_a_gain_cannot_change(exponent: int) -> None:
    """2^-40 is 9e-13; maps of random models are of 1e-7 and less."""
    one, other = smooth(0), smooth(1)
    reference = compare(one, other)
    found = compare(np.ldexp(one, exponent), np.ldexp(other, exponent))
    mixed = compare(np.ldexp(one, exponent), other)
    for name in INVARIANT:
        assert found[name] == pytest.approx(reference[name], abs=1e-12)
        assert mixed[name] == pytest.approx(reference[name], abs=1e-12)
    assert found["difference"] == pytest.approx(np.ldexp(reference["difference"], exponent))


def test_what_a_min_max_mapping_cannot_change() -> None:
    """Under every normalization rank correlation and HOG are those of raw attributions."""
    one, other = smooth(0), smooth(1)
    minimum, maximum = joint(one, other)
    mapped = [(each.astype(np.float64) - minimum) / (maximum - minimum) for each in (one, other)]
    found = compare(one, other)
    assert found["spearman"] == pytest.approx(stats.spearmanr(*mapped, axis=None).statistic, abs=1e-7)
    features = [hog(each, 9, (16, 16), (3, 3)) for each in mapped]
    assert found["hog"] == pytest.approx(stats.pearsonr(*features)[0], abs=1e-4)  # but for the norm's epsilon


def test_the_range_decides_whether_a_faint_map_resembles_a_strong_one() -> None:
    """What a study tests: one shape, two scales; alike by per-map ranges, different by the pair's."""
    strong = smooth(0)
    faint = strong / 64
    found = compare(strong, faint, pair=joint(strong, faint), dataset=(-1.0, 1.0))
    assert found["ssim_own"] == pytest.approx(1, abs=1e-12)
    assert found["difference_own"] == pytest.approx(0, abs=1e-12)
    assert found["ssim_pair"] is not None
    assert found["ssim_pair"] < 0.5
    assert found["ssim_dataset"] == pytest.approx(1, abs=1e-2)


def test_constant_maps() -> None:
    zero, one = np.zeros((60, 70), dtype=np.float32), smooth(0)
    found = compare(zero, one, pair=joint(zero, one), flat=(1.0, 1.0))
    named = {"difference", "ssim_pair", "difference_pair"}
    assert {name for name, value in found.items() if value is not None} == named
    both = compare(zero, zero + 1, dataset=(-1.0, 1.0))
    assert both["difference"] == 1
    assert both["difference_dataset"] == 0.5
    assert both["spearman"] is both["hog"] is both["ssim_own"] is None


def test_signs_alone() -> None:
    signs = np.where(np.random.default_rng(0).random((50, 50)) < 0.5, -1, 1).astype(np.float32)
    found = compare(signs, -signs)
    assert found["spearman"] == pytest.approx(-1)
    assert found["spearman_abs"] is None


@pytest.mark.parametrize(("side", "cell"), [(47, 15), (48, 16), (3, 1)])
def test_small_maps_have_smaller_hog_cells(side: int, cell: int) -> None:
    one, other = (np.random.default_rng(seed).random((side, 60)).astype(np.float32) for seed in (0, 1))
    features = [hog(each.astype(np.float64) / each.max(), 9, (cell, cell), (3, 3)) for each in (one, other)]
    assert compare(one, other)["hog"] == pytest.approx(stats.pearsonr(*features)[0], abs=1e-7)


def test_maps_that_are_too_small() -> None:
    two = compare(*(np.random.default_rng(seed).random((2, 5)).astype(np.float32) for seed in (0, 1)))
    assert two["hog"] is two["ssim_own"] is None
    assert two["spearman"] is not None


@given(
    st.integers(3, 12).flatmap(
        lambda side: st.tuples(
            *2 * [npst.arrays(np.float32, (side, side), elements=st.floats(-1e3, 1e3, width=32))]
        )
    )
)
def test_values_are_none_or_within_their_bounds(maps: tuple[Map, Map]) -> None:
    found = compare(*maps, pair=joint(*maps))
    for name, value in found.items():
        if value is None:
            continue
        if name.startswith("difference"):
            assert value >= 0
            assert name != "difference_pair" or value <= 1 + 1e-9
        else:
            assert -1 - 1e-9 <= value <= 1 + 1e-9


def test_bad_input_is_refused() -> None:
    one = map_features(smooth(0))
    with pytest.raises(InputError, match="cannot be compared"):
        similarity(one, map_features(smooth(0, (60, 71))), {})
    for wrong in ((1.0, 0.0), (np.nan, 1.0), (0.0, np.inf)):
        with pytest.raises(InputError, match="range 'pair'"):
            similarity(one, one, {"pair": wrong})
    with pytest.raises(InputError, match="NaN or infinite"):
        map_features(np.full((8, 8), np.nan, dtype=np.float32))
    with pytest.raises(InputError, match=r"\[height, width\]"):
        map_features(np.zeros((2, 8, 8), dtype=np.float32))
