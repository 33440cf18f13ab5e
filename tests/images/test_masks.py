"""Folders of label masks: matched to images, read as labels, and refused where they are none."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from igbatch.errors import ImageError, InputError
from igbatch.images.masks import match_masks, read_mask

LABELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def ids(*names: str) -> pa.ChunkedArray:
    return pa.chunked_array([list(names)], pa.string())


def test_masks_are_matched_by_the_names_of_images(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "in/b.png"):
        Image.fromarray(LABELS).save(tmp_path / name)
    (tmp_path / "a.jpg").write_bytes(b"not looked at")
    found, warnings = match_masks(str(tmp_path), ids("a.jpg", "in/b.jpeg", "b.jpg"))
    assert found["uri"].to_pylist() == [str(tmp_path / "a.png"), str(tmp_path / "in" / "b.png"), None]
    assert found["etag"].null_count == 1
    assert warnings == [
        "images.masks: 1 of 3 images have no mask (the first is b.jpg): they are background throughout"
    ]
    with pytest.raises(InputError, match=r"no mask of the study's images; c\.jpg needs c\.png"):
        match_masks(str(tmp_path), ids("c.jpg"))
    outside = tmp_path / "in" / "link.png"
    outside.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="leads out of"):
        match_masks(str(tmp_path / "in"), ids("b.jpg"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match="empty: no label mask in this folder; give one with a PNG of labels for"
    ):
        match_masks(str(tmp_path / "empty"), ids("b.jpg"))
    with pytest.raises(InputError, match="no such folder"):
        match_masks(str(tmp_path / "none"), ids("b.jpg"))


@pytest.mark.parametrize("kind", ["L", "P", "I;16", "1"])
def test_values_of_one_channel_are_labels(tmp_path: Path, kind: str) -> None:
    path, labels = tmp_path / "mask.png", LABELS
    if kind == "P":
        image = Image.fromarray(LABELS).convert("P")
        image.putpalette(list(range(256)) * 3)
    elif kind == "I;16":
        labels = LABELS.astype(np.uint16) * 1000
        image = Image.fromarray(labels)
    elif kind == "1":
        labels = LABELS > 5
        image = Image.fromarray(labels)
    else:
        image = Image.fromarray(LABELS)
    image.save(path)
    np.testing.assert_array_equal(read_mask(str(path)), labels)


def test_what_is_no_label_mask_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.new("RGB", (4, 3)).save(path)
    with pytest.raises(ImageError, match="has the mode RGB; give one channel"):
        read_mask(str(path))
    Image.fromarray(LABELS).save(path, "BMP")
    with pytest.raises(ImageError, match="no whole PNG file"):
        read_mask(str(path))
    Image.fromarray(np.zeros((400, 400), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ImageError, match="no whole PNG file"):
        read_mask(str(path))
    path.unlink()
    with pytest.raises(ImageError, match="the file is gone"):
        read_mask(str(path))
