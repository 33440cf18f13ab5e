"""The sizes that a box file tells of images, against those that the images have."""

from __future__ import annotations

from collections.abc import Mapping

from igbatch.errors import InputError
from igbatch.images.boxes import BoxTable
from igbatch.images.decoding import Header
from igbatch.images.faults import named

MEND = "give boxes, and the size that they belong to, of the upright original image"


def wrong_size(declared: tuple[int, int] | None, real: Header, normalized: bool = False) -> str | None:
    """Say how the size that a box file tells of an image differs from the real one; None where it does not.

    Boxes that are parts of the image hold for any size of the same proportions, to a pixel.

    Args:
        declared: (width, height) in pixels as the file has it, None where it tells none.
        real: of the upright image.
        normalized: whether boxes are parts of the image.
    """
    size = real.width, real.height
    if declared is None or declared == size:
        return None
    if normalized and abs(declared[0] * size[1] - declared[1] * size[0]) <= max(*declared, *size):
        return None
    words = f"the box file says {declared[0]} x {declared[1]}, the image has {size[0]} x {size[1]}"
    if declared == size[::-1]:
        words += (
            " once its EXIF orientation turns it upright" if real.turned else ": width and height swapped"
        )
    return words


def check_declared(boxes: BoxTable, real: Mapping[str, Header]) -> None:
    """Hold the sizes that a box file tells against real ones, of images that have boxes.

    Args:
        boxes: with the sizes that their file tells.
        real: by image id.

    Raises:
        InputError: sizes differ; the first ten are named.
    """
    problems = (
        (image, wrong_size(boxes.size_of(image), size, boxes.normalized)) for image, size in real.items()
    )
    faults = [f"{image}: {words}" for image, words in problems if words]
    if faults:
        count = f"{len(faults):,} of {len(real):,} images that were looked at: " if len(faults) > 1 else ""
        raise InputError(f"{boxes.source}: {count}{named(faults, len(faults))}; {MEND}")
