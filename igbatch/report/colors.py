"""The colours of attributions: red negative, white zero, blue positive, both equally light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = (0.0, 0.090, 0.252, 0.449, 0.669, 1.0)
_NEGATIVE = ("#ffffff", "#ffd2cb", "#ff9a8c", "#ff524a", "#dc0022", "#870010")
_POSITIVE = ("#ffffff", "#d2dcff", "#97b4ff", "#3f8fff", "#006cd1", "#003f7f")
# In CIELAB both sides fall from lightness 100 to 27 alike (hues 33 and 282), so that neither sign looks
# stronger than the other. Lightness falls by 73 * distance ** 0.75: attributions are many weak values beside
# few strong ones, and in proportion the weak ones could not be seen. Colour bars have the same colours.

LEVELS = 63
"""Colours on each side of zero; with white, half of what a palette of a PNG file holds."""

BOX_COLORS = ("#e08a00", "#00865a", "#7a4fa3", "#555555", "#a8560b", "#007f8c")
"""Outlines of boxes, by label: none of them near the map's red, white and blue."""


def _side(anchors: tuple[str, ...]) -> NDArray[np.float64]:
    rgb = np.array([[int(color[start : start + 2], 16) for start in (1, 3, 5)] for color in anchors])
    distance = np.arange(LEVELS + 1) / LEVELS
    return np.stack([np.interp(distance, _STEPS, rgb[:, channel]) for channel in range(3)], axis=1)


PALETTE: NDArray[np.uint8] = (
    np.concatenate([_side(_NEGATIVE)[:0:-1], _side(_POSITIVE)]).round().astype(np.uint8)
)
"""RGB from the most negative to the most positive: uint8 [2 * LEVELS + 1, 3]; row `LEVELS` is white."""


def color_indices(values: NDArray[np.floating], gain: float) -> NDArray[np.uint8]:
    """Return rows of `PALETTE` for values of any shape: uint8, `LEVELS` at zero.

    One gain serves both signs: the position on the colour scale is 0.5 + value / (2 * gain). Values beyond
    the gain take the outermost colour; a gain of 0 belongs to maps that are zero throughout, and gives white.
    """
    if gain <= 0:
        return np.full(np.shape(values), LEVELS, dtype=np.uint8)
    distance = np.clip(np.asarray(values, dtype=np.float64) / gain, -1, 1)
    return (LEVELS + np.rint(LEVELS * distance)).astype(np.uint8)


def paint(values: NDArray[np.floating], gain: float) -> NDArray[np.uint8]:
    """Return the colours of values: uint8 [..., 3], white at zero."""
    colors: NDArray[np.uint8] = PALETTE[color_indices(values, gain)]
    return colors
