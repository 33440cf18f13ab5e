"""Preparing a shard's images ahead of the device: read, decode, resize, map the boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import ImageError
from igbatch.images.boxes import check_inside
from igbatch.images.geometry import MappedBox
from igbatch.images.loading import LoadedImage, load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.plan import ShardImage

READ_ATTEMPTS = 3
"""How often a store that fails is asked for an image before the image is given up."""


@dataclass(frozen=True)
class PreparedImage:
    """An image ready for the model.

    Attributes:
        entry: what the plan says of it.
        pixels: resized and cropped, float32 [H, W, 3] in 0..1.
        boxes: in pixels of the model's input.
        label: the plan's, or that of a drawn scene.
        sha256, width, height: of the original image.
    """

    entry: ShardImage
    pixels: NDArray[np.float32]
    boxes: tuple[MappedBox, ...]
    label: str | None
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class RefusedImage:
    """An image that cannot be used, and why."""

    entry: ShardImage
    error: str


def prepare(entry: ShardImage, preprocessing: Preprocessing) -> PreparedImage | RefusedImage:
    """Read and prepare one image; what is wrong with the image itself is returned, not raised."""
    try:
        loaded = _load(entry)
        boxes = loaded.boxes if entry.boxes is None else entry.boxes
        check_inside(boxes, loaded.width, loaded.height, where=entry.image_id, error=ImageError)
        geometry = preprocessing.geometry(loaded.width, loaded.height)
        return PreparedImage(
            entry=entry,
            pixels=preprocessing.pixels(loaded.image),
            boxes=tuple(geometry.map_box(box) for box in boxes),
            label=entry.label if entry.label is not None else loaded.label,
            sha256=loaded.sha256,
            width=loaded.width,
            height=loaded.height,
        )
    except ImageError as error:
        return RefusedImage(entry, str(error))


def _load(entry: ShardImage) -> LoadedImage:
    for attempt in range(READ_ATTEMPTS):
        try:
            return load_image(entry.uri)
        except OSError as error:
            if attempt + 1 == READ_ATTEMPTS:
                raise ImageError(f"the store failed {READ_ATTEMPTS} times ({error})") from error
    raise AssertionError


def prepare_ahead(
    entries: Sequence[ShardImage], preprocessing: Preprocessing, threads: int, ahead: int
) -> Iterator[PreparedImage | RefusedImage]:
    """Yield the prepared images in order, up to `ahead` of them being worked on by threads meanwhile."""
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: list[Future[PreparedImage | RefusedImage]] = []
        for entry in entries:
            waiting.append(pool.submit(prepare, entry, preprocessing))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
