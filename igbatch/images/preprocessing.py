"""From an upright picture to the model's input, exactly as timm's evaluation transform, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from igbatch.errors import ImageError, InputError
from igbatch.images.decoding import MAX_PIXELS
from igbatch.images.geometry import Geometry


class Preprocessing(BaseModel):
    """What a model expects of its images; the same numbers as in timm's data config, and frozen.

    Attributes:
        input_size: (3, height, width) of the model's input, in pixels.
        interpolation: the resampling filter.
        mean: of each channel, in units of 0..1, subtracted.
        std: of each channel, in units of 0..1, divided by.
        crop_pct: length of the crop over the length it is cut from; above 1 the image is padded.
        crop_mode: "center" keeps proportions and cuts the longer side, "squash" changes proportions, "border"
            keeps proportions and pads the shorter side with the mean colour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: tuple[Literal[3], PositiveInt, PositiveInt] = (3, 224, 224)
    interpolation: Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] = "bicubic"
    mean: tuple[float, float, float]
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    crop_pct: PositiveFloat
    crop_mode: Literal["center", "squash", "border"] = "center"

    @classmethod
    def from_data_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Take what `timm.data.resolve_data_config` returns; keys that it does not share are ignored.

        Raises:
            InputError: a key is missing, or its value (a crop mode, an interpolation) is not supported here.
        """
        try:
            return cls(**{key: config[key] for key in cls.model_fields if key in config})
        except ValidationError as error:
            first = error.errors()[0]
            key = str(first["loc"][0])
            found = f"{key}: {config[key]!r}" if key in config else key
            raise InputError(
                f"the model's data config: {found}: {first['msg']}; choose a model with another preprocessing"
            ) from error

    def geometry(self, width: int, height: int) -> Geometry:
        """Return the resize and the crop of an upright image of `width` x `height` pixels.

        Raises:
            ImageError: its proportions are so extreme that it would vanish, or grow beyond `MAX_PIXELS`.
        """
        _, input_height, input_width = self.input_size
        resized_width, resized_height = self._resized(width, height)
        if not 0 < resized_width * resized_height <= MAX_PIXELS:
            raise ImageError(
                f"{width} x {height} pixels would be resized to {resized_width} x {resized_height}; crop it"
            )
        crop_x, crop_y = _crop_offset(resized_width, input_width), _crop_offset(resized_height, input_height)
        return Geometry(
            width, height, resized_width, resized_height, crop_x, crop_y, input_width, input_height
        )

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """Resize and crop an upright RGB picture: float32 [H, W, 3] in 0..1.

        Raises:
            ImageError: as `geometry`.
        """
        geometry = self.geometry(*image.size)
        size = (geometry.resized_width, geometry.resized_height)
        resampling = Image.Resampling[self.interpolation.upper()]
        resized = image if image.size == size else image.resize(size, resampling)
        fill = tuple(round(255 * value) for value in self.mean) if self.crop_mode == "border" else (0, 0, 0)
        canvas = Image.new("RGB", (geometry.input_width, geometry.input_height), fill)
        canvas.paste(resized, (-geometry.crop_x, -geometry.crop_y))
        return np.asarray(canvas).astype(np.float32) / np.float32(255)

    def normalize(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn pixels [H, W, 3] in 0..1 into the model's input: float32 [3, H, W], (x - mean) / std."""
        channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
        mean, std = (np.asarray(value, dtype=np.float32)[:, None, None] for value in (self.mean, self.std))
        return (channels_first - mean) / std

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Size after the resize; source: timm's transforms_imagenet_eval, and torchvision's Resize."""
        _, input_height, input_width = self.input_size
        scale_height, scale_width = (math.floor(side / self.crop_pct) for side in (input_height, input_width))
        if self.crop_mode == "squash":
            return scale_width, scale_height
        if self.crop_mode == "center" and scale_height == scale_width:
            if width <= height:
                return scale_width, int(scale_width * height / width)
            return int(scale_height * width / height), scale_height
        ratios = height / scale_height, width / scale_width
        ratio = max(ratios) if self.crop_mode == "border" else min(ratios)
        return round(width / ratio), round(height / ratio)


def _crop_offset(resized: int, length: int) -> int:
    """Return where the crop begins along an axis, negative where padding precedes the image."""
    return -((length - resized) // 2) if length > resized else round((resized - length) / 2)
