"""What is attributed of an image: itself, noisy copies of it, or its paths from several baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution import Attributed, Example
from igbatch.attribution.averaging import Area
from igbatch.attribution.smoothing import copy_noise
from igbatch.errors import ImageError, InputError
from igbatch.images.baselines import baseline_pixels
from igbatch.images.geometry import MappedBox
from igbatch.images.loading import LoadedImage, load_image
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.baselines import KEY, Baselines, DrawnImage, DrawnImages
from igbatch.pipeline.prepare import READ_ATTEMPTS, PreparedImage
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.statistics.baseline_spread import MapSpread
from igbatch.store.fingerprint import bytes_digest


class ImageCopies:
    """Makes the copies of images whose maps are averaged.

    Attributes:
        count: how many there are of each image.
        spread: whether they differ in their baselines, so that it is known how much the map does.

    Args:
        resolved: the study.
        preprocessing: of each model.
        to_input: from a model's name and pixels [H, W, 3] in 0..1 to its input on the device.
        most: make no more copies of an image, to try what they take.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        preprocessing: Mapping[str, Preprocessing],
        to_input: Callable[[str, NDArray[np.float32]], Tensor],
        most: int | None = None,
    ) -> None:
        settings = resolved.study.attribution
        self.count = min(settings.copies, most or settings.copies)
        self.spread = settings.baselines > 1
        self._smoothing = settings.smoothing
        self._to_input = to_input
        self._baselines = {
            name: BaselinePixels(resolved.baseline, each, partial(to_input, name), self.count)
            for name, each in preprocessing.items()
        }

    def baselines(self, model: str, image: PreparedImage) -> tuple[Tensor, ...]:
        """Return the baselines of an image, [C, H, W] each.

        Raises:
            InputError: one that was drawn from the data set cannot be used.
        """
        return self._baselines[model].of(image.pixels)

    def fills(self, model: str, image: PreparedImage) -> tuple[Tensor, ...]:
        """Return those baselines of an image that are not the image itself, which may be drawn."""
        return self._baselines[model].others(image.pixels)

    def of(
        self, model: str, image: PreparedImage, example: Example, baselines: Sequence[Tensor]
    ) -> Iterator[Example]:
        """Yield the copies of an image, of which `example` has the image as it is.

        Noise is added to pixels in 0..1, before the model's normalization, and is not clipped. It is the same
        for all variants and targets. Baselines are those of the clean image.
        """
        smoothing = self._smoothing
        if smoothing is None:
            yield from (replace(example, baseline=each) for each in baselines)
            return
        for copy in range(self.count):
            noise = copy_noise(
                image.pixels.shape, smoothing.noise, smoothing.seed, image.entry.image_id, copy
            )
            yield replace(example, image=self._to_input(model, image.pixels + noise))


def areas_of(boxes: Sequence[MappedBox]) -> list[Area]:
    """Return the rows and columns of boxes."""
    return [(slice(box.y_min, box.y_max), slice(box.x_min, box.x_max)) for box in boxes]


def spreads_of(done: Attributed, *, keep: bool) -> Sequence[MapSpread | None]:
    """Return how each map of an image depends on the baseline, its pixels where they are kept; else None."""
    if done.spread is None:
        return [None] * len(done.attributions)
    deviations = (
        list(done.spread.deviation.float().cpu().numpy()) if keep else [None] * len(done.attributions)
    )
    return [
        MapSpread(deviation, float(ratio), sums)
        for deviation, ratio, sums in zip(
            deviations, done.spread.ratio, done.spread.sums.swapaxes(0, 1), strict=True
        )
    ]


class BaselinePixels:
    """The baselines of images as one model takes them; drawn images are read once.

    Args:
        baselines: of the study, drawn images found.
        preprocessing: of the model.
        to_input: from pixels [H, W, 3] in 0..1 to the model's input on the device.
        most: take the first of them only.
    """

    def __init__(
        self,
        baselines: Baselines,
        preprocessing: Preprocessing,
        to_input: Callable[[NDArray[np.float32]], Tensor],
        most: int | None = None,
    ) -> None:
        self._preprocessing, self._to_input = preprocessing, to_input
        self._names = (baselines,) if isinstance(baselines, str) else baselines
        self._most = most
        self._drawn: tuple[Tensor, ...] = ()
        self._digests: list[str] = []
        self._reading = Lock()

    def of(self, pixels: NDArray[np.float32]) -> tuple[Tensor, ...]:
        """Return the baselines of an image, [C, H, W] each on the device.

        Args:
            pixels: of the image, resized and cropped, float32 [H, W, 3] in 0..1.

        Raises:
            InputError: a drawn image cannot be used.
            OSError: the store fails.
        """
        if isinstance(self._names, DrawnImages):
            with self._reading:
                if not self._drawn:
                    self._digests.clear()  # of a reading that failed
                    self._drawn = tuple(map(self._read, self._names.drawn[: self._most]))
            return self._drawn
        return tuple(self._to_input(baseline_pixels(name, pixels)) for name in self._names[: self._most])

    def others(self, pixels: NDArray[np.float32]) -> tuple[Tensor, ...]:
        """Return the baselines of an image as `of` does, without drawn images whose pixels are the same."""
        baselines = self.of(pixels)
        if not isinstance(self._names, DrawnImages):
            return baselines
        own = bytes_digest(
            np.ascontiguousarray(pixels).tobytes()
        )  # on the host: a device would be waited for
        return tuple(each for each, of in zip(baselines, self._digests, strict=True) if of != own)

    def _read(self, drawn: DrawnImage) -> Tensor:
        try:
            pixels = self._preprocessing.pixels(_load(drawn.uri).image)
            self._digests.append(bytes_digest(np.ascontiguousarray(pixels).tobytes()))
            return self._to_input(pixels)
        except ImageError as error:
            raise InputError(
                f"{KEY}: {drawn.image_id}, which was drawn as a baseline, cannot be used: {error}; mend the "
                f"file, or draw others with another {KEY}.seed"
            ) from None


def _load(uri: str) -> LoadedImage:
    for attempt in range(READ_ATTEMPTS):
        try:
            return load_image(uri)
        except OSError:
            if attempt == READ_ATTEMPTS - 1:
                raise
    raise AssertionError
