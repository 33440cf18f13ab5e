from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from igbatch.images.boxes import Box
from igbatch.images.geometry import Geometry, MappedBox
from igbatch.images.preprocessing import Preprocessing

MEAN: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@st.composite
def preprocessings(draw: st.DrawFn) -> Preprocessing:
    options: dict[str, Any] = {
        "input_size": (3, draw(st.integers(16, 240)), draw(st.integers(16, 240))),
        "crop_mode": draw(st.sampled_from(["center", "squash"])),
        "crop_pct": draw(st.floats(0.6, 1.0)),
        "interpolation": "bilinear",
    }
    return Preprocessing(**options, **MEAN)


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int, smallest: int = 1) -> Box:
    x_min = draw(st.integers(0, width - smallest))
    y_min = draw(st.integers(0, height - smallest))
    x_max = draw(st.integers(x_min + smallest, width))
    y_max = draw(st.integers(y_min + smallest, height))
    return Box("bird-1", "bird", x_min, y_min, x_max, y_max)


sizes = st.tuples(st.integers(1, 500), st.integers(1, 500))


def corners(box: Box | MappedBox) -> tuple[int, int, int, int]:
    return box.x_min, box.y_min, box.x_max, box.y_max


def contains(outer: Box | MappedBox, inner: Box | MappedBox) -> bool:
    return (
        outer.x_min <= inner.x_min
        and outer.y_min <= inner.y_min
        and inner.x_max <= outer.x_max
        and inner.y_max <= outer.y_max
    )


@given(st.data(), preprocessings(), sizes)
def test_a_box_within_a_box_stays_within_it(
    data: st.DataObject, preprocessing: Preprocessing, size: tuple[int, int]
) -> None:
    geometry = preprocessing.geometry(*size)
    outer = data.draw(boxes(*size))
    shift = data.draw(boxes(outer.x_max - outer.x_min, outer.y_max - outer.y_min))
    inner = Box(
        "bird-2", "bird", outer.x_min + shift.x_min, outer.y_min + shift.y_min,
        outer.x_min + shift.x_max, outer.y_min + shift.y_max,
    )  # fmt: skip
    mapped_outer, mapped_inner = geometry.map_box(outer), geometry.map_box(inner)
    assert mapped_inner.visible_fraction == 0 or contains(mapped_outer, mapped_inner)
    area = outer.area * mapped_outer.visible_fraction
    assert inner.area * mapped_inner.visible_fraction <= area * (1 + 1e-9)


@given(preprocessings(), sizes)
def test_the_whole_image_covers_the_whole_input(preprocessing: Preprocessing, size: tuple[int, int]) -> None:
    geometry = preprocessing.geometry(*size)
    mapped = geometry.map_box(Box("all-1", "all", 0, 0, *size))
    assert corners(mapped) == (0, 0, geometry.input_width, geometry.input_height)
    visible = geometry.input_width * geometry.input_height
    assert np.isclose(mapped.visible_fraction, visible / (geometry.resized_width * geometry.resized_height))


@given(st.data(), sizes)
def test_identity_where_nothing_is_resized(data: st.DataObject, size: tuple[int, int]) -> None:
    box = data.draw(boxes(*size))
    mapped = Geometry(*size, *size, 0, 0, *size).map_box(box)
    assert corners(mapped) == corners(box)
    assert mapped.visible_fraction == 1


@given(st.data(), preprocessings(), sizes)
def test_rounded_outwards_by_less_than_a_pixel_and_clipped(
    data: st.DataObject, preprocessing: Preprocessing, size: tuple[int, int]
) -> None:
    geometry = preprocessing.geometry(*size)
    box = data.draw(boxes(*size))
    mapped = geometry.map_box(box)
    x_scale, y_scale = geometry.resized_width / size[0], geometry.resized_height / size[1]
    exact = (
        np.clip(np.array([box.x_min, box.x_max]) * x_scale - geometry.crop_x, 0, geometry.input_width),
        np.clip(np.array([box.y_min, box.y_max]) * y_scale - geometry.crop_y, 0, geometry.input_height),
    )
    found_edges = (mapped.x_min, mapped.x_max), (mapped.y_min, mapped.y_max)
    for (low, high), found in zip(exact, found_edges, strict=True):
        assert -1 < found[0] - low < 1e-6
        assert -1e-6 < found[1] - high < 1
    visible = (exact[0][1] - exact[0][0]) * (exact[1][1] - exact[1][0])
    assert np.isclose(mapped.visible_fraction, visible / (box.area * x_scale * y_scale), atol=1e-9)
    pixels = (mapped.x_max - mapped.x_min) * (mapped.y_max - mapped.y_min)
    assert (pixels == 0) == (mapped.visible_fraction == 0)


@given(st.data(), preprocessings(), st.tuples(st.integers(60, 400), st.integers(60, 400)))
def test_a_painted_rectangle_lands_where_its_box_says(
    data: st.DataObject, preprocessing: Preprocessing, size: tuple[int, int]
) -> None:
    """At half its brightness a rectangle keeps its outline under a bilinear filter, up to rounding."""
    geometry = preprocessing.geometry(*size)
    box = data.draw(boxes(*size, smallest=20))
    scale = min(geometry.resized_width / size[0], geometry.resized_height / size[1])
    assume(min(box.x_max - box.x_min, box.y_max - box.y_min) * scale >= 4)
    image = Image.new("RGB", size)
    image.paste("white", (box.x_min, box.y_min, box.x_max, box.y_max))
    bright = preprocessing.pixels(image)[:, :, 0] > 0.5
    mapped = geometry.map_box(box)
    inside = np.zeros_like(bright)
    inside[mapped.y_min : mapped.y_max, mapped.x_min : mapped.x_max] = True
    assert not (bright & ~inside).any()
    # Along the edges pixels are partly covered, and doubly so where two edges meet.
    frame = 2
    rows = slice(mapped.y_min + frame, max(mapped.y_max - frame, 0))
    columns = slice(mapped.x_min + frame, max(mapped.x_max - frame, 0))
    assert bright[rows, columns].all()


def test_a_box_that_the_crop_removes_is_reported_empty() -> None:
    preprocessing = Preprocessing(crop_pct=1.0, **MEAN)
    geometry = preprocessing.geometry(448, 224)
    left = geometry.map_box(Box("eagle-1", "eagle", 0, 0, 112, 224))
    assert left.visible_fraction == 0
    assert left.x_min == left.x_max
    half = geometry.map_box(Box("eagle-2", "eagle", 62, 0, 162, 224))
    assert half.visible_fraction == 0.5
    assert corners(half) == (0, 0, 50, 224)


def test_a_padded_image_has_its_box_within_the_padding() -> None:
    preprocessing = Preprocessing(crop_mode="border", crop_pct=1.0, **MEAN)
    mapped = preprocessing.geometry(448, 224).map_box(Box("all-1", "all", 0, 0, 448, 224))
    assert corners(mapped) == (0, 56, 224, 168)
    assert mapped.visible_fraction == 1
