"""The images of a study and its boxes: listed, matched, checked, and distinguished by their etags."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from igbatch.errors import InputError
from igbatch.pipeline import study_images
from igbatch.pipeline.study_images import StudyImages, list_study_images
from igbatch.store import schemas
from igbatch.study_file import LoadedStudy

LEAST: dict[str, Any] = {"name": "s", "images": {"root": "scenes"}, "models": {"m": {}}, "targets": ["eagle"]}


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def listing(load: Callable[..., LoadedStudy], scene_folder: Path) -> Callable[..., StudyImages]:
    """List the images of the least study over four drawn scenes, `images` changed."""

    def listing(**images: Any) -> StudyImages:
        return list_study_images(load(images={"root": "scenes", **images}))

    return listing


def rows(images: StudyImages) -> dict[str, dict[str, Any]]:
    return {row["image_id"]: row for row in images.table.to_pylist()}


def write_boxes(folder: Path, *boxes: tuple[Any, ...]) -> None:
    with open(folder / "boxes.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "x_min", "y_min", "x_max", "y_max"), *boxes])


def test_a_folder_lists_its_images_and_opens_none(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    for path in scene_folder.glob("*.png"):
        path.write_bytes(b"no picture")
    images = listing()
    assert images.table.schema.equals(schemas.IMAGES)
    assert list(rows(images)) == [f"scene-{seed}.png" for seed in range(40, 44)]
    assert images.table["uri"].to_pylist() == [str(scene_folder / name) for name in rows(images)]
    assert images.table["size"].to_pylist() == [10] * 4
    for name in ("label", "sha256", "width", "height"):
        assert images.table[name].null_count == 4
    assert images.boxes is None
    assert images.warnings == []


def test_a_label_is_that_of_the_first_box(listing: Callable[..., StudyImages], scene_folder: Path) -> None:
    write_boxes(scene_folder, ("scene-42.png", "hawk", 0, 0, 2, 2), ("scene-40.png", "jay", 0, 0, 2, 2),
                ("scene-42.png", "jay", 0, 0, 9, 9))  # fmt: skip
    images = listing(boxes="scenes/boxes.csv")
    assert images.table["label"].to_pylist() == ["jay", None, "hawk", None]
    assert images.boxes is not None
    assert len(images.boxes.of("scene-42.png")) == 2


def test_a_label_of_the_manifest_comes_first(listing: Callable[..., StudyImages], scene_folder: Path) -> None:
    (scene_folder / "some.csv").write_text("uri,label\nscene-42.png,rook\nscene-40.png,\n")
    write_boxes(scene_folder, ("scene-42.png", "hawk", 0, 0, 2, 2), ("scene-40.png", "jay", 0, 0, 2, 2))
    images = listing(root="scenes", manifest="scenes/some.csv", boxes="scenes/boxes.csv")
    assert images.table["image_id"].to_pylist() == ["scene-42.png", "scene-40.png"]
    assert images.table["label"].to_pylist() == ["rook", "jay"]


def test_scenes_bring_their_own_boxes(load: Callable[..., LoadedStudy]) -> None:
    groups = [
        {"kind": "double", "seeds": [4]},
        {"kind": "single", "label": "gull", "first_seed": 1, "count": 2},
    ]
    images = list_study_images(load(images={"scenes": groups}))
    assert images.table["image_id"].to_pylist() == ["double-00004", "single-gull-00001", "single-gull-00002"]
    assert images.table["label"].to_pylist() == [None, "gull", "gull"]
    assert len(set(images.table["etag"].to_pylist())) == 1
    assert images.boxes is None


def test_boxes_of_images_that_are_not_there_are_a_warning(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    write_boxes(scene_folder, ("scene-40.PNG", "hawk", 0, 0, 2, 2), ("scene-41.png", "hawk", 0, 0, 2, 2))
    found = listing(boxes="scenes/boxes.csv")
    better = "images.boxes.match=stem would match 2 of the study's 4"
    assert found.warnings == [f"images.boxes: 1 of the study's 4 images match: {better}"]
    assert found.box_counts is not None
    assert found.box_counts.words() == "1 box on 1 of 4 images; 1 of the file's images is not in the study"


def test_a_box_outside_its_image_is_refused_where_sizes_are_looked_up(
    listing: Callable[..., StudyImages], scene_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_boxes(scene_folder, ("scene-40.png", "hawk", 0, 0, 2, 2), ("scene-41.png", "hawk", 0, 0, 226, 2))
    line = refusal(lambda: listing(boxes="scenes/boxes.csv"))
    place = f"{scene_folder}/boxes.csv, line 3: scene-41.png: box hawk-1 (x 0..226, y 0..2)"
    assert line.startswith(f"images.boxes: {place} reaches outside the image of 224 x 224")
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 0)
    assert len(listing(boxes="scenes/boxes.csv").table) == 4


@pytest.mark.parametrize(
    ("images", "line"),
    [
        ({"boxes": "nowhere.csv"}, "images.boxes: "),
        ({"boxes": "scenes/manifest.csv"}, "images.boxes: "),
        ({"root": "nowhere"}, "images.root: "),
        ({"root": "empty"}, "images.root: "),
        ({"manifest": "nowhere.csv"}, "images.manifest: "),
        ({"manifest": "scenes/boxes.csv"}, "images.manifest: "),
        ({"root": "s3://KEY:SECRET@bucket/photos"}, "images.root: s3://…: the URI carries credentials"),
        ({"boxes": "s3://KEY:SECRET@bucket/b.csv"}, "images.boxes: s3://…: the URI carries credentials"),
    ],
    ids=str,
)
def test_what_cannot_be_listed_is_refused_with_its_key(
    listing: Callable[..., StudyImages], scene_folder: Path, images: dict[str, str], line: str
) -> None:
    (scene_folder.parent / "empty").mkdir()
    message = refusal(lambda: listing(**images))
    assert message.startswith(line)
    assert "SECRET" not in message


def test_coco_boxes_are_checked_against_the_sizes_in_their_file(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    def write(width: int) -> None:
        content = {
            "images": [{"id": 1, "file_name": "scene-41.png", "width": 224, "height": 224}],
            "categories": [{"id": 2, "name": "hawk"}],
            "annotations": [{"id": 3, "image_id": 1, "category_id": 2, "bbox": [0, 0, width, 9]}],
        }
        (scene_folder / "boxes.json").write_text(json.dumps(content))

    write(224)
    assert listing(boxes="scenes/boxes.json").table["label"].to_pylist() == [None, "hawk", None, None]
    write(230)
    assert refusal(lambda: listing(boxes="scenes/boxes.json")).startswith("images.boxes: ")


def test_an_image_that_cannot_be_read_is_left_to_the_worker(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    write_boxes(scene_folder, ("scene-41.png", "hawk", 0, 0, 226, 2))
    (scene_folder / "scene-41.png").write_bytes(b"no picture")
    assert len(listing(boxes="scenes/boxes.csv").table) == 4


def test_an_etag_changes_with_the_file_the_boxes_and_the_label(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    """Rows that were computed with other boxes or another label are no longer true."""

    def etags() -> list[str]:
        found = listing(root="scenes", manifest="scenes/some.csv", boxes="scenes/boxes.csv")
        etags: list[str] = found.table["etag"].to_pylist()
        return etags

    def differing(before: list[str]) -> list[int]:
        return [place for place, (one, other) in enumerate(zip(before, etags(), strict=True)) if one != other]

    def write_manifest(label: str) -> None:
        lines = [f"scene-40.png,{label}", "scene-41.png,", "scene-42.png,", "scene-43.png,"]
        (scene_folder / "some.csv").write_text("\n".join(["uri,label", *lines]))

    write_manifest("eagle")
    first, second = ("scene-41.png", "hawk", 0, 0, 2, 2), ("scene-41.png", "jay", 4, 4, 8, 8)
    write_boxes(scene_folder, first, second)
    before = etags()
    write_boxes(scene_folder, ("scene-44.png", "hawk", 0, 0, 2, 2), first, second)
    assert differing(before) == []
    write_boxes(scene_folder, first, (*second[:5], 9))
    assert differing(before) == [1]
    write_boxes(scene_folder, first)
    assert differing(before) == [1]
    write_boxes(scene_folder, first, second, ("scene-42.png", "hawk", 0, 0, 2, 2))
    assert differing(before) == [2]
    write_boxes(scene_folder, first, second)
    write_manifest("magpie")
    assert differing(before) == [0]
    write_manifest("")
    assert differing(before) == [0]
    write_manifest("eagle")
    (scene_folder / "scene-43.png").write_bytes(b"another picture")
    assert differing(before) == [3]


def etags(images: StudyImages) -> list[str]:
    found: list[str] = images.table["etag"].to_pylist()
    return found


def test_an_etag_is_what_it_was_before_boxes_had_keys_of_their_own(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    """Outputs of before resume with nothing to compute: this is how their etags were made."""
    write_boxes(scene_folder, ("scene-41.png", "hawk", 0.4, 0, 2, 2.3), ("scene-41.png", "jay", 4, 4, 8, 8))
    state = (scene_folder / "scene-41.png").stat()
    text = "hawk\nhawk-1\0hawk\x000\x000\x002\x003\njay-1\0jay\x004\x004\x008\x008"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    plain = listing(boxes="scenes/boxes.csv")
    assert etags(plain)[1] == f"{state.st_size}-{state.st_mtime_ns}-{digest}"
    for keys in ({}, {"match": "name"}, {"invalid": "skip"}, {"crowd": "keep"}):
        assert etags(listing(boxes={"path": "scenes/boxes.csv", **keys})) == etags(plain)


def test_an_etag_does_not_depend_on_how_many_images_were_looked_at(
    listing: Callable[..., StudyImages], scene_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is clipped or skipped once a size is known must not make a growing study compute again."""
    write_boxes(scene_folder, ("scene-41.png", "hawk", -1, 0, 225, 2), ("scene-42.png", "jay", 4, 4, 800, 8))
    boxes = {"path": "scenes/boxes.csv", "invalid": "skip"}
    looked = listing(boxes=boxes)
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 0)
    blind = listing(boxes=boxes)
    assert etags(looked) == etags(blind)
    assert looked.box_counts is not None
    assert blind.box_counts is not None
    assert looked.box_counts.words() == (
        "2 boxes on 2 of 4 images; 1 box outside its image is skipped; 1 box reaches up to a pixel outside "
        "its image and is clipped"
    )
    assert blind.box_counts.unchecked == 2


