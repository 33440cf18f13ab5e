"""The line around the strongest pixels of a map, along the edges of pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from igbatch.report.color.scale import take_part
from igbatch.report.color.wording import Part


def strongest(
    values: NDArray[np.floating], share: float, part: Part = "signed", blur: int = 0
) -> NDArray[np.bool_]:
    """Tell which pixels of a map are among its strongest: bool, of its shape.

    Strength is the magnitude of what is shown, averaged around each pixel: three times over squares of
    2 * blur + 1 pixels, edges going on as they are, which is close to a Gaussian of standard deviation
    sqrt(blur * (blur + 1)). The strongest are no less than the (100 - share) % quantile of the strengths of
    the map, interpolated linearly. Zeros are never among them.

    Args:
        values: of one map, [H, W].
        share: in percent, 0 to 100.
        part: what is shown of the map (`wording.PART_WORDS`).
        blur: in pixels of the map; 0 takes each pixel for itself.
    """
    strength = np.abs(take_part(np.asarray(values, dtype=np.float64), part))
    box = np.full(2 * blur + 1, 1 / (2 * blur + 1))
    for axis in (0, 0, 0, 1, 1, 1):  # weighted sums: running ones would leave rounding errors beside zeros
        strength = correlate1d(strength, box, axis, mode="nearest")
    among: NDArray[np.bool_] = (strength >= np.quantile(strength, 1 - share / 100)) & (strength > 0)
    return among


def outline(mask: NDArray[np.bool_]) -> Path:
    """Return the line around the pixels of a mask [H, W]: a path in pixel edges, x to the right, y down.

    Each straight run of edges is one stroke; nothing is drawn between strokes.
    """
    down = [(x, first, x, last) for x, first, last in _runs(np.diff(_padded(mask), axis=1).T)]
    across = [(first, y, last, y) for y, first, last in _runs(np.diff(_padded(mask.T), axis=1).T)]
    strokes = np.array(down + across, dtype=np.float64).reshape(-1, 2)
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(strokes) // 2)
    return Path(strokes, codes)


def _padded(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return a mask with nothing before the first and after the last column."""
    return np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)


def _runs(edges: NDArray[np.int8]) -> list[tuple[int, int, int]]:
    """Return (line, first, end) of each run of edges along the lines [lines, length]."""
    marks = np.diff(np.pad(edges != 0, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, firsts = np.nonzero(marks == 1)
    ends = np.nonzero(marks == -1)[1]
    return [(int(a), int(b), int(c)) for a, b, c in zip(lines, firsts, ends, strict=True)]
