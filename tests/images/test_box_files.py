import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.box_files import read_boxes
from igbatch.images.boxes import SNAP, Box, BoxTable
from igbatch.images.study_boxes import assign_boxes, check_reach
from igbatch.study import Boxes

HEADER = "image,label,x_min,y_min,x_max,y_max\n"
PHOTOS = Path(__file__).parents[2].parent / "shared/photos"


def write(folder: Path, text: str, name: str = "boxes.csv") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def read(uri: str, **settings: Any) -> BoxTable:
    """Read the boxes of a file for a study of just the images that it names."""
    file = read_boxes(uri)
    names = file.sizes["image"]
    images = pa.table({"image_id": names, "uri": pc.binary_join_element_wise("/root", names, "/")})
    boxes = assign_boxes(file, images, Boxes(path=uri, **settings))
    check_reach(boxes, boxes.table.sizes)
    return boxes.table


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a/1.jpg", "width": 640, "height": 480}],
        "categories": [{"id": 3, "name": "eagle"}, {"id": 4, "name": "magpie"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0.5, 0.25, 0.25, 0.5]},
        ],
        **changes,
    }


def test_a_csv_file(tmp_path: Path) -> None:
    uri = write(tmp_path, HEADER + "b.png,eagle,1,2,3,4\na.png,magpie,0,0,5,6\nb.png,eagle,7,8,9,10\n")
    table = read(uri)
    assert table.of("b.png") == (Box("eagle-1", "eagle", 1, 2, 3, 4), Box("eagle-2", "eagle", 7, 8, 9, 10))
    assert table.of("a.png") == (Box("magpie-1", "magpie", 0, 0, 5, 6),)
    assert table.of("c.png") == ()
    assert table.size_of("a.png") is None


def test_columns_in_any_order_with_more_beside_them_and_spreadsheet_habits(tmp_path: Path) -> None:
    text = (
        "\ufeffnote,y_max,x_max, y_min ,x_min,box_id,label,image,note\r\n"
        '"first, quoted", 4,3.0,+2,1e0,left,"bald ""eagle"""," b.png ",x\r\n\r\n'
        ",4,3,2,1,,eagle,b.png,\r\n"
    )
    assert read(write(tmp_path, text)).of("b.png") == (
        Box("left", 'bald "eagle"', 1, 2, 3, 4),
        Box("eagle-1", "eagle", 1, 2, 3, 4),
    )


@given(st.floats(0, 1000), st.floats(0.001, 1000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fractions_are_rounded_outwards(tmp_path: Path, low: float, length: float) -> None:
    high = low + length
    text = f"{HEADER}a.png,eagle,{low!r},0,{high!r},1\nb.png,eagle,10,10,20,20\n"
    (box,) = read(write(tmp_path, text)).of("a.png")
    assert -1 < box.x_min - low <= SNAP + 1e-9
    assert -SNAP - 1e-9 <= box.x_max - high < 1 + SNAP
    assert box.x_min < box.x_max


def test_an_edge_within_a_hundredth_of_a_whole_number_is_that_number(tmp_path: Path) -> None:
    (box,) = read(write(tmp_path, f"{HEADER}a.png,eagle,9.995,0.985,20.005,20.015\n")).of("a.png")
    assert box == Box("eagle-1", "eagle", 10, 0, 20, 21)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,eagle,1,2,three,4", r"line 3: x_max is 'three': give a number"),
        ("a.png,eagle,1,2,nan,4", r"line 3: x_max is 'nan'"),
        ("a.png,eagle,1,2,inf,4", r"line 3: x_max is 'inf'"),
        ("a.png,eagle,1,2,,4", r"line 3: x_max is ''"),
        ("a.png,eagle,1,2,1e300,4", r"line 3: x_max is '1e300'"),
        ("a.png,eagle,5,2,5,4", r"line 3: x_max is '5': it must be greater than x_min"),
        ("a.png,eagle,1,4.5,3,4", r"line 3: y_max is '4': it must be greater than y_min"),
        ("a.png,eagle,-2,2,3,4", r"line 3: a\.png: box eagle-2 \(x -2\.\.3, y 2\.\.4\) reaches outside"),
        ("a.png,,1,2,3,4", r"line 3: label is ''"),
        (",eagle,1,2,3,4", r"line 3: image is ''"),
        ("a.png,eagle,1,2,3", r"row 3: 5 cells under 6 names"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_value(tmp_path: Path, row: str, message: str) -> None:
    uri = write(tmp_path, f"{HEADER}a.png,eagle,1,2,3,4\n{row}\nb.png,eagle,1,2,3,4\n")
    with pytest.raises(InputError, match=message) as caught:
        read(uri)
    assert uri in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_are_counted_past_empty_ones_and_quoted_newlines(tmp_path: Path) -> None:
    uri = write(tmp_path, HEADER + '\n"a\nb.png",eagle,1,2,3,4\n\nc.png,eagle,1,2,?,4\n')
    with pytest.raises(InputError, match=r"line 6: x_max is '\?'"):
        read(uri)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label,x_min,y_min,x_max\na.png,eagle,1,2,3\n", "line 1: column y_max is missing"),
        ("", "line 1: column image is missing"),
        ("x" * 200_000, "line 1: column image is missing"),
        ("\n" + HEADER, "line 1: column image is missing"),
        (HEADER, "no line besides the header"),
        (HEADER.strip() + ",label\na.png,eagle,1,2,3,4,5\n", "line 1: column label stands twice"),
    ],
)
def test_a_bad_header_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, text))


