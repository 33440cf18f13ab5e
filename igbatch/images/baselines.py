"""Baselines of Integrated Gradients: the picture that stands for no evidence, before normalizing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError

BLUR_FRACTION = 0.1
"""Standard deviation of the baseline "blurred" over the shorter side of the model's input."""

_LEVELS = {"black": 0.0, "gray": 0.5, "white": 1.0}
_ALLOWED = "gray, black, white, blurred, blurred:<sigma in pixels>, '#rrggbb', [r, g, b] with values 0 to 255"


def parse_baseline(value: str | Sequence[int]) -> str:
    """Return the canonical text of a baseline: a name, ``blurred:<sigma>`` or ``#rrggbb`` in lower case.

    Args:
        value: "gray", "black", "white", "blurred", "blurred:<sigma>" (in pixels of the input), "#rrggbb", or
            three whole numbers from 0 to 255.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _LEVELS or text == "blurred" or re.fullmatch(r"#[0-9a-f]{6}", text):
            return text
        sigma = re.fullmatch(r"blurred:(\d+\.?\d*|\.\d+)", text)
        if sigma and 0 < float(sigma[1]) <= 10_000:
            return f"blurred:{float(sigma[1])!r}".removesuffix(".0")
    elif len(value) == 3 and all(type(level) is int and 0 <= level <= 255 for level in value):
        return "#" + "".join(f"{level:02x}" for level in value)
    raise InputError(f"baseline: {value!r} is none of {_ALLOWED}")


def baseline_pixels(baseline: str | Sequence[int], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the baseline of an image: float32 [H, W, 3] in 0..1, to be normalized as the image is.

    Gray is 0.5, the middle of the range, not the mean of any data set. A blurred baseline is the image under
    a Gaussian (each channel apart, edges repeated, cut off at four standard deviations) and differs by image.

    Args:
        baseline: what `parse_baseline` accepts.
        pixels: resized and cropped image, float32 [H, W, 3] in 0..1.

    Raises:
        InputError: no such baseline.
    """
    name = parse_baseline(baseline)
    if name in _LEVELS:
        return np.full_like(pixels, _LEVELS[name])
    if name.startswith("#"):
        colour = np.array(list(bytes.fromhex(name[1:])), dtype=np.float32) / np.float32(255)
        return np.broadcast_to(colour, pixels.shape).copy()
    from scipy import ndimage  # no other baseline waits for it

    _, _, text = name.partition(":")
    sigma = float(text) if text else BLUR_FRACTION * min(pixels.shape[:2])
    sigmas = (sigma, sigma, 0.0)
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(pixels, sigmas, mode="nearest", truncate=4.0)
    return blurred


@lru_cache(maxsize=8)
def blur_weights(length: int, sigma: float) -> NDArray[np.float32]:
    """Return the Gaussian of blurred baselines along an axis: float32 [length, length], whose rows sum to 1.

    Such a matrix from the left and another one, transposed, from the right blur a channel [H, W] as
    `baseline_pixels` does, up to rounding. What is linear may follow or precede it.
    """
    from scipy import ndimage

    weights: NDArray[np.float64] = ndimage.gaussian_filter1d(
        np.eye(length), sigma, axis=0, mode="nearest", truncate=4.0
    )
    return weights.astype(np.float32)
