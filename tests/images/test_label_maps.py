"""Superpixels and objects in the model's pixels: through resize and crop, nested, masked."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from igbatch.errors import ImageError
from igbatch.images.boxes import Box
from igbatch.images.geometry import Geometry, MappedBox
from igbatch.images.label_maps import (
    MAX_REGIONS,
    mask_labels,
    object_labels,
    segmented,
    sources,
    superpixels,
)
from igbatch.images.preprocessing import Preprocessing

CROPPED = Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=0.875, input_size=(3, 32, 32))
PADDED = CROPPED.model_copy(update={"crop_pct": 1.0, "crop_mode": "border"})
PLAIN = Geometry(16, 12, 16, 12, 0, 0, 16, 12)


def box(box_id: str, *edges: int) -> MappedBox:
    return MappedBox(box_id, "bird", *edges, 1.0)


def test_superpixels_are_the_same_each_time_and_cut_every_image() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((48, 40, 3), dtype=np.float32)
    picture[:, 20:] = (0.9, 0.5, 0.1)
    picture += rng.random(picture.shape, dtype=np.float32) * 0.02
    labels = superpixels(picture, 12)
    np.testing.assert_array_equal(labels, superpixels(picture.copy(), 12))
    assert (labels.dtype, labels.shape) == (np.uint16, (48, 40))
    assert sorted(np.unique(labels)) == list(range(labels.max() + 1))
    assert 6 <= labels.max() + 1 <= 20
    assert not set(labels[:, :20].ravel()) & set(labels[:, 20:].ravel())  # none crosses the edge
    assert superpixels(np.zeros((8, 8, 3), dtype=np.float32), 4).max() >= 0  # one colour is no error


@pytest.mark.parametrize("preprocessing", [CROPPED, PADDED], ids=["cropped", "padded"])
@pytest.mark.parametrize("size", [(100, 60), (37, 90), (20, 20)])
def test_a_mask_goes_through_the_same_resize_and_crop_as_the_image(
    preprocessing: Preprocessing, size: tuple[int, int]
) -> None:
    geometry = preprocessing.geometry(*size)
    width, height = size
    mask = np.random.default_rng(1).integers(0, 200, (height, width))
    labels, names = mask_labels(mask, geometry)
    nearest = Image.fromarray(mask.astype(np.uint8)).resize(
        (geometry.resized_width, geometry.resized_height), Image.Resampling.NEAREST
    )
    canvas = Image.new("L", (32, 32))
    canvas.paste(nearest, (-geometry.crop_x, -geometry.crop_y))
    shown = np.array([0 if name == "background" else int(name) for name in names])[labels]
    np.testing.assert_array_equal(shown, np.asarray(canvas))
    # a box and the same box as a mask differ by their rounded edges at most
    edges = (width // 4, height // 4, width // 2 + 1, height // 2 + 1)
    mapped = geometry.map_box(Box("b", "bird", *edges))
    drawn = np.zeros_like(mask)
    drawn[edges[1] : edges[3], edges[0] : edges[2]] = 1
    inside = segmented({"size": [height, width], "counts": runs(drawn)}, geometry)
    of_box = np.zeros_like(inside)
    of_box[mapped.y_min : mapped.y_max, mapped.x_min : mapped.x_max] = True
    assert (inside <= of_box).all()
    of_box[mapped.y_min + 1 : mapped.y_max - 1, mapped.x_min + 1 : mapped.x_max - 1] ^= inside[
        mapped.y_min + 1 : mapped.y_max - 1, mapped.x_min + 1 : mapped.x_max - 1
    ]
    assert not of_box[mapped.y_min + 1 : mapped.y_max - 1, mapped.x_min + 1 : mapped.x_max - 1].any()
    ring: list[Any] = [edges[0], edges[1], edges[2], edges[1], edges[2], edges[3], edges[0], edges[3]]
    ring_mask = segmented([[float(each) for each in ring]], geometry)
    assert np.count_nonzero(ring_mask ^ inside) <= 2 * (ring_mask.any(0).sum() + ring_mask.any(1).sum())


def runs(mask: np.ndarray) -> list[int]:
    """Counts of a run-length code."""
    column = mask.T.ravel().astype(bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], column]).astype(np.int8)))
    return [int(count) for count in np.diff([0, *edges, column.size])]


def test_a_pixel_under_several_boxes_belongs_to_the_smallest_and_what_is_in_none_is_background() -> None:
    boxes = [
        (box("large", 0, 0, 12, 10), None),
        (box("small", 2, 2, 6, 5), None),
        (box("gone", 4, 4, 4, 9), None),
    ]
    labels, names = object_labels(boxes, PLAIN)
    assert names == ("background", "large", "small")
    assert (np.bincount(labels.ravel()) == [16 * 12 - 120, 120 - 12, 12]).all()
    assert names[labels[3, 3]] == "small"
    # of equal ones the first; what has no pixel is no region
    same = [(box("first", 0, 0, 16, 12), None), (box("second", 0, 0, 16, 12), None)]
    labels, names = object_labels(same, PLAIN)
    assert names == ("first",)
    assert not labels.any()
    labels, names = object_labels([], PLAIN)
    assert (names, int(labels.max())) == (("background",), 0)


def test_an_outline_stands_for_its_box() -> None:
    triangle = [[0.0, 0.0, 8.0, 0.0, 0.0, 8.0]]
    labels, names = object_labels([(box("bird-1", 0, 0, 8, 8), triangle)], PLAIN)
    assert names == ("background", "bird-1")
    assert labels[0, 0] == 1 == labels[2, 4]
    assert labels[6, 6] == 0  # in the box, not in the triangle


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (np.zeros((16, 12), dtype=np.int64), "its mask has 12 x 16 pixels, the image 16 x 12"),
        (np.arange(16 * 12).reshape(12, 16) * 0 + 7, None),
    ],
)
def test_masks_of_another_size_are_refused(mask: np.ndarray, why: str | None) -> None:
    if why is None:
        assert mask_labels(mask, PLAIN)[1] == ("7",)
        return
    with pytest.raises(ImageError, match=why):
        mask_labels(mask, PLAIN)


def test_a_mask_of_colours_is_refused() -> None:
    side = 70
    geometry = Geometry(side, side, side, side, 0, 0, side, side)
    with pytest.raises(ImageError, match=f"4,900 regions are more than {MAX_REGIONS:,}"):
        mask_labels(np.arange(side * side).reshape(side, side), geometry)


def test_what_the_crop_adds_around_an_image_has_no_source() -> None:
    rows, columns = sources(PADDED.geometry(64, 32))
    assert (rows == -1).sum() == 16
    assert (columns >= 0).all()
