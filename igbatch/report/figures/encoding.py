"""Pictures as bytes: PNG in palettes that keep a map's colours exactly, JPEG for photographs."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from igbatch.report.color.colormaps import LEVELS, PALETTE
from igbatch.report.figures.typeset import DPI, finish


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def figure_png(figure: Figure, scale: float = 2) -> bytes:
    """Return a figure as PNG, `scale` times its size on screen, in 256 colours.

    The colours of maps are kept exactly; what else there is shares the rest of the palette.
    """
    buffer = io.BytesIO()
    finish(figure).savefig(buffer, format="rgba", dpi=DPI * scale)
    width, height = (round(inches * DPI * scale) for inches in figure.get_size_inches())
    pixels = np.frombuffer(buffer.getvalue(), dtype=np.uint8).reshape(height, width, 4)
    return _packed(_few_colors(pixels[..., :3]))


def _few_colors(colors: NDArray[np.uint8]) -> Image.Image:
    """Reduce [H, W, 3] to 256 colours: `PALETTE`, kept exactly, and the best for all others."""
    indices = np.full(colors.shape[:2], LEVELS, dtype=np.uint8)
    inked = (colors != 255).any(axis=2)  # most of a figure is white
    codes, known = _codes(colors[inked]), _codes(PALETTE)
    order = np.argsort(known)
    place = order[np.minimum(np.searchsorted(known, codes, sorter=order), len(known) - 1)]
    other = known[place] != codes
    inks = place.astype(np.uint8)
    table = PALETTE.ravel().tolist()
    if other.any():
        rest = Image.fromarray(colors[inked][other][None])
        few = rest.quantize(
            256 - len(PALETTE), method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
        )
        inks[other] = len(PALETTE) + np.asarray(few)[0]
        table += few.getpalette() or []
    indices[inked] = inks
    picture = Image.fromarray(indices)
    picture.putpalette(table)
    return picture


def _codes(colors: NDArray[np.uint8]) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = colors.astype(np.int64) @ np.array([65536, 256, 1])
    return codes


def photo_jpeg(pixels: NDArray[np.floating]) -> bytes:
    """Return an image [H, W, 3] in 0..1 as JPEG."""
    colors = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colors).save(buffer, format="JPEG", quality=88, optimize=True)
    return buffer.getvalue()


def _packed(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
