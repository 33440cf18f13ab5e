"""Boxes that mean something else than a study takes them for, and box files as other tools save them."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Command, Ended
from PIL import ExifTags, Image

from igbatch.birds.scenes import write_scenes
from igbatch.results import StudyResults
from igbatch.store.output import Output

FIELD = Path(__file__).parents[2].parent / "shared/field"
HEADER = "image,label,x_min,y_min,x_max,y_max\n"
Call = Callable[..., str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two pictures of 300 x 240 pixels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (300, 240), (90, 120, 150)).save(folder / name)
    return folder


@pytest.fixture
def ended(
    call: Command, write_study: Callable[..., Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Return how `igbatch plan` ends for a box file: (content or path, *overrides, name=, **keys)."""
    monkeypatch.setenv("COLUMNS", "400")

    def ended(boxes: str | bytes | Path, *overrides: str, name: str = "boxes.csv", **keys: Any) -> Ended:
        path = boxes if isinstance(boxes, Path) else photos.parent / name
        if not isinstance(boxes, Path):
            path.write_bytes(boxes.encode() if isinstance(boxes, str) else boxes)
        study = write_study(images={"root": str(photos), "boxes": {"path": str(path), **keys}})
        settings = (part for override in overrides for part in ("--set", override))
        return call("plan", study, "--no-trial", "--out", "out", *settings)

    return ended


@pytest.fixture
def plan(ended: Command) -> Call:
    """Return what is printed where a box file is accepted."""

    def plan(*arguments: Any, **keys: Any) -> str:
        how = ended(*arguments, **keys)
        assert how.code == 0, how.err
        return how.out

    return plan


@pytest.fixture
def refused(ended: Command) -> Call:
    """Return the one line that a box file is refused with."""

    def refused(*arguments: Any, **keys: Any) -> str:
        line = ended(*arguments, **keys).refused()
        assert line.startswith("igbatch: images.boxes: ")
        assert line.isprintable()
        return line

    return refused


def coco(*annotations: dict[str, Any], name: str = "a.jpg", size: tuple[int, int] = (300, 240)) -> str:
    content = {
        "images": [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}],
        "categories": [{"id": 18, "name": "eagle"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 18, "iscrowd": 0, **annotation}
            for number, annotation in enumerate(annotations, 1)
        ],
    }
    return json.dumps(content)


GOOD = {"bbox": [10, 10, 50, 50]}


# Edges


def test_edges_are_parts_of_the_image(plan: Call, refused: Call) -> None:
    boxes = HEADER + "a.jpg,eagle,0.1,0.2,0.5,0.6\na.jpg,magpie,0.3,0.3,0.9,0.9\n"
    assert "2 of 2 boxes lie within 0..1 (first line 2: x_max is '0.5')" in refused(boxes)
    assert "need images.boxes.units=normalized" in refused(boxes)
    assert "2 boxes on 1 of 2 images" in plan(boxes, "images.boxes.units=normalized")


def test_edges_are_pixels_though_the_study_says_parts(refused: Call) -> None:
    boxes = HEADER + "a.jpg,eagle,10,20,50,60\n" * 2
    assert "2 of 2 boxes: line 2: y_max is '60'; line 3: y_max is '60'; parts of an image lie" in refused(
        boxes, units="normalized"
    )


def test_a_coco_file_tells_the_size_of_another_image(refused: Call) -> None:
    line = refused(coco(GOOD, size=(640, 480)), name="boxes.json", invalid="skip")
    assert "a.jpg: the box file says 640 x 480, the image has 300 x 240; give boxes" in line


