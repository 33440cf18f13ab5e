"""What is refused, and what may be skipped."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pytest

from igbatch.errors import InputError
from igbatch.images.box_checks import check_box_ids, check_extents, check_units, refuse_or_skip
from igbatch.images.boxes import EDGES, ROW_SCHEMA, SIZE_SCHEMA, BoxFile
from igbatch.study import Boxes

REFUSE, SKIP = Boxes(path="b.csv"), Boxes(path="b.csv", invalid="skip")
PARTS = Boxes(path="b.csv", units="normalized")
Corners = Sequence[tuple[float, float, float, float]]


def file_of(corners: Corners) -> BoxFile:
    rows = [
        {"image": "a.png", "label": "eagle", "crowd": False, **dict(zip(EDGES, each, strict=True))}
        for each in corners
    ]
    return BoxFile(
        pa.Table.from_pylist(rows, schema=ROW_SCHEMA),
        SIZE_SCHEMA.empty_table(),
        "b.csv",
        lambda places, edges: [
            (f"row {row}", f"{edge} {rows[row][edge]}") for row, edge in zip(places, edges, strict=True)
        ],
        {"number": "no number", "width": "no width", "height": "no height"},
    )


def edges_of(file: BoxFile) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(file.rows)), np.stack([file.rows[name].to_numpy() for name in EDGES])


def many(wrong: int, right: int) -> Corners:
    return [(5, 5, 5, 9)] * wrong + [(5, 5, 50, 9)] * right


def test_boxes_without_extent_or_numbers_are_refused_by_name() -> None:
    file = file_of([(0, 0, 9, 9), (5, 0, 5, 9), (0, 9, 9, 3), (0, float("nan"), 9, 9)])
    with pytest.raises(InputError) as caught:
        check_extents(file, *edges_of(file), REFUSE)
    assert str(caught.value) == (
        "b.csv: 3 of 4 boxes: row 1: x_max 5: no width; row 2: y_max 3: no height; row 3: y_min nan: no "
        "number; correct the file, or leave out what is wrong with images.boxes.invalid=skip"
    )


def test_skipped_boxes_are_named_too() -> None:
    file = file_of([(0, 0, 9, 9), (5, 0, 5, 9)])
    usable, warnings = check_extents(file, *edges_of(file), SKIP)
    assert usable.tolist() == [True, False]
    assert warnings == ["images.boxes: skipped: row 1: x_max 5: no width"]


@pytest.mark.parametrize(
    ("wrong", "right", "refused"), [(1, 0, False), (10, 0, False), (11, 10, True), (11, 11, False)]
)
def test_a_file_of_which_more_than_half_is_wrong_is_not_skipped(
    wrong: int, right: int, refused: bool
) -> None:
    file = file_of(many(wrong, right))
    if refused:
        with pytest.raises(InputError, match=r"11 of 21 boxes.*; and 1 more; .*=skip leaves out half of the"):
            check_extents(file, *edges_of(file), SKIP)
    else:
        usable, (warning,) = check_extents(file, *edges_of(file), SKIP)
        assert usable.sum() == right
        assert warning.count("no width") == min(wrong, 10)


def test_nothing_wrong_is_nothing_to_tell() -> None:
    def never() -> Iterator[str]:
        raise AssertionError("texts of faults that are not there are not requested")
        yield

    assert refuse_or_skip(file_of([]), never(), 0, 5, REFUSE, "") == []


@pytest.mark.parametrize("share", [0.0, 0.8])
def test_pixels_are_taken_for_pixels(share: float) -> None:
    small = int(10 * share)
    file = file_of([(0.1, 0.2, 0.9, 1.0)] * small + [(3, 4, 50, 60)] * (10 - small))
    check_units(file, *edges_of(file), REFUSE)


def test_parts_that_are_called_pixels_are_refused() -> None:
    file = file_of([(0.1, 0.2, 0.9, 1.0)] * 9 + [(3, 4, 50, 60)])
    for settings in (REFUSE, SKIP):
        with pytest.raises(InputError) as caught:
            check_units(file, *edges_of(file), settings)
        assert str(caught.value) == (
            "b.csv: 9 of 10 boxes lie within 0..1 (first row 0: x_max 0.9); edges that are parts of the "
            "image need images.boxes.units=normalized"
        )
    rows, edges = edges_of(file)
    check_units(file, rows[:9], edges[:, :9], PARTS)


def test_boxes_smaller_than_a_pixel_are_no_pixels() -> None:
    file = file_of([(3.1, 4.1, 3.9, 4.8)] * 10)
    with pytest.raises(InputError, match="10 of 10 boxes are smaller than a pixel"):
        check_units(file, *edges_of(file), REFUSE)


def test_pixels_that_are_called_parts_are_refused() -> None:
    file = file_of([(0, 0, 1.0000001, 1), (-0.004, 0, 0.5, 1), (0, 0, 30, 1.5)])
    with pytest.raises(InputError) as caught:
        check_units(file, *edges_of(file), PARTS)
    assert str(caught.value).startswith(
        "b.csv, row 2: x_max 30; parts of an image lie within 0..1; leave images.boxes.units=normalized out"
    )
    check_units(file_of([]), *edges_of(file_of([])), PARTS)
    check_units(file, *edges_of(file), PARTS.model_copy(update={"invalid": "skip"}))


def test_ids_that_stand_twice_in_an_image_are_all_named() -> None:
    table = pa.table({"image": ["a", "a", "b", "a"], "box_id": ["x", "x", "x", "x"]})
    with pytest.raises(InputError) as caught:
        check_box_ids(file_of(many(0, 4)), np.arange(4), table)
    assert str(caught.value) == (
        "b.csv: 2 of 4 boxes: row 1: box_id x stands twice in a; row 3: box_id x stands twice in a; "
        "rename one"
    )
    check_box_ids(file_of(many(0, 4)), np.array([0, 2]), table.take([0, 2]))
    taken = pa.table({"image": ["a", "a"], "box_id": ["x", "background"]})
    with pytest.raises(InputError, match="row 1: box_id background is what objects call all that is in no"):
        check_box_ids(file_of(many(0, 2)), np.arange(2), taken)
