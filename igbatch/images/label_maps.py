"""Label maps of an image as the model sees it: superpixels, and objects by boxes, polygons or label masks.

Every pixel of the model's input is in one region, so that sums over regions add up to the map's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import ImageError
from igbatch.images.geometry import Geometry, MappedBox
from igbatch.images.segmentations import Segmentation, filled

BACKGROUND = "background"
COMPACTNESS = 10.0
MAX_REGIONS = 4096
"""Regions of an image above which it is refused: such a mask holds colours, and no labels."""

Labels = NDArray[np.uint16]
Mask = NDArray[np.bool_]


def superpixels(pixels: NDArray[np.float32], segments: int) -> Labels:
    """Cut an image, float32 [H, W, 3] in 0..1, into about so many superpixels: uint16 [H, W].

    It is SLIC (Achanta et al. 2012) as scikit-image has it: in CIELAB, compactness 10, 10 rounds, without
    smoothing, each superpixel in one piece. The same image gives the same superpixels.
    """
    from skimage.segmentation import slic  # what draws no superpixels waits for no scikit-image

    found = slic(
        pixels, n_segments=segments, compactness=COMPACTNESS, max_num_iter=10, sigma=0, start_label=0,
        enforce_connectivity=True, channel_axis=-1,
    )  # fmt: skip
    return _numbered(found)[0]


def object_labels(
    boxes: Sequence[tuple[MappedBox, Segmentation | None]], geometry: Geometry
) -> tuple[Labels, tuple[str, ...]]:
    """Return the objects of an image, by their segmentations or else their boxes, and what is in none.

    A pixel under several belongs to the one of the fewest pixels, of equal ones to the first. One that is
    cropped away or lies wholly under others is no region.

    Args:
        boxes: in pixels of the model's input, each with its segmentation in pixels of the original image.
        geometry: the resize and crop between these.

    Returns:
        labels: uint16 [H, W], and the names of the regions: ids of boxes, and `background`.

    Raises:
        ImageError: a segmentation is of an image of another size.
    """
    masks = [_box_mask(box, geometry) if it is None else segmented(it, geometry) for box, it in boxes]
    sizes = [int(np.count_nonzero(mask)) for mask in masks]
    labels = np.zeros((geometry.input_height, geometry.input_width), dtype=np.int64)
    for place in sorted(range(len(masks)), key=lambda place: (-sizes[place], -place)):
        labels[masks[place]] = place + 1
    numbered, kept = _numbered(labels)
    names = [BACKGROUND, *(box.box_id for box, _ in boxes)]
    return numbered, tuple(names[number] for number in kept)


def mask_labels(mask: NDArray[np.integer], geometry: Geometry) -> tuple[Labels, tuple[str, ...]]:
    """Return the regions of a label mask, [height, width] of the upright original image.

    Each value is a region by that name; 0, and what the crop adds around the image, is `background`.

    Returns:
        labels: uint16 [H, W] by the nearest pixel of the mask, and the names of the regions.

    Raises:
        ImageError: the mask has another size than the image, or more than `MAX_REGIONS` values.
    """
    _same_size(mask.shape, geometry, "its mask")
    rows, columns = sources(geometry)
    seen = np.where(
        (rows >= 0)[:, None] & (columns >= 0), mask[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)], 0
    )
    labels, kept = _numbered(seen.astype(np.int64))
    return labels, tuple(str(value) if value else BACKGROUND for value in kept)


def segmented(segmentation: Segmentation, geometry: Geometry) -> Mask:
    """Return which pixels of the model's input lie in a segmentation of the original image: [H, W].

    A pixel does whose middle, mapped back, lies within a polygon, or in a pixel that is set.

    Raises:
        ImageError: a run-length code is of an image of another size.
    """
    shape = (geometry.input_height, geometry.input_width)
    if isinstance(segmentation, dict):
        whole = filled(segmentation)
        _same_size(whole.shape, geometry, "its segmentation")
        rows, columns = sources(geometry)
        inside = (rows >= 0)[:, None] & (columns >= 0)
        found: Mask = inside & whole[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)]
        return found
    from skimage.draw import polygon

    mask = np.zeros(shape, dtype=np.bool_)
    for ring in segmentation:
        x, y = np.asarray(ring, dtype=np.float64).reshape(-1, 2).T
        x = x * geometry.resized_width / geometry.width - geometry.crop_x - 0.5  # middles are whole numbers
        y = y * geometry.resized_height / geometry.height - geometry.crop_y - 0.5
        mask[polygon(y, x, shape)] = True  # type: ignore[no-untyped-call]
    return mask


def sources(geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and columns of the original image that the model's rows and columns lie in; -1: none.

    Those that hold the middle of each pixel, in whole numbers throughout: the nearest ones.
    """
    g = geometry
    return (
        _source(g.input_height, g.crop_y, g.height, g.resized_height),
        _source(g.input_width, g.crop_x, g.width, g.resized_width),
    )


def _source(length: int, crop: int, size: int, resized: int) -> NDArray[np.int64]:
    places = (2 * (np.arange(length, dtype=np.int64) + crop) + 1) * size // (2 * resized)
    return np.where((places >= 0) & (places < size), places, -1)


def _same_size(shape: tuple[int, ...], geometry: Geometry, what: str) -> None:
    if shape != (geometry.height, geometry.width):
        raise ImageError(
            f"{what} has {shape[1]} x {shape[0]} pixels, the image {geometry.width} x {geometry.height}; "
            "give one of the upright original image"
        )


def _box_mask(box: MappedBox, geometry: Geometry) -> Mask:
    mask = np.zeros((geometry.input_height, geometry.input_width), dtype=np.bool_)
    mask[box.y_min : box.y_max, box.x_min : box.x_max] = True
    return mask


def _numbered(labels: NDArray[np.integer]) -> tuple[Labels, list[int]]:
    """Number the values of labels from 0 on; return the numbers, [H, W], and the values by number."""
    kept, places = np.unique(labels, return_inverse=True)
    if len(kept) > MAX_REGIONS:
        raise ImageError(f"{len(kept):,} regions are more than {MAX_REGIONS:,}; give a mask of labels")
    return places.reshape(labels.shape).astype(np.uint16), kept.tolist()