def test_a_coco_file_tells_the_size_before_exif_turns_the_image(refused: Call, photos: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    Image.new("RGB", (300, 240)).save(photos / "a.jpg", exif=exif)
    line = refused(coco(GOOD), name="boxes.json")
    assert "says 300 x 240, the image has 240 x 300 once its EXIF orientation turns it upright" in line


def test_a_box_of_height_zero_as_in_the_official_files(plan: Call, refused: Call) -> None:
    boxes = coco({"bbox": [296.65, 38.33, 1.03, 0.0]}, GOOD)
    line = refused(boxes, name="boxes.json")
    assert "boxes.json, annotation 1: bbox [296.65, 38.33, 1.03, 0.0]: the box has no height" in line
    assert line.endswith("leave out what is wrong with images.boxes.invalid=skip")
    text = plan(boxes, name="boxes.json", invalid="skip")
    assert "1 box on 1 of 2 images; 1 box without extent or numbers is skipped" in text
    assert "warning: images.boxes: skipped: annotation 1: bbox [296.65, 38.33, 1.03, 0.0]" in text


def test_a_box_a_fraction_of_a_pixel_outside(plan: Call) -> None:
    text = plan(coco({"bbox": [250.5, 0.0, 49.53, 240.0]}), name="boxes.json")
    assert "1 box on 1 of 2 images; 1 box reaches up to a pixel outside its image and is clipped" in text


def test_boxes_far_outside_are_all_counted_and_ten_named(refused: Call, plan: Call) -> None:
    boxes = HEADER + "a.jpg,eagle,10,20,500,60\n" * 15 + "b.jpg,eagle,10,20,50,60\n" * 15
    line = refused(boxes)
    assert "15 of 30 boxes: line 2: a.jpg: box eagle-1 (x 10..500, y 20..60) reaches outside" in line
    assert "line 11: a.jpg: box eagle-10" in line
    assert "; and 5 more; give boxes in pixels of the upright original image" in line
    assert "15 boxes outside their images are skipped" in plan(boxes, invalid="skip")


def test_columns_are_x_y_width_and_height(refused: Call) -> None:
    line = refused(HEADER + "a.jpg,eagle,200,20,50,60\n")
    assert "line 2: x_max is '50': it must be greater than x_min, or the box has no width" in line


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ({}, "bbox is missing"),
        ({"bbox": None}, "bbox None"),
        ({"bbox": [10, 10, 50]}, "bbox [10, 10, 50]"),
        ({"bbox": [10, 10, 50, "wide"]}, "bbox [10, 10, 50, 'wide']"),
        ({"bbox": [10, 10, float("nan"), 50]}, "bbox [10, 10, nan, 50]"),
    ],
)
def test_an_annotation_without_four_numbers(
    refused: Call, plan: Call, annotation: dict[str, Any], found: str
) -> None:
    boxes = coco(GOOD, annotation)
    line = refused(boxes, name="boxes.json")
    assert f"annotation 2: {found}: give four numbers, [x, y, width, height]" in line
    assert "1 box without extent or numbers is skipped" in plan(boxes, name="boxes.json", invalid="skip")


def test_a_crowd_region_is_no_birds_box(plan: Call) -> None:
    boxes = coco({**GOOD, "iscrowd": 1}, GOOD)
    assert "1 box on 1 of 2 images; 1 crowd region is left out" in plan(boxes, name="boxes.json")
    assert "2 boxes on 1 of 2 images" in plan(boxes, name="boxes.json", crowd="keep")


# Names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("train2017/a.jpg", "images.boxes.match=name would match 1 of the study's 2"),
        ("/data/coco/a.jpg", "images.boxes.match=name would match 1"),
        (r"C:\data\a.jpg", "images.boxes.match=name would match 1"),
        ("a", "images.boxes.match=stem would match 1"),
        ("a.png", "images.boxes.match=stem would match 1"),
        (
            "A.JPG",
            "correcting the names, which differ in upper and lower case",
        ),
        ("none.jpg", "correct the names, or the study's images"),
    ],
)
def test_no_name_in_the_box_file_is_that_of_an_image(refused: Call, plan: Call, name: str, hint: str) -> None:
    boxes = HEADER + f"{name},eagle,1,2,30,40\n"
    line = refused(boxes)
    assert f"its image is not in the study (it has {name!r}, the study 'a.jpg')" in line
    assert hint in line
    if hint.startswith("images.boxes.match="):
        assert "1 box on 1 of 2 images" in plan(boxes, hint.split()[0])


def test_a_box_file_of_a_whole_set_and_a_folder_of_a_few_images(plan: Call) -> None:
    boxes = HEADER + "".join(f"{name}.jpg,eagle,1,2,30,40\n" for name in ("a", "b", *range(5000)))
    text = plan(boxes)
    assert "2 boxes on 2 of 2 images; 5,000 of the file's images are not in the study" in text
    assert "warning" not in text


