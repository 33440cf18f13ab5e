"""The stage of a scene: background, perches, clutter, and the slots in which birds will appear.

A stage is drawn before, and without knowledge of, the species. Pose, size, place and light therefore cannot
give a class away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igbatch.birds.drawing import SIZE, Floats, blend, rasterise
from igbatch.birds.flight import Wings
from igbatch.birds.landscapes import Landscape, landscape
from igbatch.birds.noise import noise
from igbatch.birds.perches import PERCHES, clutter, perch
from igbatch.birds.standing import Posture

_FAMILIES = {  # perched, ground, flying
    "sky": (0.42, 0.0, 0.58),
    "field": (0.32, 0.4, 0.28),
    "snow": (0.32, 0.4, 0.28),
    "water": (0.32, 0.36, 0.32),
    "foliage": (0.8, 0.0, 0.2),
    "wall": (0.72, 0.0, 0.28),
}


@dataclass(frozen=True)
class Slot:
    """Where and how a bird appears: feet (or centre, in flight) at (x, y), its longest side `size` pixels."""

    role: str  # main, second or distractor
    family: str  # perched, ground or flying
    x: float
    y: float
    size: float
    mirror: bool
    turn: float
    haze: float
    posture: Posture
    wings: Wings

    @property
    def envelope(self) -> tuple[float, float, float, float]:
        """Roughly what the bird will cover: x_min, y_min, x_max, y_max."""
        s = self.size
        if self.family == "flying":
            return self.x - 0.5 * s, self.y - 0.42 * s, self.x + 0.5 * s, self.y + 0.42 * s
        left, right = (0.50, 0.63) if self.mirror else (0.63, 0.50)
        below = 0.32 if self.family == "perched" else 0.03
        return self.x - left * s, self.y - 0.8 * s, self.x + right * s, self.y + below * s


@dataclass(frozen=True)
class Stage:
    """A scene without its birds: picture float32 [SIZE, SIZE, 3] (0 to 255), grain [SIZE, SIZE], slots."""

    landscape: Landscape
    image: Floats
    grain: Floats
    exposure: float
    slots: tuple[Slot, ...]


def stage(rng: np.random.Generator, kind: str) -> Stage:
    """Draw the stage of a scene of a kind: `single`, `double` or `empty`."""
    land = landscape(rng)
    grain = 1 + np.float32(0.07) * noise(rng, "rough") + np.float32(0.05) * noise(rng, "fine")
    image = land.image
    shift = rng.uniform(-0.4, 0.4)
    if rng.uniform() < 0.3:  # a little lies about, whether birds come or not
        _scatter(rng, land, image, grain, int(rng.integers(1, 4)))
    slots = _slots(rng, land, kind)
    stands = [*slots]
    if kind == "empty":
        bare = _slot(rng, land, "bare", float(np.exp(rng.uniform(np.log(45), np.log(190)))))
        if bare.family != "perched" or rng.uniform() < 0.35:
            _scatter(rng, land, image, grain, int(rng.integers(0, 3)))
        else:
            stands.append(bare)
    for slot in stands:
        if slot.family == "perched":
            kinds = PERCHES if land.place != "foliage" else ("branch", "branch", "post", "rock")
            drawing = perch(rng, kinds[int(rng.integers(len(kinds)))], slot.size, land.foliage)
            blend(image, rasterise(drawing, (slot.x, slot.y), 1.0, land.light, grain, depth=25.0))
    return Stage(land, image, grain, 1.0 + 0.25 * shift, slots)


def _scatter(rng: np.random.Generator, land: Landscape, image: Floats, grain: Floats, count: int) -> None:
    """Stones and stumps on the ground, leaf clumps in the air."""
    for _ in range(count):
        size = float(rng.uniform(14, 60))
        if land.ground is not None and land.ground < SIZE - 12 and rng.uniform() < 0.75:
            kind = "stone" if rng.uniform() < 0.7 else "stump"
            at = (float(rng.uniform(0, SIZE)), float(rng.uniform(land.ground, SIZE - 8)) - 0.3 * size)
        else:
            kind, at = "leaves", (float(rng.uniform(0, SIZE)), float(rng.uniform(0, 70)))
        drawing, soften = clutter(rng, kind, size, land.foliage), float(rng.uniform(0.0, 1.2))
        blend(image, rasterise(drawing, at, 1.0, land.light, grain, depth=20.0, soften=soften))


def _slots(rng: np.random.Generator, land: Landscape, kind: str) -> tuple[Slot, ...]:
    """Slots for a kind, the smaller birds first, none of them hiding another."""
    if kind == "empty":
        return ()
    if kind == "single":
        plan = [("main", float(np.exp(rng.uniform(np.log(52), np.log(190)))))]
    else:
        plan = [("main", float(rng.uniform(104, 150))), ("second", float(rng.uniform(46, 84)))]
    if rng.uniform() < (0.2 if kind == "single" else 0.12) and plan[0][1] > 84:
        plan.append(("distractor", float(rng.uniform(24, 0.34 * plan[0][1]))))
    best: tuple[Slot, ...] = ()
    least = np.inf
    for attempt in range(90):
        if attempt == 20:  # no space for a third bird
            plan, best, least = [item for item in plan if item[0] != "distractor"], (), np.inf
        slots = tuple(_slot(rng, land, role, size) for role, size in plan)
        overlap = sum(_overlap(a, b) for i, a in enumerate(slots) for b in slots[i + 1 :])
        if overlap < least:
            best, least = slots, overlap
        if least == 0:
            break
    return tuple(reversed(best))


def _overlap(first: Slot, second: Slot) -> float:
    """Shared area of two envelopes, as a share of the smaller one."""
    a, b = first.envelope, second.envelope
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((e[2] - e[0]) * (e[3] - e[1]) for e in (a, b))
    return max(0.0, width) * max(0.0, height) / smaller


def _within(low: float, high: float, share: float) -> float:
    return low + (high - low) * share if high > low else (low + high) / 2


def _slot(rng: np.random.Generator, land: Landscape, role: str, size: float) -> Slot:
    u = rng.uniform(size=12).tolist()
    perched, ground, _ = _FAMILIES[land.place]
    if land.ground is None or land.ground > 200:
        perched, ground = perched + ground / 2, 0.0
    family = "perched" if u[0] < perched else "ground" if u[0] < perched + ground else "flying"
    mirror = u[1] < 0.5
    left, right = (0.50, 0.63) if mirror else (0.63, 0.50)
    if family == "flying":
        x = _within(0.5 * size + 3, SIZE - 3 - 0.5 * size, u[2])
        y = _within(0.5 * size + 3, SIZE - 3 - 0.5 * size, u[3])
    else:
        x = _within(left * size + 3, SIZE - 3 - right * size, u[2])
        top = 0.78 * size + 3
        if family == "ground" and land.ground is not None:
            y = max(min(top, 216.0), _within(max(top, land.ground), 216, u[3]))
        else:
            y = _within(top, SIZE - 6 - 0.32 * size, u[3])
    turn = float(np.radians(_within(-28, 30, u[8]) if family == "flying" else _within(-5, 5, u[8])))
    haze = 0.13 * u[9] * (1 - size / 260)
    return Slot(role, family, x, y, size, mirror, turn, haze, Posture(*u[4:8]), _wings(rng, u[10]))


def _wings(rng: np.random.Generator, style: float) -> Wings:
    v = rng.uniform(size=5).tolist()
    lengths = (0.8 + 0.2 * v[2], 0.75 + 0.2 * v[3])
    if style < 0.4:  # soaring, one wing to either side
        near, far = -(52 + 42 * v[0]), 50 + 45 * v[1]
        lengths = (0.75 + 0.25 * v[2], 0.65 + 0.3 * v[3])
    elif style < 0.75:  # upstroke
        near, far = 78 + 44 * v[0], 52 + 34 * v[1]
    else:  # downstroke
        near, far = -(70 + 45 * v[0]), -(45 + 35 * v[1])
    return Wings(near, far, *lengths, 8 + 34 * v[4], v[0])