def test_a_box_id_stands_once_in_an_image(tmp_path: Path) -> None:
    header = "image,label,x_min,y_min,x_max,y_max,box_id\n"
    uri = write(tmp_path, header + "a.png,eagle,1,2,3,4,eagle-1\nb.png,eagle,1,2,3,4,eagle-1\n")
    assert [box.box_id for box in read(uri).of("b.png")] == ["eagle-1"]
    # The second box of a.png gets the default id that the first one has.
    uri = write(tmp_path, header + "a.png,eagle,1,2,3,4,eagle-2\na.png,eagle,1,2,3,4,\n")
    with pytest.raises(InputError, match=r"line 3: box_id eagle-2 stands twice in a\.png"):
        read(uri)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read(str(tmp_path / "none.csv"))
    latin = tmp_path / "latin.csv"
    latin.write_bytes(HEADER.encode() + "Häher.png,eagle,1,2,3,4\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read(str(latin))


def test_coco(tmp_path: Path) -> None:
    table = read(write(tmp_path, json.dumps(coco()), "instances.json"))
    assert table.of("a/1.jpg") == (
        Box("eagle-1", "eagle", 10, 20, 40, 60),
        Box("eagle-2", "eagle", 0, 0, 1, 1),
    )
    assert table.size_of("a/1.jpg") == (640, 480)


def test_coco_forgives_two_decimals_at_the_edge(tmp_path: Path) -> None:
    at_edge = [{"id": 1, "image_id": 7, "category_id": 4, "bbox": [600.13, 400.0, 39.88, 80.0]}]
    table = read(write(tmp_path, json.dumps(coco(annotations=at_edge)), "instances.json"))
    assert table.of("a/1.jpg") == (Box("magpie-1", "magpie", 600, 400, 640, 480),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"annotations": [{"id": 9, "image_id": 8, "category_id": 3, "bbox": [1, 1, 1, 1]}]},
            "annotation 9: image_id 8",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 5, "bbox": [1, 1, 1, 1]}]},
            "category_id 5",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": [1, 1, 0, 1]}]},
            "annotation 9: bbox",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": [-2, 1, 5, 1]}]},
            r"annotation 9: a/1\.jpg: box eagle-1 \(x -2\.\.3, y 1\.\.2\) reaches outside the image of 640",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5]}]},
            r"annotation 9: bbox \[1, 1, 5\]: give four numbers",
        ),
        ({"annotations": [{"id": 9, "image_id": 7, "category_id": 3}]}, "annotation 9: bbox is missing"),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": None}]},
            "annotation 9: bbox None: give four numbers",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": [630, 1, 12, 1]}]},
            r"annotation 9: a/1\.jpg: box eagle-1 .* outside the image of 640 x 480",
        ),
        ({"annotations": [5]}, "not COCO JSON"),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 3, "bbox": [10**400, 1, 1, 1]}]},
            r"annotation 9: bbox \[1000+.*, 1, 1, 1\]: give four numbers",
        ),
        (
            {"images": [{"id": 7, "file_name": "a.jpg", "width": 10**30, "height": 1}]},
            r"image 7 \(a\.jpg\): width is 1000.*, and has to be a whole number",
        ),
        ({"images": [{"id": 7, "file_name": "\ud800.jpg", "width": 640, "height": 480}]}, "not COCO JSON"),
        ({"annotations": []}, "annotations is empty"),
        (
            {"images": [{"id": 7, "file_name": "a.jpg"}]},
            r"2 faults: image 7 \(a\.jpg\): width is missing, .*; image 7 \(a\.jpg\): height is missing",
        ),
    ],
)
def test_bad_coco_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    uri = write(tmp_path, json.dumps(coco(**change)), "instances.json")
    with pytest.raises(InputError, match=message) as caught:
        read(uri)
    assert uri in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"images": 1}', "[" * 100_000])
def test_json_that_is_not_coco_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="not COCO JSON"):
        read(write(tmp_path, text, "boxes.json"))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of ../shared/photos are not there")
def test_boxes_of_the_photographs() -> None:
    table = read(str(PHOTOS / "boxes.csv"))
    assert table.of("eagle.jpg") == (Box("eagle-1", "eagle", 0, 26, 216, 207),)
    assert table.boxes.num_rows == 4