def test_only_some_names_match_and_another_way_would_find_more(plan: Call) -> None:
    text = plan(HEADER + "a.jpg,eagle,1,2,30,40\nx/b.jpg,eagle,1,2,30,40\n")
    assert "1 box on 1 of 2 images; 1 of the file's images is not in the study" in text
    assert (
        "warning: images.boxes: 1 of the study's 2 images match: images.boxes.match=name would match 2"
        in text
    )


def test_two_images_have_one_name(refused: Call, photos: Path) -> None:
    for folder in ("x", "y"):
        (photos / folder).mkdir()
        shutil.copy(photos / "a.jpg", photos / folder / "1.jpg")
    line = refused(HEADER + "1.jpg,eagle,1,2,30,40\n", match="name")
    assert "1 name stands for several images of the study" in line
    assert "('1.jpg' for 'x/1.jpg' and 'y/1.jpg')" in line


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"id": 1}, "annotation id 1 stands twice"),
        ({"image_id": "1"}, "image_id '1' is no image (1 is one: text and numbers differ)"),
        ({"category_id": "18"}, "category_id '18' is no category (18 is one: text and numbers differ)"),
        ({"category_id": 19}, "category_id 19 is no category"),
    ],
)
def test_ids_that_stand_twice_or_are_of_another_kind(
    refused: Call, changes: dict[str, Any], part: str
) -> None:
    assert part in refused(coco(GOOD, {**GOOD, **changes}), name="boxes.json")


# Files


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_saved_the_table_its_own_way(plan: Call, encoding: str, separator: str) -> None:
    boxes = (HEADER + "a.jpg,eagle,1,2,30,40\n").replace(",", separator).replace("\n", "\r\n")
    assert "1 box on 1 of 2 images" in plan(boxes.encode(encoding))


def test_decimal_commas_between_semicolons(refused: Call) -> None:
    boxes = (HEADER + "a.jpg,eagle,1,2,30,40\n").replace(",", ";").replace("30", "30,5")
    assert "line 2: x_max is '30,5': give a number, with a point before its decimals" in refused(boxes)


@pytest.mark.parametrize(
    ("boxes", "part"),
    [
        (
            HEADER.encode("utf-16-le"),
            "line 1: it holds NUL characters, as UTF-16 without",
        ),
        (
            HEADER.encode() + "Häher.jpg,eagle,1,2,3,4\n".encode("latin-1"),
            "line 2: not UTF-8 text (byte 0xe4",
        ),
        (b"", "line 1: column image is missing"),
        (HEADER.encode(), "no line besides the header; add one"),
        (b"a.jpg,eagle,1,2,30,40\n", "it has to name image, label, x_min, y_min, x_max, y_max"),
        (b"filename,xmin,ymin,xmax,ymax\n", "column image is missing among filename, xmin, ymin, xmax, ymax"),
        (
            b"0 0.5 0.5 0.2 0.3\n",
            "YOLO keeps a file for each image; convert them to one file for all",
        ),
        (b"<annotation/>", "Pascal VOC keeps a file for each image; convert them to one file for all images"),
        (b"PK\x03\x04", "an Excel workbook or another zip archive; save its table as CSV"),
    ],
)
def test_a_file_that_is_no_table_of_boxes(refused: Call, boxes: bytes, part: str) -> None:
    assert part in refused(boxes)


def test_a_folder_is_given_for_the_box_file(refused: Call, photos: Path) -> None:
    assert "photos: a folder; give one file for all images, CSV or COCO JSON" in refused(photos)