def test_an_etag_tells_a_whole_image_from_a_pixel(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    others = [("scene-42.png", "jay", 4, 4, 8, 8)] * 2
    write_boxes(scene_folder, ("scene-41.png", "hawk", 0, 0, 1, 1), *others)
    pixels = etags(listing(boxes="scenes/boxes.csv"))
    write_boxes(scene_folder, ("scene-41.png", "hawk", 0, 0, 1, 1))
    parts = etags(listing(boxes={"path": "scenes/boxes.csv", "units": "normalized"}))
    assert pixels[1] != parts[1]


def write_coco(
    folder: Path, sizes: dict[str, tuple[int, int]], bbox: tuple[float, ...] = (1, 2, 9, 9)
) -> None:
    content = {
        "images": [
            {"id": name, "file_name": name, "width": size[0], "height": size[1]}
            for name, size in sizes.items()
        ],
        "categories": [{"id": 2, "name": "hawk"}],
        "annotations": [{"id": name, "image_id": name, "category_id": 2, "bbox": bbox} for name in sizes],
    }
    (folder / "boxes.json").write_text(json.dumps(content))


def test_declared_sizes_are_held_against_real_ones(
    listing: Callable[..., StudyImages], scene_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(path.name for path in scene_folder.glob("*.png"))
    write_coco(scene_folder, {**dict.fromkeys(names, (224, 224)), names[-1]: (640, 480)})
    line = refusal(lambda: listing(boxes="scenes/boxes.json"))
    assert "boxes.json: scene-43.png: the box file says 640 x 480, the image has 224 x 224; give" in line
    # A sample is spread over all images that have boxes, the last one among them.
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 2)
    assert refusal(lambda: listing(boxes="scenes/boxes.json")) == line
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 1)
    counts = listing(boxes="scenes/boxes.json").box_counts
    assert counts is not None
    assert counts.unchecked == 0, "the file tells the sizes of all others"


