"""The colours of attributions: by default red negative, white zero, blue positive, both equally light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def _table(anchors: str, places: Sequence[float] | None = None) -> NDArray[np.uint8]:
    """Return colours between anchors, in proportion: `LEVELS` on each side of the middle.

    Args:
        anchors: `#rrggbb` with spaces between.
        places: of the anchors, from 0 to 1; at equal distances where none are given.
    """
    known = np.array([list(bytes.fromhex(anchor[1:])) for anchor in anchors.split()]) / 255
    at = np.linspace(0, 1, len(known)) if places is None else places
    along = np.linspace(0, 1, 2 * LEVELS + 1)
    colors = np.stack([np.interp(along, at, channel) for channel in known.T], axis=1)
    return np.asarray((colors * 255).round(), dtype=np.uint8)


@dataclass(frozen=True)
class Palette:
    """The colours of one colour scale, from the most negative to the most positive value.

    Attributes:
        title: a few words for a list of choices.
        colors: uint8 [2 * LEVELS + 1, 3]; row `LEVELS` is the middle.
        negative, middle, positive: what the colours of both ends and of the middle are called.
        line: colour of a contour, `#rrggbb`, which none of the palette's colours is near to.
    """

    title: str
    colors: NDArray[np.uint8]
    negative: str
    middle: str
    positive: str
    line: str = "#1a1a1a"


_PLACES = [*(0.5 - place / 2 for place in _STEPS[:0:-1]), *(0.5 + place / 2 for place in _STEPS)]
_PU_OR = "#7f3b08 #b35806 #e08214 #fdb863 #fee0b6 #f7f7f7 #d8daeb #b2abd2 #8073ac #542788 #2d004b"
_BR_BG = "#543005 #8c510a #bf812d #dfc27d #f6e8c3 #f5f5f5 #c7eae5 #80cdc1 #35978f #01665e #003c30"
PALETTE = _table(" ".join((*_NEGATIVE[:0:-1], *_POSITIVE)), _PLACES)
"""RGB from the most negative to the most positive: uint8 [2 * LEVELS + 1, 3]; row `LEVELS` is white."""

PALETTES: dict[str, Palette] = {
    "red-white-blue": Palette("Red, white, blue", PALETTE, "red", "white", "blue"),
    "orange-white-purple": Palette(
        "Orange, white, purple (colour-blind safe)", _table(_PU_OR), "orange", "white", "purple"
    ),
    "brown-white-teal": Palette(
        "Brown, white, teal (colour-blind safe)", _table(_BR_BG), "brown", "white", "teal"
    ),
    "gray": Palette("Black, gray, white", _table("#000000 #ffffff"), "black", "gray", "white", "#e6007e"),
}
"""The palettes by name, the default first. PuOr and BrBG are ColorBrewer's, as matplotlib has them."""


def color_indices(
    values: NDArray[np.floating], vmin: float, vmax: float, level: float = 1.0
) -> NDArray[np.uint8]:
    """Return rows of a palette for values of any shape: uint8, `LEVELS` at the middle of vmin and vmax.

    The index is LEVELS + rint(LEVELS * clip(level * (value - middle) / half, -1, 1)), a half being rounded
    to the even number. Values beyond the ends take the outermost colour; ends that are one belong to maps
    that are zero throughout, and give the middle.

    Args:
        values: in units of the output.
        vmin, vmax: ends of the colour scale; -vmax and vmax where zero has the middle colour.
        level: at 2 the outermost colour is reached at half of the way (zennit's `level`).
    """
    half = (vmax - vmin) / 2
    if half <= 0:
        return np.full(np.shape(values), LEVELS, dtype=np.uint8)
    place = level * (np.asarray(values, dtype=np.float64) - (vmin + vmax) / 2) / half
    return (LEVELS + np.rint(LEVELS * np.clip(place, -1, 1))).astype(np.uint8)
