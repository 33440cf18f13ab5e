"""Similarity of a map to the edges of its image, which depend on no model: the edge detector test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.statistics.ranks import correlation, standard_ranks
from igbatch.statistics.similarity import MapFeatures
from igbatch.statistics.ssim import LocalMoments, local_moments, mean_ssim, pair_moments

SIGMA = 1.0
"""Standard deviation in pixels of the blur before Canny's edges, scikit-image's default."""


@dataclass(frozen=True, eq=False)
class EdgeFeatures:
    """What comparisons with one edge map share; it does not depend on the map that is compared.

    Attributes:
        ranks: centred ranks of unit norm, float32 [H * W]; None where the image has no edges of this kind.
        scaled: the edge map divided by its maximum, float32 [H, W].
        moments: local means and variances of `scaled`; None below 7 pixels a side.
    """

    ranks: NDArray[np.float32] | None
    scaled: NDArray[np.float32]
    moments: LocalMoments | None


def edge_maps(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the edge maps, float32 [H, W], of an image, float32 [H, W, 3] in 0..1.

    Returns:
        `sobel`: Sobel magnitude of the luminance (Rec. 709 weights of R, G, B as they are).
        `canny`: Sobel magnitude of the luminance blurred by a Gaussian of 1 pixel, at the edges that Canny's
            detector finds after the same blur (thresholds 0.1 and 0.2, scikit-image's defaults); 0 elsewhere.

    Raises:
        InputError: the image is not [H, W, 3].
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(f"an image must be [height, width, 3], found shape {pixels.shape}; decode it as RGB")
    from skimage.color import rgb2gray  # most of a second, for who compares maps with edges only
    from skimage.feature import canny
    from skimage.filters import gaussian, sobel

    luminance = rgb2gray(pixels)
    blurred = gaussian(luminance, SIGMA)  # type: ignore[no-untyped-call]
    at_edges = canny(luminance, SIGMA)  # type: ignore[no-untyped-call]
    magnitudes, smooth = (sobel(each) for each in (luminance, blurred))  # type: ignore[no-untyped-call]
    found = {"sobel": magnitudes, "canny": np.where(at_edges, smooth, 0.0)}
    return {name: np.asarray(edges, dtype=np.float32) for name, edges in found.items()}


def edge_features(pixels: NDArray[np.float32]) -> dict[str, EdgeFeatures]:
    """Return what comparisons with each of an image's `edge_maps` share.

    Raises:
        InputError: the image is not [H, W, 3].
    """
    found = {}
    for name, edges in edge_maps(pixels).items():
        scaled = edges / edges.max() if edges.any() else edges
        found[name] = EdgeFeatures(standard_ranks(edges), scaled, local_moments(scaled))
    return found


def edge_similarity(features: MapFeatures, edges: Mapping[str, EdgeFeatures]) -> dict[str, float | None]:
    """Return how alike a map's absolute values and the image's edge maps are.

    Returns, for each edge map:
        `<edge>_spearman`: rank correlation of absolute attributions and edge magnitudes.
        `<edge>_ssim`: structural similarity (data range 1) of both, each divided by its maximum.
        None where it is undefined: a map or an image without any contrast, or below 7 pixels a side (ssim).

    Raises:
        InputError: the image differs in size from the map.
    """
    magnitudes = np.abs(features.attribution)
    largest = max(-features.minimum, features.maximum)
    moments = local_moments(magnitudes)
    found: dict[str, float | None] = {}
    for name, edge in edges.items():
        if edge.scaled.shape != magnitudes.shape:
            raise InputError(
                f"edges of shape {edge.scaled.shape} and a map of shape {magnitudes.shape} cannot be "
                "compared; preprocess the image as for the model"
            )
        found[f"{name}_spearman"] = correlation(features.abs_ranks, edge.ranks)
        found[f"{name}_ssim"] = (
            None
            if moments is None or edge.moments is None or edge.ranks is None or largest == 0
            else mean_ssim(pair_moments(moments, edge.moments, magnitudes, edge.scaled), largest, 1.0)
        )
    return found
