"""Proportions and plumage of every species, with individual variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from igbatch.birds.drawing import Colour, scaled


@dataclass(frozen=True)
class Traits:
    """One individual. Lengths are in units of the torso (shoulder to rump), angles in degrees."""

    species: str
    lean: tuple[float, float]  # body axis above the horizontal, perched: from level to upright
    depth: float  # of the torso
    neck: float
    head: float  # radius
    beak: tuple[float, float, float]  # length and depth in head radii, hook 0 to 1
    tail: tuple[float, float, float]  # length, width, how graduated (0 square, 1 wedge)
    tail_lift: tuple[float, float]  # against the body axis: lowered, cocked
    wing_tip: float  # how far the folded wing reaches beyond the rump
    leg: float  # visible length
    leg_width: float
    trousers: bool
    flight: tuple[float, float, float, float]  # arm, hand, chord, how pointed (0 fingered, 1 pointed)
    body: Colour
    belly: Colour
    face: Colour
    nape: Colour
    wing: Colour
    quill: Colour
    tail_colour: Colour
    bill: Colour
    cere: Colour
    legs: Colour
    iris: Colour
    mottle: float = 0.0  # share of pale feathers


_SPECIES = ("eagle", "magpie", "crow", "gull")
# Of these species, in their order; bill, cere and iris are a bald eagle's.
_TRAITS: dict[str, tuple[Any, ...]] = {
    "lean": ((32, 72), (14, 42), (14, 44), (4, 22)),
    "depth": (0.60, 0.53, 0.50, 0.45),
    "neck": (0.22, 0.13, 0.16, 0.2),
    "head": (0.19, 0.19, 0.18, 0.165),
    "beak": ((1.02, 1.0, 1.0), (1.0, 0.6, 0.08), (1.3, 0.66, 0.25), (1.3, 0.52, 0.3)),
    "tail": ((0.52, 0.34, 0.1), (1.08, 0.22, 0.9), (0.46, 0.26, 0.3), (0.3, 0.22, 0.0)),
    "tail_lift": ((-10, 6), (-8, 24), (-8, 6), (-4, 4)),
    "wing_tip": (0.20, 0.04, 0.26, 0.50),
    "leg": (0.10, 0.29, 0.26, 0.27),
    "leg_width": (0.06, 0.038, 0.04, 0.034),
    "trousers": (True, False, False, False),
    "flight": (
        (1.0, 0.95, 0.62, 0.0),
        (0.68, 0.66, 0.54, 0.2),
        (0.8, 0.82, 0.56, 0.1),
        (0.95, 1.05, 0.46, 1.0),
    ),
    "bill": ((240, 180, 40), (30, 30, 32), (40, 40, 42), (240, 194, 50)),
    "cere": ((246, 196, 62), (30, 30, 32), (48, 48, 50), (226, 70, 40)),
    "legs": ((238, 186, 48), (34, 32, 34), (36, 35, 36), (226, 150, 150)),
    "iris": ((240, 222, 130), (20, 14, 12), (30, 22, 18), (236, 222, 140)),
}
_PLUMAGE = ("body", "belly", "face", "nape", "wing", "quill", "tail_colour")


def individual(species: str, rng: np.random.Generator) -> Traits:
    """Draw an individual of a species: eagle (bald, golden or juvenile), magpie, crow or gull."""
    tone, pale, build = rng.uniform(0.85, 1.18), rng.uniform(0.92, 1.0), rng.uniform(0.94, 1.06)
    traits = {name: values[_SPECIES.index(species)] for name, values in _TRAITS.items()}
    traits["depth"] *= build
    if species == "eagle":
        brown, face, nape, tail, others = _eagle(rng, tone, pale)
        plumage = (brown, scaled(brown, 0.92), face, nape, scaled(brown, 1.12), scaled(brown, 0.62), tail)
        traits |= others
    elif species == "magpie":
        black, white = scaled((24, 25, 30), tone), scaled((244, 244, 240), pale)
        gloss = ((26, 58, 104), (22, 76, 92), (36, 52, 104))[int(rng.integers(3))]
        tail = ((18, 62, 56), (24, 46, 76), (46, 36, 74))[int(rng.integers(3))]
        plumage = (black, white, black, black, scaled(gloss, tone), black, scaled(tail, tone))
        length, width, wedge = traits["tail"]
        traits["tail"] = (length * build, width, wedge)
    elif species == "crow":
        black, wing = scaled((33, 33, 38), tone), scaled((42, 43, 54), tone)
        plumage = (black, scaled(black, 0.9), black, black, wing, scaled(black, 0.8), scaled(black, 0.9))
    else:
        white = scaled((246, 247, 246), pale)
        grey = ((172, 180, 190), (150, 158, 170), (120, 128, 142))[int(rng.integers(3))]
        plumage = (white, white, white, white, scaled(grey, 0.5 + tone / 2), (28, 28, 32), white)
    traits |= dict(zip(_PLUMAGE, plumage, strict=True))
    return Traits(species, **traits)


def _eagle(rng: np.random.Generator, tone: float, pale: float) -> tuple[Any, ...]:
    """Return an eagle's colours of body, face, nape and tail, and its traits that are no bald one's."""
    kind = rng.choice(["bald", "golden", "juvenile"], p=[0.68, 0.2, 0.12])
    if kind == "bald":
        white = scaled((246, 243, 234), pale)
        return scaled((82, 58, 40), tone), white, white, white, {}
    if kind == "golden":
        colours = ((104, 70, 40), (122, 82, 44), (198, 144, 72), (84, 60, 42))
        others: dict[str, Any] = {"bill": (62, 60, 64), "cere": (238, 192, 60), "iris": (226, 160, 60)}
    else:
        colours = ((96, 72, 54), (92, 70, 54), (134, 108, 84), (128, 106, 86))
        others = {"bill": (78, 74, 72), "cere": (206, 186, 110), "iris": (150, 112, 70), "mottle": 0.3}
    return *(scaled(colour, tone) for colour in colours), others
