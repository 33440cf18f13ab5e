"""The line around the strongest pixels of a map, along the edges of pixels."""

from __future__ import annotations

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from igbatch.report.color.scale import take_part
from igbatch.report.color.wording import ValuePart


def strongest(
    values: NDArray[np.floating], share: float, part: ValuePart = "signed", blur: int = 0
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
    strokes = []
    for area, order in ((mask, [0, 1]), (mask.T, [1, 0])):
        edges = np.diff(np.pad(area, ((0, 0), (1, 1))).astype(np.int8), axis=1).T != 0
        runs = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        lines, firsts = np.nonzero(runs == 1)
        ends = np.nonzero(runs == -1)[1]
        strokes.append(np.stack([lines, firsts, lines, ends], axis=1).reshape(-1, 2)[:, order])
    points = np.concatenate(strokes).astype(np.float64)
    return Path(points, np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(points) // 2))
