"""Preparing images: in order, ahead of the device, and what is wrong with one stays with that one."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from igbatch.birds.scenes import render_scene
from igbatch.errors import ImageError, InputError
from igbatch.images.boxes import Box, NormalizedBox
from igbatch.images.loading import LoadedImage, load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline import prepare as prepare_module
from igbatch.pipeline.plan import ShardImage
from igbatch.pipeline.prepare import READ_ATTEMPTS, PreparedImage, RefusedImage, prepare, prepare_ahead

HALF = Preprocessing(
    input_size=(3, 40, 40), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), crop_pct=1.0, interpolation="bilinear"
)


def entry(path: Path | str, *boxes: Box, label: str | None = None, scene: bool = False) -> ShardImage:
    return ShardImage(Path(path).name, str(path), "1", label, None if scene else boxes, keep_map=True)


def picture(path: Path, width: int = 80, height: int = 160) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def prepared(found: PreparedImage | RefusedImage) -> PreparedImage:
    assert isinstance(found, PreparedImage), found
    return found


def refused(found: PreparedImage | RefusedImage) -> str:
    assert isinstance(found, RefusedImage), found
    return found.error


def test_pixels_boxes_and_facts_of_a_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    given = entry(path, Box("b-1", "hawk", 10, 60, 31, 100), Box("b-2", "hawk", 0, 0, 80, 40), label="hawk")
    found = prepared(prepare(given, HALF))
    assert found.entry == given
    assert (found.pixels.shape, found.pixels.dtype) == ((40, 40, 3), np.float32)
    np.testing.assert_array_equal(found.pixels, HALF.pixels(load_image(str(path)).image))
    first, second = found.boxes
    assert (first.x_min, first.y_min, first.x_max, first.y_max) == (5, 10, 16, 30)
    assert (first.box_id, first.label, first.visible_fraction) == ("b-1", "hawk", 1.0)
    assert (second.y_min, second.y_max, second.visible_fraction) == (0, 0, 0.0)
    assert (found.width, found.height, found.label) == (80, 160, "hawk")
    assert found.sha256 == load_image(str(path)).sha256


def test_a_scene_brings_its_boxes_and_its_label() -> None:
    full = HALF.model_copy(update={"input_size": (3, 224, 224)})
    found = prepared(prepare(entry("scene:7?kind=double", scene=True), full))
    drawn = render_scene(7, "double")
    assert found.label == drawn.label
    assert [(box.x_min, box.y_min, box.x_max, box.y_max) for box in found.boxes] == [
        (box.x_min, box.y_min, box.x_max, box.y_max) for box in drawn.boxes
    ]
    assert prepared(prepare(entry("scene:7?kind=double", scene=True, label="mine"), full)).label == "mine"


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_an_undecodable_file_is_refused_with_its_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    found = prepare(entry(path), HALF)
    assert "it cannot be" in refused(found)
    assert found.entry.image_id == "a.png"


def test_a_truncated_file_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:2000])
    assert "it cannot be decoded" in refused(prepare(entry(path), HALF))
    assert "the file is gone" in refused(prepare(entry(tmp_path / "b.png"), HALF))


def test_a_box_outside_the_image_refuses_it(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    line = refused(prepare(entry(path, Box("b-1", "hawk", 10, 60, 82, 100)), HALF))
    assert "a.png: box b-1 (x 10..82, y 60..100) reaches outside the image of 80 x 160" in line


def test_boxes_outside_are_skipped_where_the_study_says_so_and_counted(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    boxes = (
        Box("b-1", "hawk", 10, 60, 82, 100), Box("b-2", "hawk", -1, 0, 81, 161),
        Box("b-3", "hawk", 1, 2, 3, 4), Box("b-4", "hawk", 80, 0, 81, 9),
    )  # fmt: skip
    line = refused(prepare(entry(path, *boxes), HALF))
    assert "a.png: box b-1 (x 10..82, y 60..100); box b-4 (x 80..81, y 0..9) reach outside the image" in line
    found = prepared(prepare(replace(entry(path, *boxes), skip_outside=True), HALF))
    assert [box.box_id for box in found.boxes] == ["b-2", "b-3"]
    assert (found.boxes_clipped, found.boxes_skipped) == (1, 2)
    whole = prepared(prepare(entry(path, Box("b-2", "hawk", 0, 0, 80, 160)), HALF))
    assert replace(found.boxes[0], label="") == replace(whole.boxes[0], label="")


def test_parts_of_an_image_become_pixels_of_it(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    parts = prepared(prepare(entry(path, NormalizedBox("b-1", "hawk", 0.125, 0.375, 0.5, 0.625)), HALF))
    pixels = prepared(prepare(entry(path, Box("b-1", "hawk", 10, 60, 40, 100)), HALF))
    assert parts.boxes == pixels.boxes


def test_an_image_of_another_size_than_its_box_file_says_is_refused(tmp_path: Path) -> None:
    box = Box("b-1", "hawk", 10, 60, 31, 100)
    declared = entry(picture(tmp_path / "a.png"), box)
    assert prepared(prepare(replace(declared, declared_size=(80, 160)), HALF)).boxes
    line = refused(prepare(replace(declared, declared_size=(640, 480), skip_outside=True), HALF))
    assert "a.png: the box file says 640 x 480, the image has 80 x 160; give boxes" in line
    assert line.endswith("and run with --retry-quarantined")
    without = replace(entry(tmp_path / "a.png"), declared_size=(640, 480))
    assert prepared(prepare(without, HALF)).boxes == ()
    part = NormalizedBox("b-1", "hawk", 0.0, 0.0, 0.5, 0.5)
    resized = replace(entry(tmp_path / "a.png", part), declared_size=(320, 640))
    assert prepared(prepare(resized, HALF)).boxes


def test_a_size_before_the_image_was_turned_upright_is_reported_as_such(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (80, 160)).save(tmp_path / "a.jpg", exif=exif)
    turned = entry(tmp_path / "a.jpg", Box("b-1", "hawk", 10, 6, 31, 10))
    assert "the image has 160 x 80 once its EXIF orientation turns it upright" in refused(
        prepare(replace(turned, declared_size=(80, 160)), HALF)
    )
    assert prepared(prepare(replace(turned, declared_size=(160, 80)), HALF)).width == 160


def test_proportions_that_cannot_be_are_refused(tmp_path: Path) -> None:
    assert "would be resized" in refused(
        prepare(
            entry(picture(tmp_path / "a.png", 1, 20_000_000 // 400)),
            HALF.model_copy(update={"input_size": (3, 400, 400)}),
        )
    )


class Store:
    """Stands for `load_image` over a store that fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.reads = 0

    def __call__(self, uri: str, *, without: bool) -> LoadedImage:
        self.reads += 1
        if self.reads <= self.failures:
            raise OSError("the store is busy")
        return LoadedImage(Image.new("RGB", (40, 40)), "sha")


