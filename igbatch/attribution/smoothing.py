"""The noise of the copies of an image whose maps are averaged (`averaging`).

Source: Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017; Hedström et al., *Sanity Checks
Revisited: An Exploration to Repair the Model Parameter Randomisation Test*, 2024 (sMPRT).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def copy_noise(
    shape: tuple[int, ...], deviation: float, seed: int, image_id: str, copy: int
) -> NDArray[np.float32]:
    """Return normal noise for a copy of an image; it follows from seed, image and number of the copy alone.

    Args:
        shape: of the pixels.
        deviation: standard deviation, in the unit of the pixels.
        seed: of the study.
        image_id: of the image.
        copy: number of the copy, from 0.
    """
    generator = seeded(f"{seed}:{copy}:{image_id}")
    return np.float32(deviation) * generator.standard_normal(shape, dtype=np.float32)


def seeded(name: str) -> np.random.Generator:
    """Return a generator that follows from a name alone."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()))
