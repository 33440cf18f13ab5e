"""A map blurred by a Gaussian, for the eye. It moves attributions to pixels nearby and keeps their sum.

A pixel of a blurred map no longer says what its own attribution is; only the sum of the map is what it was.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLURRED = -2
"""What stands for a blurred map where patches have their side, in `patches` of a row for instance."""
SIGMA = 4.0
"""Standard deviation of the Gaussian, in pixels of the model's input: its width at half height is 9."""


@cache
def blur_matrix(side: int) -> NDArray[np.float64]:
    """Return the matrix [side, side] that blurs a column: symmetric, its rows and columns add up to 1.

    The Gaussian is cut off at four standard deviations and mirrored at the edges, outermost pixels too.
    """
    from scipy.ndimage import gaussian_filter1d  # only who blurs waits for it

    matrix: NDArray[np.float64] = gaussian_filter1d(np.eye(side), SIGMA, axis=0, mode="reflect", truncate=4.0)
    matrix.setflags(write=False)
    return matrix


def blur(attribution: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Blur a map, [H, W]: float64 of its shape and, within rounding, of its sum."""
    height, width = attribution.shape
    blurred: NDArray[np.float64] = blur_matrix(height) @ attribution.astype(np.float64) @ blur_matrix(width)
    return blurred
