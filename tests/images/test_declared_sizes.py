"""Sizes that a box file tells of images against those that they have."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.boxes import BOX_SCHEMA, SIZE_SCHEMA, BoxTable
from igbatch.images.declared_sizes import check_declared, wrong_size
from igbatch.images.decoding import Header

side = st.integers(1, 5000)


@given(side, side, st.booleans())
def test_the_real_size_is_right(width: int, height: int, turned: bool) -> None:
    header = Header(width, height, turned)
    assert wrong_size((width, height), header) is None
    assert wrong_size(None, header) is None
    assert wrong_size((width + 1, height), header) is not None
    assert wrong_size((width, height + 1), header) is not None


def test_a_size_before_exif_turned_the_image_is_told_from_a_swapped_one() -> None:
    assert wrong_size((640, 480), Header(300, 240, False)) == (
        "the box file says 640 x 480, the image has 300 x 240"
    )
    assert wrong_size((640, 480), Header(480, 640, True)) == (
        "the box file says 640 x 480, the image has 480 x 640 once its EXIF orientation turns it upright"
    )
    assert wrong_size((640, 480), Header(480, 640, False)) == (
        "the box file says 640 x 480, the image has 480 x 640: width and height swapped"
    )


@given(st.integers(50, 5000), st.integers(50, 5000), st.floats(0.1, 10))
def test_parts_of_an_image_hold_for_every_size_of_its_proportions(
    width: int, height: int, scale: float
) -> None:
    resized = Header(max(1, round(width * scale)), max(1, round(height * scale)), False)
    assert wrong_size((width, height), resized, normalized=True) is None
    assert wrong_size((2 * width + 2, height), Header(width, height, False), normalized=True) is not None


def test_ten_images_are_named_and_all_counted() -> None:
    names = [f"{number:02d}.jpg" for number in range(30)]
    sizes = pa.table([names, [640] * 30, [480] * 30], schema=SIZE_SCHEMA)
    boxes = BoxTable(BOX_SCHEMA.empty_table(), sizes, "c.json")
    real = {name: Header(640, 480 if number % 2 else 40, False) for number, name in enumerate(names)}
    with pytest.raises(InputError) as caught:
        check_declared(boxes, real)
    message = str(caught.value)
    first = "00.jpg: the box file says 640 x 480, the image has 640 x 40; "
    assert message.startswith(f"c.json: 15 of 30 images that were looked at: {first}")
    assert message.count("the box file says") == 10
    assert "; and 5 more; give boxes, and the size" in message
    check_declared(boxes, {"01.jpg": Header(640, 480, False), "unknown.jpg": Header(1, 1, False)})
