"""What curves of deletion and insertion take: regions of a map, and forward passes; no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from igbatch.study import Curves

SUPERPIXELS = "superpixels"


def square_labels(regions: str, height: int, width: int) -> NDArray[np.int64]:
    """Return the region of each pixel, numbered row by row: int64 [height, width].

    `regions` is `pixel`, or `patch <size>`: squares from the upper left corner on, those at the right and
    lower edges with what pixels are left.
    """
    size = _side(regions)
    across = -(-width // size)
    return np.arange(height)[:, None] // size * across + np.arange(width) // size


def region_counts(settings: Curves, height: int, width: int, superpixels: int | None) -> dict[str, int]:
    """Return how many regions an image of a size is cut into, by kind; of superpixels at most so many."""
    sizes = {regions: _side(regions) for regions in settings.regions if regions != SUPERPIXELS}
    squares = {regions: -(-height // size) * -(-width // size) for regions, size in sizes.items()}
    return {regions: squares.get(regions, superpixels or 1) for regions in settings.regions}


def passes_an_image(
    settings: Curves, height: int, width: int, classes: int, superpixels: int | None = None
) -> int:
    """Return how many forward passes the curves of one image of a size take for so many classes.

    A random order serves all classes, and read backwards it is an order of insertion. Of an image that is cut
    into fewer `superpixels` than asked for it may be fewer.
    """
    counts = region_counts(settings, height, width, superpixels).values()
    between = sum(min(settings.steps, count) - 1 for count in counts)
    orders = 2 * classes + settings.random_orders
    return 1 + len(settings.fills) * (1 + between * orders)


def _side(regions: str) -> int:
    return int(regions.partition(" ")[2] or 1)
