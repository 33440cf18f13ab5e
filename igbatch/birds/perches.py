"""Perches and clutter as vector drawings: branches, posts, rocks, stones, leaves, tufts.

The same drawings serve every species: a perch is drawn before it is known who will sit on it. Coordinates are
pixels relative to the place where the feet go, y up.
"""

from __future__ import annotations

import numpy as np

from igbatch.birds.drawing import Colour, Drawing, Points, mix, scaled, shades, shifted, spline, unit
from igbatch.birds.noise import line

PERCHES = ("branch", "post", "rock")

_BARK: tuple[Colour, ...] = ((104, 84, 66), (122, 108, 94), (84, 70, 58), (140, 124, 104))
_WOOD: tuple[Colour, ...] = ((138, 116, 92), (116, 106, 98), (160, 138, 108))
_STONE: tuple[Colour, ...] = ((128, 124, 118), (108, 104, 102), (150, 138, 120), (92, 92, 94))


def perch(rng: np.random.Generator, kind: str, size: float, leaf: Colour) -> Drawing:
    """Draw a perch for a bird of `size` pixels: `branch`, `post` or `rock`."""
    if kind == "branch":
        return _branch(rng, size, leaf)
    if kind == "post":
        return _post(rng, size)
    return _rock(rng, size * rng.uniform(0.7, 1.4), _STONE[int(rng.integers(len(_STONE)))], 260.0)


def _branch(rng: np.random.Generator, size: float, leaf: Colour) -> Drawing:
    drawing = Drawing()
    bark = scaled(_BARK[int(rng.integers(len(_BARK)))], rng.uniform(0.8, 1.15))
    thick = float(np.clip(size * rng.uniform(0.05, 0.1), 3, 14))
    slope, side = rng.uniform(-0.22, 0.22), 1 if rng.uniform() < 0.5 else -1
    x = np.linspace(-240, 240, 13)
    bend = 9 * line(rng, 5, 2, length=13)
    y = slope * x + (bend - bend[6]) - 0.0004 * x**2 * rng.uniform(-1, 1)
    half = thick * (1 - 0.0018 * side * x) * (0.5 + 0.06 * line(rng, 9, 1, length=13))
    half = np.maximum(half, 1.0)
    y = y - half[6]  # the feet grip the upper side
    for _ in range(int(rng.integers(1, 5))):
        _twig(drawing, rng, np.array([x, y]).T[int(rng.integers(1, 12))], thick, bark, leaf)
    top, bottom = (spline(np.stack([x, edge], axis=1), 4, closed=False) for edge in (y + half, y - half))
    drawing.fill(np.concatenate([top, bottom[::-1]]), bark, 190)
    count = 46
    pick, across = rng.uniform(-200, 200, count), rng.uniform(-0.8, 0.8, count)
    centre = np.stack([pick, np.interp(pick, x, y) + across * np.interp(pick, x, half)], axis=1)
    ends = centre + rng.uniform(3, 14, (count, 1)) * np.array([1.0, slope])
    drawing.strokes(centre, ends, shades(rng, bark, count, 0.3), 1.0)
    return drawing


def _twig(
    drawing: Drawing, rng: np.random.Generator, root: Points, thick: float, bark: Colour, leaf: Colour
) -> None:
    angle = rng.uniform(0.25, 1.2) * (1 if rng.uniform() < 0.5 else -1)
    angle += np.pi if rng.uniform() < 0.5 else 0
    length = rng.uniform(30, 80)
    axis = unit(angle)
    bow = np.array([-axis[1], axis[0]]) * rng.uniform(-8, 8)
    path = spline(np.stack([root, root + 0.5 * length * axis + bow, root + length * axis]), 4, closed=False)
    drawing.stroke(path, scaled(bark, 0.85), max(1.2, thick * 0.3))
    if rng.uniform() < 0.7:
        _leaves(drawing, rng, path[rng.integers(2, len(path), int(rng.integers(3, 9)))], leaf)


def _leaves(drawing: Drawing, rng: np.random.Generator, roots: Points, leaf: Colour) -> None:
    count = len(roots)
    angle, length = rng.uniform(0, 2 * np.pi, count), rng.uniform(7, 16, count)
    tips = roots + length[:, None] * unit(angle)
    drawing.feathers(roots, tips, length * rng.uniform(0.35, 0.6, count), shades(rng, leaf, count, 0.3), 150)


