"""Preparing a shard's images ahead of the device: read, decode, resize, map the boxes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import ImageError
from igbatch.images.boxes import Box, FittedBoxes, NormalizedBox, fit_boxes, words_of
from igbatch.images.decoding import ImageHeader
from igbatch.images.faults import cite
from igbatch.images.geometry import Geometry, MappedBox
from igbatch.images.loading import LoadedImage, load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.images.study_boxes import MEND, wrong_size
from igbatch.pipeline.plan import ShardImage
from igbatch.store.label_maps import LabelMaps

Read = TypeVar("Read")

READ_ATTEMPTS = 3
"""Attempts to read an image from a store that fails, before the image is given up."""


@dataclass(frozen=True)
class PreparedImage:
    """An image ready for the model.

    Attributes:
        entry: of the plan.
        pixels: resized and cropped, float32 [H, W, 3] in 0..1.
        boxes: in pixels of the model's input.
        label: the plan's, or that of a drawn scene.
        sha256, width, height: of the original image.
        boxes_clipped: how many boxes reached up to a pixel outside the original image.
        boxes_skipped: how many reached further, or lay outside, and are not among `boxes`.
        label_maps: which superpixel and which object each pixel of the model's input is in, where asked for.
        without: of a drawn scene, where it was asked for: what `pixels` are without the bird of each box;
            none otherwise.
    """

    entry: ShardImage
    pixels: NDArray[np.float32]
    boxes: tuple[MappedBox, ...]
    label: str | None
    sha256: str
    width: int
    height: int
    boxes_clipped: int = 0
    boxes_skipped: int = 0
    label_maps: LabelMaps = ()
    without: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True)
class RefusedImage:
    """An image that cannot be used, and why."""

    entry: ShardImage
    error: str


DrawLabelMaps = Callable[[ShardImage, tuple[Box, ...], Geometry, NDArray[np.float32]], LabelMaps]
"""Returns an image's label maps, of its boxes, geometry and pixels (`ShardLabelMaps.of`)."""


def prepare(
    entry: ShardImage,
    preprocessing: Preprocessing,
    *,
    label_maps: DrawLabelMaps | None = None,
    without: bool = False,
) -> PreparedImage | RefusedImage:
    """Read and prepare one image; what is wrong with the image itself is returned, not raised.

    A drawn scene is prepared `without` each of its birds as well, where that is asked for and its boxes are
    its own.
    """
    try:
        alone = without and entry.boxes is None
        loaded = _tried(lambda: load_image(entry.uri, without=alone))
        fitted = _fit(entry, loaded)
        width, height = loaded.image.size
        geometry = preprocessing.geometry(width, height)
        pixels = preprocessing.pixels(loaded.image)
        drawn = _tried(lambda: label_maps(entry, fitted.boxes, geometry, pixels)) if label_maps else ()
        return PreparedImage(
            entry=entry,
            pixels=pixels,
            boxes=tuple(geometry.map_box(box) for box in fitted.boxes),
            label=entry.label if entry.label is not None else loaded.label,
            sha256=loaded.sha256,
            width=width,
            height=height,
            boxes_clipped=fitted.clipped,
            boxes_skipped=len(fitted.outside),
            label_maps=drawn,
            without=tuple(map(preprocessing.pixels, loaded.without)),
        )
    except ImageError as error:
        return RefusedImage(entry, str(error))


def _fit(entry: ShardImage, loaded: LoadedImage) -> FittedBoxes:
    """Fit an image's boxes into it, now that its size is known.

    Raises:
        ImageError: the box file has another size, or a box is outside and the study does not skip it.
    """
    boxes = loaded.boxes if entry.boxes is None else entry.boxes
    normalized = any(isinstance(box, NormalizedBox) for box in boxes)
    width, height = loaded.image.size
    header = ImageHeader(width, height, loaded.turned)
    problem = wrong_size(entry.declared_size, header, normalized) if boxes else None
    if problem:
        raise ImageError(f"{entry.image_id}: {problem}; {MEND}, and run with --retry-quarantined")
    fitted = fit_boxes(boxes, width, height)
    if fitted.outside and not entry.skip_outside:
        outside = cite(map(words_of, fitted.outside), len(fitted.outside))
        reach = f"reach{'es' if len(fitted.outside) == 1 else ''} outside the image"
        raise ImageError(
            f"{entry.image_id}: {outside} {reach} of {width} x {height}; give boxes of "
            "the upright original image, or leave such boxes out with images.boxes.invalid=skip and "
            "--retry-quarantined"
        )
    return fitted


def _tried(read: Callable[[], Read]) -> Read:
    for _ in range(READ_ATTEMPTS):
        try:
            return read()
        except OSError as error:
            failed = error
    raise ImageError(f"the store failed {READ_ATTEMPTS} times ({failed})") from failed


def prepare_ahead(
    entries: Sequence[ShardImage],
    preprocessing: Preprocessing,
    threads: int,
    ahead: int,
    *,
    label_maps: DrawLabelMaps | None = None,
    without: bool = False,
) -> Iterator[PreparedImage | RefusedImage]:
    """Return the prepared images in order, up to `ahead` of them being worked on by threads, from now on.

    `without` is as for `prepare`.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    work = partial(prepare, preprocessing=preprocessing, label_maps=label_maps, without=without)
    following = iter(entries)

    def submitted(number: int) -> list[Future[PreparedImage | RefusedImage]]:
        return [pool.submit(work, entry) for entry in islice(following, number)]

    waiting = deque(submitted(ahead))

    def prepared() -> Iterator[PreparedImage | RefusedImage]:
        try:
            while waiting:
                first = waiting.popleft().result()
                waiting.extend(submitted(1))
                yield first
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return prepared()
