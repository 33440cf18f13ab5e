"""Decode an image file into an upright 8-bit RGB picture, or raise an `ImageError` with the reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from igbatch.errors import ImageError
from igbatch.images.decoder_messages import off_the_terminal

Result = TypeVar("Result")

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""Formats that are decoded, by the bytes and never by the name; the first frame where there are several."""

MAX_PIXELS = 100_000_000
"""Width times height above which a file is refused before its pixels are decoded."""

TRANSPARENT = (128, 128, 128)
"""What shows through transparent pixels: mid-gray, the gray baseline, and so no evidence by default."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_TURNED = 5
"""The least EXIF orientation under which width and height change places."""


def decode_upright(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, bool]:
    """Decode the bytes of an image file to an upright picture of mode RGB.

    The EXIF orientation is applied. Gray, palette, 1-bit and CMYK pictures are converted; 16-bit gray is
    scaled by its full range (65535 becomes 255), never stretched or clipped; transparent pixels are
    composited on `TRANSPARENT`. Colour profiles are ignored, as torchvision and timm do.

    Args:
        data: a whole file in one of `FORMATS`.
        max_pixels: width times height that is accepted.

    Returns:
        The picture, and whether EXIF turned it so that width and height changed places.

    Raises:
        ImageError: another format, truncated or corrupt, too many pixels, or samples without a stated range
            (floating point, integers beyond 16 bits).
    """
    with off_the_terminal():
        image = _open(io.BytesIO(data), max_pixels)
        orientation = _orientation(image)
        _guard(image.load, "it cannot be decoded")
        rgb = _to_rgb(image)
        upright = rgb.transpose(_TRANSPOSITIONS[orientation]) if orientation > 1 else rgb
        return upright, orientation >= _TURNED


class ImageHeader(NamedTuple):
    """The header of an image file: its upright size in pixels, and whether EXIF turned it so."""

    width: int
    height: int
    turned: bool


def probe_header(source: bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Return the size of an image file, upright, from its header alone.

    Args:
        source: the bytes of the file, or a seekable binary file; for most formats its beginning is enough.
        max_pixels: width times height that is accepted.

    Raises:
        ImageError: another format, a corrupt header, or too many pixels.
    """
    with off_the_terminal():
        image = _open(io.BytesIO(source) if isinstance(source, bytes) else source, max_pixels)
        width, height = image.size
        turned = _orientation(image) >= _TURNED
        return ImageHeader(height, width, turned) if turned else ImageHeader(width, height, turned)


def _open(file: BinaryIO, max_pixels: int) -> Image.Image:
    image = _guard(lambda: Image.open(file, formats=FORMATS), "it cannot be opened")
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"too many pixels: {width} x {height} is more than {max_pixels}; make it smaller")
    return image


def _guard(action: Callable[[], Result], what: str) -> Result:
    """Run a step of Pillow's decoders, which meet hostile bytes with exceptions of nearly every class."""
    try:
        return action()
    except MemoryError:
        raise  # the machine's fault, not the image's
    except Image.DecompressionBombError as error:  # from twice Pillow's limit on, before ours is checked
        raise ImageError(f"too many pixels: more than {MAX_PIXELS}; make it smaller") from error
    except UnidentifiedImageError as error:
        formats = ", ".join(FORMATS)
        raise ImageError(f"{what}: its header is corrupt, or it is none of {formats}; convert it") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{what}: {reason}") from error


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, that is still to be applied to an image that was opened and not loaded.

    Pillow turns TIFF files itself. In a PNG only what precedes the pixels counts, since they would have to be
    decoded first (hence the base class's `getexif`). A malformed EXIF block gives none, as in browsers.
    """
    if image.format == "TIFF":
        return 1
    try:
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in _TRANSPOSITIONS else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_integers(image)
    if image.mode == "F":
        raise ImageError("its floating-point samples have no stated range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        rgba = _convert(image, "RGBA")
        background = Image.new("RGBA", rgba.size, (*TRANSPARENT, 255))
        return Image.alpha_composite(background, rgba).convert("RGB")
    return _convert(image, "RGB")


def _convert(image: Image.Image, mode: str) -> Image.Image:
    return _guard(lambda: image.convert(mode), f"its mode {image.mode} cannot be converted to {mode}")


def _from_integers(image: Image.Image) -> Image.Image:
    samples = np.asarray(image)
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > 65535:
        raise ImageError(f"its samples run from {low} to {high}, not 0..65535; save it with 8 or 16 bits")
    # 257 * 255 = 65535: rounded to the nearest level.
    gray = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[samples == transparent] = TRANSPARENT[0]
    return Image.fromarray(gray).convert("RGB")