def test_a_name_that_moves_the_cursor_reaches_no_terminal(
    write_study: Callable[..., Path], photos: Path, call: Command
) -> None:
    (photos.parent / "boxes.csv").write_text(HEADER + "\x1b[2J\x1b]0;owned\x07.jpg,eagle,1,2,30,40\n")
    study = write_study(images={"root": "photos", "boxes": "boxes.csv"})
    line = call("plan", study, "--no-trial").refused(r"it has '\x1b[2J\x1b]0;owned\x07.jpg'")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("manifest", "part"),
    [
        ("uri;label\n" + "".join(f"{number}.jpg;eagle\n" for number in range(12)),
         "12 lines (line 2: uri is '0.jpg': No such file or directory; line 3: "),
        ("uri\nx\\a.jpg\n", "write / for \\"),
        ("uri\n" + "a.jpg\n" * 3, "2 lines (line 3: image_id a.jpg stands twice; line 4: image_id a.jpg"),
        ("uri\na\0b.jpg\n", "line 2: it holds NUL characters"),
    ],
)  # fmt: skip
def test_a_manifest_with_the_same_mistakes(
    call: Command, write_study: Callable[..., Path], photos: Path, manifest: str, part: str
) -> None:
    (photos / "list.csv").write_text(manifest)
    study = write_study(images={"manifest": str(photos / "list.csv")})
    line = call("plan", study, "--no-trial").refused(part)
    assert line.startswith("igbatch: images.manifest: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("normalized.csv", "units=normalized"),
        ("none_match.json", "match=name"),
        ("photos_path.csv", "match=name"),
        ("wrong_size.json", "says 640 x 480, the image has 300 x 240"),
        ("zero_h.json", "annotation 1: bbox [296.65, 38.33, 1.03, 0.0]: the box has no height"),
        ("bbox_none.json", "annotation 1: bbox None"),
        ("seg_only.json", "annotation 1: bbox is missing"),
        ("float_edge2.json", ""),
        ("crowd.json", ""),
        ("utf16.csv", ""),
        ("semicolon.csv", ""),
    ],
)
@pytest.mark.skipif(not FIELD.is_dir(), reason="the inputs of ../shared/field are not there")
def test_files_that_people_brought(refused: Call, plan: Call, photos: Path, name: str, part: str) -> None:
    shutil.copy(FIELD / "a.jpg", photos / "a.jpg")
    if part:
        assert part in refused(FIELD / "boxes" / name)
    else:
        assert "1 box on 1 of 2 images" in plan(FIELD / "boxes" / name)


# A whole run


@pytest.mark.slow
def test_what_was_left_out_is_told_by_the_run_and_by_its_report(
    tmp_path: Path, write_study: Callable[..., Path], small_model: str, call: Command, warm_workers: None
) -> None:
    write_scenes(tmp_path / "photos", 2, first_seed=40, kind="single")
    bboxes = ([10, 10, 90, 90], [-0.5, 10, 90, 90], [10, 10, 90, 0], [10, 10, 900, 90])
    content = json.loads(
        coco(*({"bbox": bbox} for bbox in bboxes), name="train/scene-40.png", size=(224, 224))
    )
    content["annotations"].append({**content["annotations"][0], "id": 9, "iscrowd": 1})
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    study = write_study(
        images={"root": "photos", "boxes": "boxes.json"},
        models={"small": {"weights": small_model}},
        variants=[{"kind": "trained"}],
    )
    keys = ("images.boxes.match=name", "images.boxes.invalid=skip")
    ended = call("run", study, "--out", "out", *(part for key in keys for part in ("--set", key)))
    assert ended.code == 0, ended.err
    exceptions = (
        "1 crowd region is left out; 1 box without extent or numbers is skipped; 1 box outside its image is "
        "skipped; 1 box reaches up to a pixel outside its image and is clipped; 1 image whose boxes of a "
        "label overlap in part is left out of that label's means"
    )
    assert f"boxes: 3 boxes on 1 of 2 images; {exceptions}\n" in ended.out
    assert f"of the boxes, {exceptions}\n" in ended.out
    assert "warning: images.boxes: skipped: annotation 4: scene-40.png: box eagle-4 (x 10..910" in ended.out
    results = StudyResults(Output(str(tmp_path / "out")).uri)
    off = int((~results.image_stats["converged"]).sum())
    assert f"warning: {off} of {len(results.image_stats)} maps have not converged" in ended.out
    assert sorted(results.box_stats["box_id"].unique()) == ["eagle-1", "eagle-2"]
    page = (tmp_path / "out/report/index.html").read_text()
    assert f"<li>Boxes: 3 boxes on 1 of 2 images; {exceptions}.</li>" in html.unescape(page)
