from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import MeasuredMap, box_statistics, measure
from igbatch.statistics.image_stats import map_statistics

Map = NDArray[np.float32]
maps = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
    elements=st.floats(-1e3, 1e3, width=32),
)
SUMS = ("sum", "positive_sum", "negative_sum", "abs_sum")


def box(x_min: int, y_min: int, x_max: int, y_max: int, visible_fraction: float = 1.0) -> MappedBox:
    return MappedBox("bird-1", "bird", x_min, y_min, x_max, y_max, visible_fraction)


def whole(attribution: Map) -> MappedBox:
    return box(0, 0, attribution.shape[1], attribution.shape[0])


def one(attribution: Map, area: MappedBox) -> dict[str, Any]:
    (found,) = box_statistics(attribution, [area])
    return found


@given(maps)
def test_the_whole_map_as_a_box(attribution: Map) -> None:
    found, expected = one(attribution, whole(attribution)), map_statistics(attribution)
    for name in SUMS:
        assert found[name] == expected[name]
    assert found["pixels"] == attribution.size
    if expected["abs_sum"] > 0:
        assert found["share"] == 1
        assert found["density_ratio"] == 1
        assert found["contains_peak"] is True


@given(st.data(), maps)
def test_boxes_that_part_the_map_add_up_to_it(data: st.DataObject, attribution: Map) -> None:
    height, width = attribution.shape
    x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    parts = [box(0, 0, x, y), box(x, 0, width, y), box(0, y, x, height), box(x, y, width, height)]
    found = [row for row in box_statistics(attribution, parts) if row["pixels"]]
    total = one(attribution, whole(attribution))
    assert sum(row["pixels"] for row in found) == attribution.size
    for name in SUMS:
        added = sum(row[name] for row in found)
        assert added == pytest.approx(total[name], abs=1e-9)
    if total["share"] is not None:
        assert sum(row["share"] or 0.0 for row in found) == pytest.approx(1)
        weighted = sum((row["density_ratio"] or 0.0) * row["pixels"] for row in found)
        assert weighted / attribution.size == pytest.approx(1)
        assert sum(row["contains_peak"] is True for row in found) == 1


@given(st.data(), maps)
def test_sums_of_a_box_are_those_of_its_pixels(data: st.DataObject, attribution: Map) -> None:
    height, width = attribution.shape
    x_min, y_min = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    area = box(
        x_min, y_min, data.draw(st.integers(x_min + 1, width)), data.draw(st.integers(y_min + 1, height))
    )
    found = one(attribution, area)
    alone = np.zeros_like(attribution)
    alone[area.y_min : area.y_max, area.x_min : area.x_max] = attribution[
        area.y_min : area.y_max, area.x_min : area.x_max
    ]
    for name in SUMS:
        expected = map_statistics(alone)[name]
        assert found[name] == pytest.approx(expected, abs=1e-9)
    whole_abs_sum = map_statistics(attribution)["abs_sum"]
    if whole_abs_sum > 0:
        assert found["share"] == (found["abs_sum"] or 0) / whole_abs_sum
        assert 0 <= found["share"] <= 1 + 1e-12
    assert found["sum"] == (found["positive_sum"] or 0) + (found["negative_sum"] or 0)
    assert found["abs_sum"] == (found["positive_sum"] or 0) - (found["negative_sum"] or 0)


def test_density_does_not_depend_on_the_sign_or_scale() -> None:
    attribution = np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32)
    area = box(3, 4, 13, 9)
    reference = one(attribution, area)
    for factor in (np.float32(-1), np.float32(2**-30)):
        scaled = one(attribution * factor, area)
        assert scaled["share"] == reference["share"]
        assert scaled["density_ratio"] == reference["density_ratio"]
        assert scaled["contains_peak"] == reference["contains_peak"]


def test_the_peak_is_of_the_absolute_map() -> None:
    attribution = np.zeros((4, 4), dtype=np.float32)
    attribution[0, 0], attribution[3, 3] = 1, -2
    assert one(attribution, box(3, 3, 4, 4))["contains_peak"] is True
    assert one(attribution, box(0, 0, 3, 3))["contains_peak"] is False


def test_an_empty_map_has_no_share_and_no_peak() -> None:
    found = one(np.zeros((4, 4), dtype=np.float32), box(0, 0, 2, 2))
    assert found["abs_sum"] == 0
    assert found["share"] is found["density_ratio"] is found["contains_peak"] is None


def test_a_box_that_the_crop_removed_is_reported_without_sums() -> None:
    found = one(np.ones((4, 4), dtype=np.float32), box(0, 1, 0, 3, visible_fraction=0.0))
    assert found["box_id"] == "bird-1"
    assert found["pixels"] == 0
    assert found["visible_fraction"] == 0
    empty = ("sum", "positive_sum", "negative_sum", "abs_sum", "share", "density_ratio", "contains_peak")
    assert all(found[name] is None for name in empty)


@pytest.mark.parametrize("area", [box(0, 0, 5, 4), box(-1, 0, 2, 2), box(0, 3, 2, 5), box(3, 0, 2, 2)])
def test_a_box_outside_the_map_is_refused(area: MappedBox) -> None:
    with pytest.raises(InputError, match="reaches outside the map of 4 x 4"):
        box_statistics(np.ones((4, 4), dtype=np.float32), [area])


# All that is measured of a map

BOXES = (MappedBox("a", "bird", 0, 0, 3, 2, 1.0), MappedBox("b", "bird", 1, 1, 5, 4, 0.5))


def test_a_map_is_measured_by_itself_and_within_boxes() -> None:
    attribution = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    found, expected = measure(attribution, BOXES), map_statistics(attribution)
    assert found.not_finite == 0
    assert found.statistics is not None
    np.testing.assert_equal(found.statistics, expected)
    assert found.boxes == box_statistics(attribution, BOXES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_says_how_many_values_are_not(bad: float) -> None:
    attribution = np.ones((4, 5), dtype=np.float32)
    attribution[1, 2:4] = bad
    assert measure(attribution, BOXES) == MeasuredMap(2, None, [])


def test_a_map_is_not_measured_in_a_box_outside_of_it() -> None:
    with pytest.raises(InputError, match=r"box b .* reaches outside the map of 4 x 4"):
        measure(np.ones((4, 4), dtype=np.float32), BOXES)
