import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igbatch.errors import ImageError, InputError
from igbatch.images.boxes import (
    BOX_SCHEMA,
    SIZE_SCHEMA,
    Box,
    BoxTable,
    check_inside,
    default_box_ids,
    number_boxes,
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
@settings(deadline=None)
def test_every_box_is_found_under_its_image_in_the_order_of_the_file(images: list[str]) -> None:
    rows = [(image, Box(f"bird-{row}", "bird", row, 0, row + 1, 1)) for row, image in enumerate(images)]
    found = table(rows)
    for image in {*images, "other"}:
        assert found.of(image) == tuple(box for name, box in rows if name == image)


@given(st.lists(st.tuples(names, names)))
@settings(deadline=None)
def test_default_ids_count_the_boxes_of_each_image_and_label(rows: list[tuple[str, str]]) -> None:
    images = pa.chunked_array([[image for image, _ in rows]], pa.string())
    labels = pa.chunked_array([[label for _, label in rows]], pa.string())
    ids = default_box_ids(images, labels).to_pylist()
    for image in {image for image, _ in rows}:
        of_image = [row for row, (name, _) in enumerate(rows) if name == image]
        assert [ids[row] for row in of_image] == number_boxes(rows[row][1] for row in of_image)


def test_ids_are_counted_from_one() -> None:
    assert number_boxes(["eagle", "magpie", "eagle"]) == ["eagle-1", "magpie-1", "eagle-2"]


def test_a_box_may_touch_the_edge_and_not_pass_it() -> None:
    check_inside([Box("eagle-1", "eagle", 0, 0, 30, 20)], 30, 20, where="a.png")
    for box in (Box("eagle-2", "eagle", 0, 0, 31, 20), Box("eagle-2", "eagle", 0, 0, 30, 21)):
        with pytest.raises(InputError, match=r"a\.png: box eagle-2 .* outside the image of 30 x 20"):
            check_inside([box], 30, 20, where="a.png")
        with pytest.raises(ImageError):
            check_inside([box], 30, 20, where="a.png", error=ImageError)


def test_known_sizes_check_every_box() -> None:
    box = Box("eagle-1", "eagle", 0, 0, 30, 20)
    good = table([("a.png", box), ("unknown.png", box)], [("a.png", 30, 20), ("b.png", 1, 1)])
    good.check_sizes()
    assert good.size_of("a.png") == (30, 20)
    assert good.size_of("unknown.png") is None
    bad = table([("b.png", box), ("a.png", box)], [("a.png", 29, 20), ("b.png", 1, 1)])
    with pytest.raises(InputError, match=r"boxes\.csv: a\.png: box eagle-1 .* 29 x 20"):
        bad.check_sizes()


def test_images_of_boxes_that_are_not_in_the_study_are_told() -> None:
    box = Box("eagle-1", "eagle", 0, 0, 30, 20)
    assert table([("a.png", box), ("c.png", box), ("c.png", box)]).unmatched(
        pa.array(["a.png", "b.png"])
    ) == ["c.png"]
