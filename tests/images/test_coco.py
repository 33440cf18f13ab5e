"""COCO files as tools write them: ids twice or of another kind, sizes that are none, no bbox."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igbatch.errors import InputError
from igbatch.images.box_files import read_boxes
from igbatch.images.boxes import EDGES

IMAGE = {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}
CATEGORY = {"id": 3, "name": "eagle"}
ANNOTATION = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]}


def write(folder: Path, **changes: Any) -> str:
    path = folder / "instances.json"
    content = {"images": [IMAGE], "categories": [CATEGORY], "annotations": [ANNOTATION], **changes}
    path.write_text(json.dumps(content))
    return str(path)


def refusal(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        read_boxes(uri)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(uri)
    return str(caught.value).removeprefix(f"{uri}: ")


def test_boxes_crowds_and_images_without_boxes(tmp_path: Path) -> None:
    empty = {"id": 8, "file_name": "b.jpg", "width": 5.0, "height": 6}
    crowd = {**ANNOTATION, "id": 2, "iscrowd": 1}
    file = read_boxes(write(tmp_path, images=[IMAGE, empty], annotations=[ANNOTATION, crowd]))
    assert file.rows.to_pylist() == [
        {"image": "a.jpg", "box_id": None, "label": "eagle", "crowd": crowd, "mask": None,
         "x_min": 10.0, "y_min": 20.0, "x_max": 40.0, "y_max": 60.0}
        for crowd in (False, True)
    ]  # fmt: skip
    assert file.sizes.to_pylist() == [
        {"image": "a.jpg", "width": 640, "height": 480}, {"image": "b.jpg", "width": 5, "height": 6},
    ]  # fmt: skip
    assert file.cite([1], ["x_min"]) == [("annotation 2", "bbox [10, 20, 30, 40]")]


def test_a_name_that_does_not_end_in_json_is_read_by_its_content(tmp_path: Path) -> None:
    path = Path(write(tmp_path)).rename(tmp_path / "instances")
    assert len(read_boxes(str(path)).rows) == 1
    path.write_text("\ufeff" + path.read_text(), "utf-16")
    assert len(read_boxes(str(path)).rows) == 1


@pytest.mark.parametrize(
    ("bbox", "shown"),
    [
        ({}, "bbox is missing"),
        ({"bbox": None}, "bbox None"),
        ({"bbox": [1, 2, 3]}, "bbox [1, 2, 3]"),
        ({"bbox": [1, 2, 3, 4, 5]}, "bbox [1, 2, 3, 4, 5]"),
        ({"bbox": ["1", 2, 3, 4]}, "bbox ['1', 2, 3, 4]"),
        ({"bbox": [True, 2, 3, 4]}, "bbox [True, 2, 3, 4]"),
        ({"bbox": [1, 2, float("nan"), 4]}, "bbox [1, 2, nan, 4]"),
        ({"bbox": [1, 2, float("inf"), 4]}, "bbox [1, 2, inf, 4]"),
        ({"bbox": [1, 2, 10**12, 4]}, "bbox [1, 2, 1000000000000, 4]"),
        ({"bbox": "1 2 3 4"}, "bbox '1 2 3 4'"),
    ],
)
def test_a_bbox_that_is_none_has_no_edges_and_is_cited(
    tmp_path: Path, bbox: dict[str, Any], shown: str
) -> None:
    without = {key: value for key, value in ANNOTATION.items() if key != "bbox"}
    file = read_boxes(write(tmp_path, annotations=[ANNOTATION, {**without, "id": 5, **bbox}]))
    edges = np.array([file.rows[name].to_numpy() for name in EDGES])
    assert np.isnan(edges[:, 1]).all()
    assert not np.isnan(edges[:, 0]).any()
    assert file.cite([1], ["x_min"]) == [("annotation 5", shown)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [IMAGE, {**IMAGE, "file_name": "b.jpg"}]}, "image 7: id stands twice"),
        ({"images": [IMAGE, {**IMAGE, "id": 8}]}, "file_name 'a.jpg' stands twice"),
        ({"categories": [CATEGORY, {"id": 3, "name": "jay"}]}, "category 3: id stands twice"),
        ({"annotations": [ANNOTATION, {**ANNOTATION}]}, "annotation id 1 stands twice"),
        ({"annotations": [{**ANNOTATION, "image_id": "7"}]},
         "annotation 1: image_id '7' is no image (7 is one: text and numbers differ)"),
        ({"images": [{**IMAGE, "id": "7"}]},
         "annotation 1: image_id 7 is no image ('7' is one: text and numbers differ)"),
        ({"annotations": [{**ANNOTATION, "category_id": "3"}]},
         "annotation 1: category_id '3' is no category (3 is one: text and numbers differ)"),
        ({"annotations": [{**ANNOTATION, "category_id": 4}]}, "annotation 1: category_id 4 is no category"),
        ({"annotations": [{**ANNOTATION, "image_id": None}]},
         "annotation 1: image_id is None, and has to be a number or text"),
        ({"annotations": [{**ANNOTATION, "image_id": [7]}]},
         "annotation 1: image_id is [7], and has to be a number or text"),
        ({"annotations": [{**ANNOTATION, "id": True}]}, "annotation True: id is True, and has to be"),
        ({"annotations": [{**ANNOTATION, "iscrowd": 2}]}, "annotation 1: iscrowd is 2, and has to be 0 or 1"),
        ({"annotations": [{"image_id": 9, "category_id": 3}]}, "annotation number 1: image_id 9 is no image"),
        ({"images": [{**IMAGE, "width": 0}]},
         "image 7 (a.jpg): width is 0, and has to be a whole number of pixels above 0"),
        ({"images": [{**IMAGE, "height": 480.5}]}, "image 7 (a.jpg): height is 480.5, and has to be"),
        ({"images": [{**IMAGE, "height": "480"}]}, "image 7 (a.jpg): height is '480', and has to be"),
        ({"images": [{**IMAGE, "height": None}]}, "image 7 (a.jpg): height is None, and has to be"),
        ({"images": [{**IMAGE, "height": float("nan")}]}, "image 7 (a.jpg): height is nan, and has to be"),
        ({"images": [{"id": 7, "width": 1, "height": 1}]}, "image 7: file_name is missing, and has to"),
        ({"images": [{**IMAGE, "file_name": 5}]}, "image 7: file_name is 5, and has to be text"),
        ({"images": [{"file_name": "a.jpg", "width": 1, "height": 1}]},
         "image number 1: id is missing, and has to be a number or text"),
        ({"categories": [{"id": 3}]}, "category 3: name is missing, and has to be text"),
        ({"categories": {}}, "not COCO JSON: categories is not a list of mappings"),
        ({"annotations": []}, "annotations is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_id(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert refusal(write(tmp_path, **changes)).startswith(message)


def test_ten_faults_are_named_and_all_counted(tmp_path: Path) -> None:
    annotations = [{**ANNOTATION, "id": number, "category_id": 5} for number in range(25)]
    message = refusal(write(tmp_path, annotations=annotations))
    assert message.startswith("25 faults: annotation 0: category_id 5 is no category; annotation 1: ")
    assert message.endswith("annotation 9: category_id 5 is no category; and 15 more; correct the file")


def test_results_of_a_detector_are_no_coco_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{**ANNOTATION, "score": 0.5}]))
    assert refusal(str(path)) == "not COCO JSON: it is a list; give images, categories, annotations"
    path.write_text(json.dumps({"images": [], "annotations": []}))
    assert refusal(str(path)).startswith("not COCO JSON: key 'categories' is missing")


def test_outlines_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    outlined = {**ANNOTATION, "segmentation": [[10, 20, 40, 20, 40, 60.5]]}
    uri = write(tmp_path, annotations=[outlined, {**ANNOTATION, "id": 2}])
    assert read_boxes(uri).rows["mask"].to_pylist() == [None, None]
    masks = read_boxes(uri, masks=True).rows["mask"].to_pylist()
    assert masks == ["[[10.0,20.0,40.0,20.0,40.0,60.5]]", None]
    uri = write(tmp_path, annotations=[{**ANNOTATION, "segmentation": {"size": [640, 480], "counts": [1]}}])
    assert len(read_boxes(uri).rows) == 1
    with pytest.raises(
        InputError, match=r"annotation 1: segmentation has the size \[640, 480\].*; correct the file"
    ):
        read_boxes(uri, masks=True)
