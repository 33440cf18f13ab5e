"""The line around the strongest pixels of a map, along the edges of pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray

from igbatch.report.limits import take_part


def strongest(values: NDArray[np.floating], share: float, part: str = "signed") -> NDArray[np.bool_]:
    """Tell which pixels of a map are among its strongest: bool, of its shape.

    They are those whose magnitude is no less than the (100 - share) % quantile of all magnitudes of what is
    shown, interpolated linearly. Zeros are never among them.

    Args:
        values: of one map.
        share: in percent, 0 to 100.
        part: what is shown of the map (`look.PARTS`).
    """
    magnitudes = np.abs(take_part(np.asarray(values, dtype=np.float64), part))
    among: NDArray[np.bool_] = (magnitudes >= np.quantile(magnitudes, 1 - share / 100)) & (magnitudes > 0)
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