@pytest.mark.parametrize("failures", range(READ_ATTEMPTS + 1))
def test_a_store_that_fails_is_read_again(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(failures)
    monkeypatch.setattr(prepare_module, "load_image", store)
    found = prepare(entry("s3://bucket/a.png"), HALF)
    if failures < READ_ATTEMPTS:
        assert prepared(found).sha256 == "sha"
        assert store.reads == failures + 1
    else:
        assert refused(found) == f"the store failed {READ_ATTEMPTS} times (the store is busy)"
        assert store.reads == READ_ATTEMPTS


def test_an_image_at_fault_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    uris = []

    def load(uri: str, *, without: bool) -> LoadedImage:
        uris.append(uri)
        raise ImageError("broken")

    monkeypatch.setattr(prepare_module, "load_image", load)
    assert refused(prepare(entry("a.png"), HALF)) == "broken"
    assert len(uris) == 1


@pytest.mark.parametrize("error", [InputError("no driver"), ZeroDivisionError("a fault of the program")])
def test_what_is_not_the_images_fault_comes_through(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(uri: str, *, without: bool) -> LoadedImage:
        raise error

    monkeypatch.setattr(prepare_module, "load_image", load)
    with pytest.raises(type(error)):
        prepare(entry("a.png"), HALF)
    with pytest.raises(type(error)):
        list(prepare_ahead([entry("a.png")] * 3, HALF, threads=2, ahead=2))


def test_images_come_in_order_whoever_is_ready_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(uri: str, *, without: bool) -> LoadedImage:
        time.sleep(0.02 if int(uri) % 3 == 0 else 0)
        if uri == "5":
            raise ImageError("broken")
        return LoadedImage(Image.new("RGB", (40, 40)), uri)

    monkeypatch.setattr(prepare_module, "load_image", load)
    entries = [entry(str(n)) for n in range(12)]
    found = list(prepare_ahead(entries, HALF, threads=3, ahead=4))
    assert [each.entry.image_id for each in found] == [str(n) for n in range(12)]
    assert [n for n, each in enumerate(found) if isinstance(each, RefusedImage)] == [5]
    assert list(prepare_ahead([], HALF, threads=3, ahead=4)) == []


def test_no_more_images_are_held_than_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    lock = threading.Lock()

    def load(uri: str, *, without: bool) -> LoadedImage:
        with lock:
            begun.append(uri)
        return LoadedImage(Image.new("RGB", (40, 40)), uri)

    monkeypatch.setattr(prepare_module, "load_image", load)
    stream = prepare_ahead([entry(str(n)) for n in range(50)], HALF, threads=2, ahead=4)
    for taken in range(1, 4):
        next(stream)
        time.sleep(0.05)
        assert taken <= len(begun) <= taken + 4
    stream.close()  # type: ignore[attr-defined]
    assert len(begun) < 10


def test_images_are_decoded_before_anybody_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def prepared(entry: Any, **how: Any) -> Any:
        begun.append(entry)
        return entry

    monkeypatch.setattr(prepare_module, "prepare", prepared)
    entries: Any = [str(index) for index in range(9)]
    images = prepare_ahead(entries, HALF, threads=1, ahead=4)
    deadline = time.monotonic() + 10
    while len(begun) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert begun == ["0", "1", "2", "3"]
    assert list(images) == entries
