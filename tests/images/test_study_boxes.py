"""Boxes of a file on the images of a study: what is kept, counted, and refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.box_counts import BoxCounts
from igbatch.images.box_files import read_boxes
from igbatch.images.boxes import BOX_SCHEMA, SIZE_SCHEMA, Box, BoxTable, NormalizedBox
from igbatch.images.decoding import ImageHeader
from igbatch.images.study_boxes import StudyBoxes, assign_boxes, check_declared, check_reach, wrong_size
from igbatch.study import Boxes

HEADER = "image,label,x_min,y_min,x_max,y_max\n"


def images(*ids: str) -> pa.Table:
    return pa.table({"image_id": list(ids), "uri": [f"/root/{each}" for each in ids]})


def sizes(**known: tuple[int, int]) -> pa.Table:
    rows = [(f"{name}.png", *size) for name, size in known.items()]
    return pa.table(list(zip(*rows, strict=True)) or [[], [], []], schema=SIZE_SCHEMA)


def assign(folder: Path, text: str, ids: Sequence[str], **settings: Any) -> StudyBoxes:
    path = folder / ("boxes.json" if text.startswith("{") else "boxes.csv")
    path.write_text(text)
    return assign_boxes(read_boxes(str(path)), images(*ids), Boxes(path=str(path), **settings))


def coco(*annotations: dict[str, Any]) -> str:
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 30, "height": 20},
            {"id": 2, "file_name": "z.png", "width": 30, "height": 20},
        ],
        "categories": [{"id": 1, "name": "eagle"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, **annotation}
            for number, annotation in enumerate(annotations, 1)
        ],
    }
    return json.dumps(content)


def test_boxes_lie_under_the_ids_of_their_images_whatever_the_file_calls_them(tmp_path: Path) -> None:
    text = (
        HEADER + "x/b.jpg,eagle,5,6,17,8\ny/a.jpg,eagle,1,2,13,4\nx/b.jpg,eagle,1,2,13,4\nq.jpg,jay,1,1,9,9\n"
    )
    found = assign(tmp_path, text, ["birds/b.png", "a.png", "c.png"], match="stem")
    assert found.table.of("birds/b.png") == (
        Box("eagle-1", "eagle", 5, 6, 17, 8), Box("eagle-2", "eagle", 1, 2, 13, 4),
    )  # fmt: skip
    assert found.table.of("a.png") == (Box("eagle-1", "eagle", 1, 2, 13, 4),)
    assert found.table.of("c.png") == ()
    assert found.counts == BoxCounts(3, 2, 3, unknown_images=1, unchecked=3)
    assert found.file.cite(found.rows.tolist(), ["x_min"] * 3) == [
        ("line 3", "x_min is '1'"), ("line 2", "x_min is '5'"), ("line 4", "x_min is '1'"),
    ]  # fmt: skip


def test_faults_on_images_that_are_not_in_the_study_do_not_matter(tmp_path: Path) -> None:
    text = HEADER + "a.png,eagle,1,2,13,4\nother.png,eagle,9,9,?,1\n"
    assert assign(tmp_path, text, ["a.png"]).counts == BoxCounts(1, 1, 1, unknown_images=1, unchecked=1)
    with pytest.raises(InputError, match=r"line 3: x_max is '\?': give a number"):
        assign(tmp_path, text, ["a.png", "other.png"])


def test_crowd_regions_are_left_out_and_may_be_kept(tmp_path: Path) -> None:
    text = coco({"bbox": [0, 0, 20, 10], "iscrowd": 1}, {"bbox": [5, 5, 9, 9]}, {"iscrowd": 1, "bbox": None})
    found = assign(tmp_path, text, ["a.png"])
    assert found.table.of("a.png") == (Box("eagle-1", "eagle", 5, 5, 14, 14),)
    assert found.counts == BoxCounts(1, 1, 1, unknown_images=1, crowd=2, unchecked=1)
    with pytest.raises(InputError, match="annotation 3: bbox None"):
        assign(tmp_path, text, ["a.png"], crowd="keep")
    kept = assign(tmp_path, text, ["a.png"], crowd="keep", invalid="skip")
    assert len(kept.table.of("a.png")) == 2
    assert kept.counts == BoxCounts(2, 1, 1, unknown_images=1, overlapping=1, unusable=1, unchecked=2)


def test_skipped_boxes_leave_the_numbers_of_others(tmp_path: Path) -> None:
    text = coco({"bbox": [0, 0, 20, 10]}, {"bbox": [5, 5, 0, 9]}, {"bbox": [5, 5, 9, 9]})
    found = assign(tmp_path, text, ["a.png"], invalid="skip")
    assert [box.box_id for box in found.table.of("a.png")] == ["eagle-1", "eagle-3"]
    assert found.counts.unusable == 1
    assert found.warnings == ("images.boxes: skipped: annotation 2: bbox [5, 5, 0, 9]: the box has no width",)


def test_a_box_that_stands_twice_is_counted(tmp_path: Path) -> None:
    row = "a.png,eagle,1,2,13,4\n"
    text = HEADER + row + row + "a.png,jay,1,2,13,4\nb.png,eagle,1,2,13,4\n" + row
    assert assign(tmp_path, text, ["a.png", "b.png"]).counts.duplicates == 2


def test_boxes_that_cannot_be_added_are_counted(tmp_path: Path) -> None:
    """One box within another, one beside it, and two that overlap in part; labels and images are apart."""
    text = HEADER + "".join(
        f"{image}.png,{label},{edges}\n"
        for image, label, edges in (
            ("a", "eagle", "0,0,20,20"), ("a", "eagle", "5,5,9,9"), ("a", "eagle", "20,0,30,20"),
            ("a", "jay", "10,10,25,25"), ("b", "eagle", "0,0,20,20"), ("b", "eagle", "10,10,25,25"),
        )
    )  # fmt: skip
    counts = assign(tmp_path, text, ["a.png", "b.png"]).counts
    assert (counts.duplicates, counts.within, counts.overlapping) == (0, 1, 1)
    parts = (
        HEADER + "a.png,eagle,0,0,0.5,1\na.png,eagle,0.501,0,1,1\na.png,jay,0,0,.6,1\na.png,jay,.5,0,1,1\n"
    )
    assert assign(tmp_path, parts, ["a.png"], units="normalized").counts.overlapping == 1


def test_parts_of_an_image_stay_parts_until_its_size_is_known(tmp_path: Path) -> None:
    text = HEADER + "a.png,eagle,0.25,0.1,0.5,1\n"
    found = assign(tmp_path, text, ["a.png"], units="normalized")
    assert found.table.normalized
    assert found.table.of("a.png") == (NormalizedBox("eagle-1", "eagle", 0.25, 0.1, 0.5, 1.0),)
    checked = check_reach(found, sizes(a=(30, 20)))
    assert checked.counts == BoxCounts(1, 1, 1)
    assert checked.table == found.table


def test_a_better_match_is_a_warning_where_only_some_images_match(tmp_path: Path) -> None:
    text = HEADER + "a.png,eagle,1,2,13,4\nx/b.png,eagle,1,2,13,4\n"
    found = assign(tmp_path, text, ["a.png", "b.png"])
    better = "images.boxes.match=name would match 2 of the study's 2"
    assert found.warnings == (f"images.boxes: 1 of the study's 2 images match: {better}",)
    assert assign(tmp_path, text, ["a.png", "b.png"], match="name").warnings == ()
    assert assign(tmp_path, text, ["a.png"]).warnings == ()


REACHING = HEADER + "".join(
    f"{image}.png,eagle,{edges}\n"
    for image, edges in (
        ("a", "0,0,30,20"), ("a", "0,0,31,20"), ("a", "0,0,32,20"), ("b", "-1,0,5,5"), ("c", "0,0,500,500"),
    )
)  # fmt: skip


def test_boxes_are_held_against_the_sizes_that_are_known(tmp_path: Path) -> None:
    found = assign(tmp_path, REACHING, ["a.png", "b.png", "c.png"])
    with pytest.raises(InputError) as caught:
        check_reach(found, sizes(a=(30, 20)))
    assert str(caught.value).endswith(
        "boxes.csv, line 4: a.png: box eagle-3 (x 0..32, y 0..20) reaches outside the image of 30 x 20; give "
        "boxes in pixels of the upright original image, or leave out what is wrong with "
        "images.boxes.invalid=skip"
    )
    with pytest.raises(InputError, match=r"2 of 5 boxes: line 4: a.png: .*; line 6: c.png: box eagle-1 "):
        check_reach(found, sizes(a=(30, 20), c=(498, 498)))


def reached(boxes: StudyBoxes) -> BoxCounts:
    """Counts but those of boxes that lie in others, which the boxes of these tests do."""
    return replace(boxes.counts, within=0, overlapping=0)


def test_what_is_outside_is_skipped_and_counted_and_stays_in_the_table(tmp_path: Path) -> None:
    found = assign(tmp_path, REACHING, ["a.png", "b.png", "c.png"], invalid="skip")
    checked = check_reach(found, sizes(a=(30, 20)))
    assert reached(checked) == BoxCounts(5, 3, 3, outside=1, clipped=2, unchecked=2)
    assert checked.table == found.table
    assert checked.warnings[0].startswith(
        "images.boxes: skipped: line 4: a.png: box eagle-3 (x 0..32, y 0..20)"
    )
    assert reached(check_reach(found, sizes())) == BoxCounts(5, 3, 3, clipped=1, unchecked=5)
    every = check_reach(found, sizes(a=(30, 20), b=(30, 20), c=(500, 499)))
    assert reached(every) == BoxCounts(5, 3, 3, outside=1, clipped=3)


def test_parts_are_outside_by_the_same_rule_in_pixels(tmp_path: Path) -> None:
    text = HEADER + "a.png,eagle,0,0,1.002,1\na.png,eagle,0.5,0,1.008,1\na.png,eagle,0,0,0.5,0.5\n"
    found = assign(tmp_path, text, ["a.png"], units="normalized", invalid="skip")
    assert reached(check_reach(found, sizes(a=(400, 100)))) == BoxCounts(3, 1, 1, outside=1, clipped=1)
    assert reached(check_reach(found, sizes(a=(50, 50)))) == BoxCounts(3, 1, 1, clipped=2)
    assert reached(check_reach(found, sizes())) == BoxCounts(3, 1, 1, unchecked=3)


def test_declared_sizes_are_those_of_the_studys_images(tmp_path: Path) -> None:
    found = assign(tmp_path, coco({"bbox": [0, 0, 20, 10]}), ["z.png", "a.png", "m.png"])
    assert found.table.sizes.to_pylist() == [
        {"image": "a.png", "width": 30, "height": 20}, {"image": "z.png", "width": 30, "height": 20},
    ]  # fmt: skip


side = st.integers(1, 5000)


@given(side, side, st.booleans())
def test_the_real_size_is_right(width: int, height: int, turned: bool) -> None:
    header = ImageHeader(width, height, turned)
    assert wrong_size((width, height), header) is None
    assert wrong_size(None, header) is None
    assert wrong_size((width + 1, height), header) is not None
    assert wrong_size((width, height + 1), header) is not None


def test_a_size_before_exif_turned_the_image_is_told_from_a_swapped_one() -> None:
    assert wrong_size((640, 480), ImageHeader(300, 240, False)) == (
        "the box file says 640 x 480, the image has 300 x 240"
    )
    assert wrong_size((640, 480), ImageHeader(480, 640, True)) == (
        "the box file says 640 x 480, the image has 480 x 640 once its EXIF orientation turns it upright"
    )
    assert wrong_size((640, 480), ImageHeader(480, 640, False)) == (
        "the box file says 640 x 480, the image has 480 x 640: width and height swapped"
    )


@given(st.integers(50, 5000), st.integers(50, 5000), st.floats(0.1, 10))
def test_parts_of_an_image_hold_for_every_size_of_its_proportions(
    width: int, height: int, scale: float
) -> None:
    resized = ImageHeader(max(1, round(width * scale)), max(1, round(height * scale)), False)
    assert wrong_size((width, height), resized, normalized=True) is None
    assert wrong_size((2 * width + 2, height), ImageHeader(width, height, False), normalized=True) is not None


def test_ten_images_are_named_and_all_counted() -> None:
    names = [f"{number:02d}.jpg" for number in range(30)]
    sizes = pa.table([names, [640] * 30, [480] * 30], schema=SIZE_SCHEMA)
    boxes = BoxTable(BOX_SCHEMA.empty_table(), sizes, "c.json")
    real = {name: ImageHeader(640, 480 if number % 2 else 40, False) for number, name in enumerate(names)}
    with pytest.raises(InputError) as caught:
        check_declared(boxes, real)
    message = str(caught.value)
    first = "00.jpg: the box file says 640 x 480, the image has 640 x 40; "
    assert message.startswith(f"c.json: 15 of 30 images that were checked: {first}")
    assert message.count("the box file says") == 10
    assert "; and 5 more; give boxes, and the size" in message
    check_declared(boxes, {"01.jpg": ImageHeader(640, 480, False), "unknown.jpg": ImageHeader(1, 1, False)})
