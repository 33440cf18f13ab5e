import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.localization import PARTS, TOP, localization

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
MEASURES = ("pointing", "mass", "rank", "topk")


def region(shape: tuple[int, int], x_min: int, y_min: int, x_max: int, y_max: int) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[y_min:y_max, x_min:x_max] = True
    return mask


def noise(seed: int, shape: tuple[int, int] = (30, 40)) -> Map:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_published_formulas(seed: int) -> None:
    """Without ties: written with sets of pixels, as in the papers."""
    attribution, mask = noise(seed), region((30, 40), 4, 5, 31, 17)
    found = localization(attribution, mask)
    parts = {
        "positive": np.where(attribution > 0, attribution, 0),
        "negative": np.where(attribution < 0, -attribution, 0),
        "absolute": np.abs(attribution),
    }
    truth = set(np.flatnonzero(mask))
    for name, part in parts.items():
        order = sorted(range(part.size), key=lambda pixel, part=part: -part.flat[pixel])
        top = round(TOP * part.size)
        assert found[f"{name}_pointing"] is (order[0] in truth)
        mass = sum(float(part.flat[pixel]) for pixel in truth) / sum(map(float, part.flat))
        assert found[f"{name}_mass"] == pytest.approx(mass)
        assert found[f"{name}_rank"] == pytest.approx(len(truth & set(order[: len(truth)])) / len(truth))
        assert found[f"{name}_topk"] == pytest.approx(len(truth & set(order[:top])) / top)


def test_signs_are_told_apart() -> None:
    """A bird that counts for and surroundings that count against: the sum over all would be 0."""
    mask = region((20, 20), 2, 3, 12, 9)
    attribution = np.where(mask, 1.0, -60 / 340).astype(np.float32)
    assert float(attribution.sum(dtype=np.float64)) == pytest.approx(0, abs=1e-4)
    found = localization(attribution, mask)
    assert [found[f"positive_{measure}"] for measure in MEASURES] == [True, 1, 1, 1]
    assert [found[f"negative_{measure}"] for measure in MEASURES] == [False, 0, 0, 0]
    assert found["absolute_mass"] == pytest.approx(0.5)
    assert localization(-attribution, mask)["negative_mass"] == 1


@given(
    st.data(),
    npst.arrays(
        np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-2, 2)
    ),
)
def test_ties_prefer_no_place(data: st.DataObject, attribution: Map) -> None:
    mask = data.draw(npst.arrays(np.bool_, attribution.shape))
    found = localization(attribution, mask)
    order = data.draw(st.permutations(range(attribution.size)))
    shuffled, moved = attribution.ravel()[order], mask.ravel()[order]
    again = localization(shuffled.reshape(mask.shape), moved.reshape(mask.shape))
    for name, value in found.items():
        assert value is None or 0 <= value <= 1
        if not name.endswith("pointing"):
            assert again[name] == (value if value is None else pytest.approx(value)), name


@given(st.integers(1, 99), st.integers(1, 100))
def test_a_map_without_preference_scores_the_regions_share(inside: int, level: int) -> None:
    mask = (np.arange(100) < inside).reshape(10, 10)
    found = localization(np.full((10, 10), level, dtype=np.float32), mask)
    for part in ("positive", "absolute"):
        for measure in ("mass", "rank", "topk"):
            assert found[f"{part}_{measure}"] == pytest.approx(inside / 100)


def test_ties_at_the_last_place_share_it() -> None:
    attribution = np.array([[3, 2, 2, 2], [1, 0, 0, 0]], dtype=np.float32)
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    found = localization(attribution, mask)
    assert found["positive_rank"] == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_absolute_part_agrees_with_the_boxes_statistics(seed: int) -> None:
    attribution = noise(seed).round()  # with ties for the peak
    (box,) = box_statistics(attribution, [MappedBox("b", "bird", 4, 5, 31, 17, 1.0)])
    found = localization(attribution, region((30, 40), 4, 5, 31, 17))
    assert found["absolute_mass"] == pytest.approx(box["share"])
    assert found["absolute_pointing"] == box["contains_peak"]


def test_it_does_not_depend_on_scale() -> None:
    attribution, mask = noise(0), region((30, 40), 4, 5, 31, 17)
    reference = localization(attribution, mask)
    assert localization(np.ldexp(attribution, -40), mask) == pytest.approx(reference)


def test_what_is_undefined() -> None:
    positive, mask = np.abs(noise(0)), region((30, 40), 4, 5, 31, 17)
    keys = [f"{part}_{measure}" for part in PARTS for measure in MEASURES]
    found = localization(positive, mask)
    assert list(found) == keys
    assert {name for name, value in found.items() if value is None} == {f"negative_{m}" for m in MEASURES}
    assert localization(positive, np.zeros_like(mask)) == dict.fromkeys(keys)
    assert localization(np.zeros_like(positive), mask) == dict.fromkeys(keys)
    everywhere = localization(positive, np.ones_like(mask))
    assert [everywhere[f"absolute_{measure}"] for measure in MEASURES] == [True, 1, 1, 1]


def test_a_region_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"a region of shape \(3, 4\)"):
        localization(noise(0), np.ones((3, 4), dtype=bool))