def _post(rng: np.random.Generator, size: float) -> Drawing:
    drawing = Drawing()
    wood = scaled(_WOOD[int(rng.integers(len(_WOOD)))], rng.uniform(0.8, 1.1))
    half = float(np.clip(size * rng.uniform(0.1, 0.2), 5, 20))
    lean = rng.uniform(-8, 8)
    if rng.uniform() < 0.4:  # a rail or wires behind
        drop, tilt = rng.uniform(20, 60), rng.uniform(-6, 6)
        for level in range(int(rng.integers(1, 3))):
            y = -drop - 30 * level
            width = float(rng.choice([1.0, 1.2, 6.0]))
            drawing.stroke(np.array([(-240, y - tilt), (240, y + tilt)]), scaled(wood, 0.8), width)
    drawing.fill(np.array([(-half, 0), (half, 0), (half + lean, -240), (-half + lean, -240)]), wood, 180)
    cap = half * rng.uniform(0.12, 0.3)
    ring = unit(np.linspace(0, 2 * np.pi, 14)) * [half, cap]
    drawing.fill(ring - [0, cap * 0.2], scaled(wood, 1.18), 0)
    count = 26
    across, down = rng.uniform(-0.9, 0.9, count) * half, rng.uniform(-160, -cap, count)
    tops = np.stack([across - lean * down / 240, down], axis=1)
    drawing.strokes(tops, tops - [0, 1] * rng.uniform(8, 50, (count, 1)), shades(rng, wood, count, 0.28), 1.0)
    return drawing


def _rock(rng: np.random.Generator, half: float, stone: Colour, depth: float) -> Drawing:
    """A boulder whose top is at the origin and which reaches `depth` pixels down."""
    drawing = Drawing()
    stone = scaled(stone, rng.uniform(0.85, 1.1))
    x = np.linspace(-1, 1, 9)
    fall = np.abs(x) ** rng.uniform(1.4, 2.4) * np.where(x < 0, rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9))
    rise = -fall * half + half * 0.16 * line(rng, 6, 1, length=9) * (np.abs(x) > 0.3)
    top = np.stack([x * half, rise], axis=1)
    flare = rng.uniform(1.0, 1.9, 2) * half
    base = np.array([(flare[0], -depth), (-flare[1], -depth)])
    outline = np.concatenate([spline(top, 2, closed=False), base])
    drawing.fill(outline, stone, 150)
    for _ in range(4):  # facets that catch the light differently
        a, b = np.sort(rng.uniform(-0.95, 0.95, 2))
        deep = -half * rng.uniform(0.3, 1.3)
        upper = np.interp([a, (a + b) / 2, b], x, rise)
        facet = [(a * half, upper[0] - 1), ((a + b) / 2 * half, upper[1] - 1), (b * half, upper[2] - 1)]
        facet.append((b * half * 1.05, max(deep * rng.uniform(0.6, 1.0), -depth)))
        facet.append((a * half * 1.05, max(deep, -depth)))
        drawing.fill(np.array(facet), scaled(stone, rng.uniform(0.88, 1.12)), int(rng.integers(130, 200)))
    count = 26
    place = np.stack([rng.uniform(-0.8, 0.8, count) * half, -rng.uniform(0.1, 1.4, count) * half], axis=1)
    place[:, 1] = np.minimum(place[:, 1], np.interp(place[:, 0], top[:, 0], rise) - 3)
    span = rng.uniform(0.05, 0.25, (count, 2)) * half
    for point, (dx, dy), colour in zip(place, span, shades(rng, stone, count, 0.22), strict=True):
        if point[1] - dy > -depth:
            drawing.stroke(shifted(point, (0, 0), (dx * 0.5, -dy * 0.2), (dx, -dy * 0.8)), colour, 1.3)
    return drawing


def clutter(rng: np.random.Generator, kind: str, size: float, leaf: Colour) -> Drawing:
    """Something that is no bird: `stone`, `leaves` or `stump`, about `size` pixels large."""
    if kind == "stone":
        return _rock(rng, size * 0.5, _STONE[int(rng.integers(len(_STONE)))], size * rng.uniform(0.4, 0.6))
    if kind == "stump":
        return _rock(rng, size * 0.25, mix(_BARK[int(rng.integers(len(_BARK)))], leaf, 0.15), size * 0.7)
    drawing = Drawing()
    drift = rng.uniform(-60, 60)  # a spray hanging in from above the picture
    twig = spline(np.array([(drift, 260.0), (0.3 * drift, 90.0), (0.0, -0.4 * size)]), 8, closed=False)
    drawing.stroke(twig, scaled(_BARK[0], 0.8), 1.8)
    spread = twig[rng.integers(4, len(twig), 26)] + rng.normal(0, 1, (26, 2)) * size * 0.12
    _leaves(drawing, rng, spread, scaled(leaf, rng.uniform(0.7, 1.2)))
    return drawing
