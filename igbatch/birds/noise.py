"""Cheap noise: fixed tiles of several textures, of which scenes cut random windows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from igbatch.birds.drawing import SIZE, Floats

TILE = 512


@lru_cache(maxsize=8)
def tile(kind: str) -> Floats:
    """A periodic texture [TILE, TILE] with mean 0 and values of about -1 to 1.

    `cloud` is smooth and fractal, `rough` fractal down to the pixel, `fine` nearly white.
    """
    fall, coarsest = {"cloud": (0.5, 4), "rough": (0.8, 8), "fine": (1.0, 128)}[kind]
    rng = np.random.default_rng([20170613, len(kind), coarsest])
    total = np.zeros((TILE, TILE))
    cells, weight = coarsest, 1.0
    while cells <= TILE:
        grid = np.pad(rng.uniform(-1, 1, (cells, cells)), 4, mode="wrap").astype(np.float32)
        image = Image.fromarray(grid).resize(
            (TILE, TILE), Image.Resampling.BICUBIC, box=(4, 4, 4 + cells, 4 + cells)
        )
        total += weight * np.asarray(image)
        cells, weight = cells * 2, weight * fall
    total -= total.mean()
    result: Floats = (total / (2.2 * total.std())).astype(np.float32)
    result.flags.writeable = False
    return result


@lru_cache(maxsize=8)
def _tile_image(kind: str) -> Image.Image:
    return Image.fromarray(np.array(tile(kind)))


def noise(
    rng: np.random.Generator,
    kind: str,
    zoom: tuple[float, float] = (1.0, 1.0),
    shape: tuple[int, int] = (SIZE, SIZE),
) -> Floats:
    """A random window of a tile, magnified by `zoom` (x, y), as an array of `shape` (height, width)."""
    height, width = shape
    if zoom == (1.0, 1.0):
        x, y = int(rng.integers(0, TILE - width)), int(rng.integers(0, TILE - height))
        return tile(kind)[y : y + height, x : x + width]
    window_w, window_h = min(width / zoom[0], TILE), min(height / zoom[1], TILE)
    left, top = rng.uniform(0, TILE - window_w), rng.uniform(0, TILE - window_h)
    box = (left, top, left + window_w, top + window_h)
    return np.asarray(_tile_image(kind).resize((width, height), Image.Resampling.BILINEAR, box=box))


def line(rng: np.random.Generator, cells: int, octaves: int, fall: float = 0.5, length: int = SIZE) -> Floats:
    """A fractal curve [length] of values of about -1 to 1, `cells` bumps in its coarsest octave."""
    total = np.zeros(length)
    weight = 1.0
    for octave in range(octaves):
        count = cells * 2**octave + 2
        total += weight * np.interp(
            np.linspace(0, count - 1, length), np.arange(count), rng.uniform(-1, 1, count)
        )
        weight *= fall
    return total.astype(np.float32)
