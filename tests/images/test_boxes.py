import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.images.boxes import (
    BOX_SCHEMA,
    NORMALIZED_SCHEMA,
    SIZE_SCHEMA,
    Box,
    BoxTable,
    NormalizedBox,
    default_box_ids,
    fit_boxes,
    number_boxes,
    reach,
)

names = st.sampled_from(["a.png", "b/a.png", "Ä.png", "z", "eagle", ""])


def table(rows: list[tuple[str, Box]], sizes: list[tuple[str, int, int]] | None = None) -> BoxTable:
    boxes = pa.Table.from_pylist(
        [{"image": image, **{name: getattr(box, name) for name in Box.__slots__}} for image, box in rows],
        schema=BOX_SCHEMA,
    )
    known = pa.Table.from_pylist(
        [dict(zip(SIZE_SCHEMA.names, size, strict=True)) for size in sizes or []], schema=SIZE_SCHEMA
    )
    return BoxTable(boxes.sort_by("image"), known.sort_by("image"), "boxes.csv")


@given(st.lists(names))
def test_every_box_is_found_under_its_image_in_the_order_of_the_file(images: list[str]) -> None:
    rows = [(image, Box(f"bird-{row}", "bird", row, 0, row + 1, 1)) for row, image in enumerate(images)]
    found = table(rows)
    for image in {*images, "other"}:
        assert found.of(image) == tuple(box for name, box in rows if name == image)


@given(st.lists(st.tuples(names, names)))
def test_default_ids_count_the_boxes_of_each_image_and_label(rows: list[tuple[str, str]]) -> None:
    images = pa.chunked_array([[image for image, _ in rows]], pa.string())
    labels = pa.chunked_array([[label for _, label in rows]], pa.string())
    ids = default_box_ids(images, labels).to_pylist()
    for image in {image for image, _ in rows}:
        of_image = [row for row, (name, _) in enumerate(rows) if name == image]
        assert [ids[row] for row in of_image] == number_boxes(rows[row][1] for row in of_image)


def test_ids_are_counted_from_one() -> None:
    assert number_boxes(["eagle", "magpie", "eagle"]) == ["eagle-1", "magpie-1", "eagle-2"]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ((0, 0, 30, 20), (0, 0, 30, 20)),
        ((-1, 0, 30, 20), (0, 0, 30, 20)),
        ((0, -1, 31, 21), (0, 0, 30, 20)),
        ((29, 19, 31, 21), (29, 19, 30, 20)),
        ((-2, 0, 30, 20), None),
        ((0, -2, 30, 20), None),
        ((0, 0, 32, 20), None),
        ((0, 0, 30, 22), None),
        ((30, 0, 31, 20), None),
        ((0, 20, 30, 21), None),
        ((-1, 0, 0, 20), None),
        ((0, -1, 30, 0), None),
    ],
)
def test_a_box_up_to_a_pixel_outside_is_clipped_and_one_further_out_is_left_out(
    edges: tuple[int, int, int, int], expected: tuple[int, int, int, int] | None
) -> None:
    fitted = fit_boxes([Box("eagle-1", "eagle", *edges)], 30, 20)
    if expected is None:
        assert (fitted.boxes, fitted.clipped, len(fitted.outside)) == ((), 0, 1)
    else:
        assert fitted.boxes == (Box("eagle-1", "eagle", *expected),)
        assert (fitted.clipped, fitted.outside) == (int(edges != expected), ())


corner = st.integers(-4, 40)


@given(st.lists(st.tuples(corner, corner, corner, corner), max_size=20))
def test_many_boxes_are_judged_as_one_at_a_time(corners: list[tuple[int, int, int, int]]) -> None:
    edges = [(x, y, max(x + 1, right), max(y + 1, lower)) for x, y, right, lower in corners]
    outside, clipped = reach(*np.array(edges, dtype=np.int64).reshape(-1, 4).T, 30, 20)
    assert [(bool(one), bool(other)) for one, other in zip(outside, clipped, strict=True)] == [
        reach(*each, 30, 20) for each in edges
    ]
    fitted = fit_boxes([Box("b", "b", *each) for each in edges], 30, 20)
    assert (len(fitted.outside), fitted.clipped) == (outside.sum(), clipped.sum())
    for box in fitted.boxes:
        assert 0 <= box.x_min < box.x_max <= 30
        assert 0 <= box.y_min < box.y_max <= 20


@given(st.integers(1, 5000), st.integers(1, 5000), st.data())
def test_parts_of_an_image_are_the_pixels_that_they_were_made_of(
    width: int, height: int, data: st.DataObject
) -> None:
    x_min, y_min = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x_max, y_max = data.draw(st.integers(x_min + 1, width)), data.draw(st.integers(y_min + 1, height))
    part = NormalizedBox("b", "b", x_min / width, y_min / height, x_max / width, y_max / height)
    assert part.in_pixels(width, height) == Box("b", "b", x_min, y_min, x_max, y_max)
    assert fit_boxes([part], width, height).clipped == 0


def test_a_table_knows_sizes_and_units() -> None:
    found = table([("a.png", Box("eagle-1", "eagle", 0, 0, 30, 20))], [("a.png", 30, 20)])
    assert found.size_of("a.png") == (30, 20)
    assert found.size_of("unknown.png") is None
    assert not found.normalized
    parts = BoxTable(found.boxes.cast(NORMALIZED_SCHEMA), found.sizes, "boxes.csv")
    assert parts.normalized
    assert parts.of("a.png") == (NormalizedBox("eagle-1", "eagle", 0.0, 0.0, 30.0, 20.0),)
