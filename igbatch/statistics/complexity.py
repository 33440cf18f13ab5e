"""Complexity of a map and its rise under randomization: the efficient model parameter randomization test.

Hedström et al. 2023, "Sanity Checks Revisited: An Exploration to Repair the Model Parameter Randomisation
Test", and 2024, "A Fresh Look at Sanity Checks for Saliency Maps": a map of a model that has learned nothing
should be more complex than that of the trained one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 100
"""Bins of the histogram, as in Quantus' EfficientMPRT."""


def complexity(attribution: NDArray[np.float32]) -> float | None:
    """Return the entropy in nats, 0 to log 100, of a finite map's histogram: the test's discrete entropy.

    The bins are 100 of equal width from the map's smallest to its largest value, with signs. That is Quantus'
    `discrete_entropy` of raw attributions in float64, the default of its EfficientMPRT. It does not change
    with the map's scale, sign or a constant that is added, nor with the order of pixels; a single extreme
    pixel widens all bins and lowers it. None for a constant map, which has no range to divide.
    """
    values = attribution.astype(np.float64)
    if values.min() == values.max():
        return None
    from scipy import stats  # takes a second to import

    counts, _ = np.histogram(values, bins=BINS)
    return float(stats.entropy(counts))


def spread_entropy(attribution: NDArray[np.float32]) -> float | None:
    """Return the entropy in nats, 0 to log(H W), of |a| / sum |a|: how far attribution spreads over pixels.

    It is the complexity of Bhatt et al. 2020, "Evaluating and Aggregating Feature-based Model Explanations".
    It does not change with the map's scale or signs. None where the map is 0 throughout.
    """
    from scipy import stats

    magnitudes = np.abs(attribution, dtype=np.float64).ravel()
    return float(stats.entropy(magnitudes)) if magnitudes.any() else None


def efficient_score(random: float | None, trained: float | None) -> float | None:
    """Return the relative rise of complexity from the trained model's map, (random - trained) / trained.

    Above 0 the random model's map is the more complex one, as the test expects. None where either complexity
    is undefined or the trained one is 0.
    """
    if random is None or trained is None or trained == 0:
        return None
    return (random - trained) / trained
