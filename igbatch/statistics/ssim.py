"""Structural similarity, in steps: what a map gives once, what a pair gives once, and what each range costs.

It is scikit-image's `structural_similarity` with its defaults (Wang et al. 2004): windows of 7 x 7 pixels of
equal weight, sample covariance, K1 = 0.01, K2 = 0.03, the mean over pixels whose window lies within the map.
It is ours because a study asks for the index of every pair under several ranges. scikit-image then runs five
filters for each pair and range; here two for a map and one for a pair serve all ranges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 7
"""Side of the window, in pixels."""

C1, C2 = 0.01**2, 0.03**2
_SAMPLE = WINDOW**2 / (WINDOW**2 - 1)


class LocalMoments(NamedTuple):
    """Mean and sample variance of a map in the window round each pixel, float64 [H - 6, W - 6]."""

    means: NDArray[np.float64]
    variances: NDArray[np.float64]


class PairMoments(NamedTuple):
    """What the index of two maps needs whatever the range, float64 [H - 6, W - 6].

    Attributes:
        one: moments of the one map.
        other: moments of the other.
        products: twice the product of their means.
        covariances: twice their sample covariance.
        squares: sum of the squares of their means.
        variances: sum of their variances.
    """

    one: LocalMoments
    other: LocalMoments
    products: NDArray[np.float64]
    covariances: NDArray[np.float64]
    squares: NDArray[np.float64]
    variances: NDArray[np.float64]


def local_moments(values: NDArray[np.float32]) -> LocalMoments | None:
    """Return the local moments of a map [H, W]; None where it is smaller than the window."""
    if min(values.shape) < WINDOW:
        return None
    means = _window_means(values)
    squares = _window_means(np.square(values, dtype=np.float64))
    return LocalMoments(means, _SAMPLE * (squares - means * means))


def pair_moments(
    one: LocalMoments, other: LocalMoments, values: NDArray[np.float32], others: NDArray[np.float32]
) -> PairMoments:
    """Return the moments of two maps `values` and `others` [H, W] from those of each."""
    products = one.means * other.means
    covariances = _window_means(np.multiply(values, others, dtype=np.float64))
    covariances -= products
    covariances *= 2 * _SAMPLE
    products *= 2
    squares = one.means**2 + other.means**2
    return PairMoments(one, other, products, covariances, squares, one.variances + other.variances)


def mean_ssim(pair: PairMoments, width: float, other_width: float) -> float:
    """Return the mean structural similarity of two maps, each divided by its width, for a data range of 1.

    With one width for both it is that of the maps as they are, for a data range of that width. Numerator and
    denominator are both taken times (width * other_width)^2, which leaves the moments as they are.
    """
    unit = width * other_width
    squares, variances = pair.squares, pair.variances
    if width != other_width:
        balance = other_width / width
        squares = balance * pair.one.means**2 + pair.other.means**2 / balance
        variances = balance * pair.one.variances + pair.other.variances / balance
    index = pair.products + C1 * unit
    index *= pair.covariances + C2 * unit
    index /= squares + C1 * unit
    index /= variances + C2 * unit
    return float(index.mean())


def _window_means(values: NDArray[np.floating]) -> NDArray[np.float64]:
    from scipy import ndimage  # only who compares maps waits for it

    inner = slice(WINDOW // 2, -(WINDOW // 2))
    means: NDArray[np.float64] = ndimage.uniform_filter(values, WINDOW, output=np.float64)
    return np.ascontiguousarray(means[inner, inner])
