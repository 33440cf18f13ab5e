"""Pictures as bytes: PNG in palettes that keep a map's colours exactly, JPEG for photographs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igbatch.report.color.colormaps import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def figure_png(figure: Figure, scale: float = 2) -> bytes:
    """Return a figure as PNG, `scale` times its size on screen, in 256 colours.

    The colours of maps are kept exactly; what else there is shares the rest of the palette.
    """
    packed = io.BytesIO()
    _few_colors(_pixels_of(figure, scale)).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def figure_jpeg(figure: Figure, scale: float, quality: int) -> bytes:
    """Return a figure of a photograph as JPEG, `scale` times its size on screen."""
    packed = io.BytesIO()
    picture = Image.fromarray(_pixels_of(figure, scale))
    picture.save(packed, format="JPEG", quality=quality, optimize=True)
    return packed.getvalue()


def _pixels_of(figure: Figure, scale: float) -> NDArray[np.uint8]:
    """Draw a figure; return its colours, uint8 [H, W, 3]."""
    from igbatch.report.figures.typeset import DPI, finish  # with matplotlib, which photographs need not

    buffer = io.BytesIO()
    finish(figure).savefig(buffer, format="rgba", dpi=DPI * scale)
    width, height = (round(inches * DPI * scale) for inches in figure.get_size_inches())
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8).reshape(height, width, 4)[..., :3]


def _few_colors(colors: NDArray[np.uint8]) -> Image.Image:
    """Reduce [H, W, 3] to 256 colours: `PALETTE`, kept exactly, and the best for all others."""
    n, codes = len(PALETTE), _codes(colors)
    places = np.full(1 << 24, n, dtype=np.uint8)  # of every colour in the palette
    places[_codes(PALETTE)] = np.arange(n)
    indices = places[codes]
    other = indices == n
    table = PALETTE.ravel().tolist()
    if other.any():
        rest = Image.fromarray(colors[other][None])
        few = rest.quantize(256 - n, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
        indices[other] += np.asarray(few)[0]
        table += few.getpalette() or []
    picture = Image.fromarray(indices)
    picture.putpalette(table)
    return picture


def _codes(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    red, green, blue = (colors[..., channel].astype(np.uint32) for channel in range(3))
    codes: NDArray[np.uint32] = np.bitwise_or(red << 16 | green << 8, blue, dtype=np.uint32)
    return codes


def as_bytes(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a picture in 0..1 as bytes."""
    colors: NDArray[np.uint8] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return colors


def photo_jpeg(pixels: NDArray[np.floating]) -> bytes:
    """Return an image [H, W, 3] in 0..1 as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(as_bytes(pixels)).save(buffer, format="JPEG", quality=88, optimize=True)
    return buffer.getvalue()
