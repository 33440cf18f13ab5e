"""Statistics in torch are those of numpy: counts, ranks and peaks the same, sums within the stated bound."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import MeasuredMap, measure
from igbatch.statistics.device import launch_map_statistics, unpack_map_statistics
from igbatch.statistics.histogram import EDGES, N_SIDE
from igbatch.statistics.partitions import LabelMap
from igbatch.statistics.patches import PATCH_SIZES

Maps = NDArray[np.float32]
SMALLEST, LARGEST = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
SUMS = ("sum", "positive_sum", "negative_sum", "abs_sum")
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def beside(value: np.float32) -> tuple[np.float32, np.float32]:
    """Return the float32 below a value and the one above it."""
    return np.nextafter(value, np.float32(-np.inf)), np.nextafter(value, np.float32(np.inf))


EDGES32 = EDGES.astype(np.float32)
NEAR_EDGES = [float(near) for edge in EDGES32 for near in (edge, *beside(edge))]
SPECIAL = [float(np.float32(each)) for each in (0.0, SMALLEST, 1e-40, LARGEST, 1.0)]
special = st.sampled_from([sign * each for each in SPECIAL for sign in (1, -1)])
values = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(-(2**-10), 2**-10, width=32),
    st.sampled_from([sign * each for each in NEAR_EDGES for sign in (1, -1)]),
    special,
)
shapes = npst.array_shapes(min_dims=3, max_dims=3, max_side=9)
batches = npst.arrays(np.float32, shapes, elements=values, fill=special)
"""Maps [n, H, W]; many of them hold one value many times, so that extremes and peaks are tied."""


@st.composite
def boxes_in(draw: st.DrawFn, height: int, width: int) -> list[MappedBox]:
    """Boxes within a map, those without a pixel and the whole map among them."""

    def edges(length: int) -> tuple[int, int]:
        low, high = sorted((draw(st.integers(0, length)), draw(st.integers(0, length))))
        return low, high

    boxes = [MappedBox("whole", "bird", 0, 0, width, height, 1.0)]
    for number in range(draw(st.integers(0, 3))):
        (x_min, x_max), (y_min, y_max) = edges(width), edges(height)
        boxes.append(MappedBox(f"b{number}", "bird", x_min, y_min, x_max, y_max, 0.5))
    return boxes


def on(
    device: str, maps: Maps, boxes: Sequence[MappedBox], label_maps: Sequence[LabelMap] = ()
) -> list[MeasuredMap]:
    found = launch_map_statistics(torch.from_numpy(maps).to(device), boxes, label_maps)
    return unpack_map_statistics(found.cpu().numpy(), boxes, maps.shape[1:], label_maps)


def assert_alike(found: MeasuredMap, expected: MeasuredMap, pixels: int) -> None:
    """Hold a map's numbers against numpy's; see `launch_map_statistics` for the bound."""
    assert found.not_finite == expected.not_finite
    assert (found.statistics is None) == (expected.statistics is None)
    if found.statistics is None or expected.statistics is None:
        assert found.boxes == expected.boxes == []
        return
    off = pixels * 2.0**-52
    slack = off * expected.statistics["abs_sum"]
    for name, value in expected.statistics.items():
        mine = found.statistics[name]
        if name == "histogram":
            np.testing.assert_array_equal(mine, value)
            assert mine.dtype == np.int32
        elif name == "patches":
            for entry, other in zip(mine, value, strict=True):
                assert (entry["size"], entry["n_maps"]) == (other["size"], 1)
                assert entry["minimum"] == pytest.approx(other["minimum"], abs=slack)
                assert entry["maximum"] == pytest.approx(other["maximum"], abs=slack)
                # a sum that cancels may round to either side of an edge
                assert entry["histogram"].sum() == other["histogram"].sum()
        elif name in SUMS:
            assert abs(mine - value) <= slack, name
        else:
            assert mine == value, name
    assert_identities(found.statistics)
    for box, other in zip(found.boxes, expected.boxes, strict=True):
        for name, value in other.items():
            mine = box[name]
            if name in SUMS and value is not None:
                assert abs(mine - value) <= off * (other["abs_sum"] or 0.0), name
            elif name in ("share", "density_ratio") and value is not None:
                assert math.isclose(mine, value, rel_tol=4 * off), name
            else:
                assert (mine, type(mine)) == (value, type(value)), name
        if box["pixels"]:
            assert_identities(box)


def assert_identities(numbers: object) -> None:
    assert isinstance(numbers, dict)
    assert numbers["sum"] == numbers["positive_sum"] + numbers["negative_sum"]
    assert numbers["abs_sum"] == numbers["positive_sum"] - numbers["negative_sum"]
    assert numbers["negative_sum"] <= 0 <= numbers["positive_sum"]


@pytest.mark.parametrize("device", DEVICES)
@given(data=st.data(), maps=batches)
def test_the_numbers_are_those_of_numpy(device: str, data: st.DataObject, maps: Maps) -> None:
    boxes = data.draw(boxes_in(*maps.shape[1:]))
    found = on(device, maps, boxes)
    assert len(found) == len(maps)
    for one, attribution in zip(found, maps, strict=True):
        assert_alike(one, measure(attribution, boxes), attribution.size)


@pytest.mark.parametrize("device", DEVICES)
def test_the_numbers_of_maps_of_the_models_size_are_those_of_numpy(device: str) -> None:
    noise = np.random.default_rng(0).standard_cauchy((4, 224, 224)) * [[[1e-12]], [[1e-5]], [[1.0]], [[1e20]]]
    boxes = [MappedBox("a", "bird", 3, 7, 150, 201, 1.0), MappedBox("b", "bird", 0, 0, 224, 224, 1.0)]
    maps = noise.astype(np.float32)
    cells = np.arange(224 * 224, dtype=np.int64).reshape(224, 224)
    label_maps = (
        LabelMap("superpixels", (cells // 391).astype(np.uint16)),  # more than are added up at once
        LabelMap("objects", (cells > 40_000).astype(np.uint16), ("background", "bird-1")),
    )
    for one, attribution in zip(on(device, maps, boxes, label_maps), maps, strict=True):
        assert_alike(one, measure(attribution, boxes, label_maps), attribution.size)


@pytest.mark.parametrize("device", DEVICES)
@given(edge=st.sampled_from(range(N_SIDE)), sign=st.sampled_from([-1, 1]))
@example(edge=0, sign=1)
@example(edge=0, sign=-1)
def test_values_beside_an_edge_are_counted_where_float64_puts_them(device: str, edge: int, sign: int) -> None:
    """float32 cannot hold most edges; the counts are those of the values themselves."""
    near = np.float32(EDGES[edge])
    maps = np.float32(sign) * np.array([[[near, *beside(near)]]], dtype=np.float32)
    (found,) = on(device, maps, [])
    assert found.statistics is not None
    counted = np.flatnonzero(found.statistics["histogram"])
    above = int(np.count_nonzero(np.abs(maps.astype(np.float64)) >= EDGES[edge]))
    assert found.statistics["histogram"][N_SIDE + sign * (edge + 1)] == above
    assert found.statistics["histogram"][N_SIDE + sign * edge] == 3 - above
    assert len(counted) == 2


@pytest.mark.parametrize("device", DEVICES)
def test_of_peaks_that_are_tied_the_first_by_rows_counts(device: str) -> None:
    maps = np.zeros((1, 40, 50), dtype=np.float32)
    maps[0, 7, 30], maps[0, 7, 31], maps[0, 9, 2] = -2, 2, 2
    parts = [(30, 7), (31, 7), (2, 9)]
    boxes = [MappedBox(str(place), "bird", *place, place[0] + 1, place[1] + 1, 1.0) for place in parts]
    (found,) = on(device, maps, boxes)
    assert [box["contains_peak"] for box in found.boxes] == [True, False, False]


@pytest.mark.parametrize("device", DEVICES)
def test_a_map_of_zeros_has_no_negative_zero_no_share_and_no_peak(device: str) -> None:
    maps = np.array([[[-0.0, 0.0], [0.0, -0.0]], [[-0.0, -0.0], [-0.0, -0.0]]], dtype=np.float32)
    boxes = [MappedBox("a", "bird", 0, 0, 1, 2, 1.0)]
    for one, attribution in zip(on(device, maps, boxes), maps, strict=True):
        for measured in (one, measure(attribution, boxes)):
            assert measured.statistics is not None
            plain = [name for name in measured.statistics if name not in ("histogram", "patches")]
            numbers = [measured.statistics[name] for name in plain]
            ends = measured.statistics["patches"]
            numbers += [entry[end] for entry in ends for end in ("minimum", "maximum")]
            assert [math.copysign(1, value) for value in numbers] == [1.0] * len(numbers)  # type: ignore[arg-type]
            (box,) = measured.boxes
            assert box["abs_sum"] == 0
            assert box["share"] is box["density_ratio"] is box["contains_peak"] is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_told_and_leaves_its_neighbours_alone(device: str, bad: float) -> None:
    maps = np.random.default_rng(0).standard_normal((3, 5, 6)).astype(np.float32)
    maps[1, 2, :4] = bad
    boxes = [MappedBox("a", "bird", 1, 1, 5, 4, 1.0)]
    found = on(device, maps, boxes)
    assert found[1] == MeasuredMap(4, None, [])
    for number in (0, 2):
        assert_alike(found[number], measure(maps[number], boxes), 30)


@pytest.mark.parametrize("place", [(0, 0, 5, 4), (-1, 0, 2, 2), (0, 3, 2, 5), (3, 0, 2, 2)])
def test_a_box_outside_the_maps_is_refused_in_the_words_of_numpy(place: tuple[int, int, int, int]) -> None:
    boxes = [MappedBox("ok", "bird", 0, 0, 4, 4, 1.0), MappedBox("a", "bird", *place, 1.0)]
    maps = np.ones((2, 4, 4), dtype=np.float32)
    with pytest.raises(InputError) as expected:
        measure(maps[0], boxes)
    with pytest.raises(InputError) as found:
        on("cpu", maps, boxes)
    assert str(found.value) == str(expected.value)


def test_the_numbers_come_to_the_host_in_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[torch.Size] = []
    real = torch.Tensor.cpu

    def cpu(tensor: torch.Tensor) -> torch.Tensor:
        copies.append(tensor.shape)
        return real(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    maps = np.random.default_rng(0).standard_normal((3, 8, 8)).astype(np.float32)
    boxes = [MappedBox("a", "bird", 1, 1, 5, 4, 1.0), MappedBox("b", "bird", 0, 0, 2, 2, 1.0)]
    for number_of_boxes in (0, 2):
        copies.clear()
        on("cpu", maps, boxes[:number_of_boxes])
        assert [shape[0] for shape in copies] == [3]
        (shape,) = copies
        patches = (1 + len(PATCH_SIZES)) * (2 + 2 * N_SIDE)
        assert shape[1] == 2 + 5 + 2 * N_SIDE + patches + 2 * (1 + number_of_boxes)