def test_an_image_that_exif_turns_has_the_size_of_the_upright_one(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (300, 200)).save(scene_folder / "turned.jpg", exif=exif)
    write_coco(scene_folder, {"turned.jpg": (300, 200)})
    assert "300 x 200, the image has 200 x 300 once its EXIF orientation turns it upright" in refusal(
        lambda: listing(boxes="scenes/boxes.json")
    )
    write_coco(scene_folder, {"turned.jpg": (200, 300)}, bbox=(0, 0, 200, 300))
    assert listing(boxes="scenes/boxes.json").warnings == []


def test_skipped_boxes_are_counted_by_their_kind_and_named(
    listing: Callable[..., StudyImages], scene_folder: Path
) -> None:
    good, flat, far = (1, 1, 9, 9), (1, 1, 9, 1), (1, 1, 900, 9)
    write_boxes(scene_folder, *(("scene-40.png", "hawk", *edges) for edges in (good, flat, far, good, flat)))
    found = listing(boxes={"path": "scenes/boxes.csv", "invalid": "skip"})
    assert found.box_counts is not None
    assert found.box_counts.words() == (
        "3 boxes on 1 of 4 images; 2 boxes without extent or numbers are skipped; 1 box outside its image is "
        "skipped; 1 box repeats another, whose pixels count once in sums over their label"
    )
    first, same, second = found.warnings
    assert same == (
        "images.boxes: 1 of 3 boxes lies just where one before it does (in scene-40.png hawk-4 where hawk-1 "
        "does): shown by objects, the first stands for all"
    )
    assert first.startswith("images.boxes: skipped: line 3: y_max is '1': it must be greater than y_min")
    assert second.startswith(
        "images.boxes: skipped: line 4: scene-40.png: box hawk-3 (x 1..900, y 1..9) reaches"
    )
