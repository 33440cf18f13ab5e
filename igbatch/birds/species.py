"""What tells the birds apart: proportions and plumage of every species, with individual variation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igbatch.birds.drawing import Colour, scaled


@dataclass(frozen=True)
class Look:
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


def look(species: str, rng: np.random.Generator) -> Look:
    """Draw an individual of a species: eagle (bald, golden or juvenile), magpie, crow or gull."""
    tone, pale, build = rng.uniform(0.85, 1.18), rng.uniform(0.92, 1.0), rng.uniform(0.94, 1.06)
    if species == "eagle":
        return _eagle(rng, tone, pale, build)
    if species == "magpie":
        return _magpie(rng, tone, pale, build)
    if species == "crow":
        return _crow(tone, build)
    return _gull(rng, tone, pale, build)


def _eagle(rng: np.random.Generator, tone: float, pale: float, build: float) -> Look:
    kind = rng.choice(["bald", "golden", "juvenile"], p=[0.68, 0.2, 0.12])
    brown = scaled((82, 58, 40), tone)
    white = scaled((246, 243, 234), pale)
    face, nape, tail, bill, cere, iris, mottle = (
        white,
        white,
        white,
        (240, 180, 40),
        (246, 196, 62),
        (240, 222, 130),
        0.0,
    )
    if kind == "golden":
        brown = scaled((104, 70, 40), tone)
        face, nape, tail = (
            scaled((122, 82, 44), tone),
            scaled((198, 144, 72), tone),
            scaled((84, 60, 42), tone),
        )
        bill, cere, iris = (62, 60, 64), (238, 192, 60), (226, 160, 60)
    elif kind == "juvenile":
        brown = scaled((96, 72, 54), tone)
        face, nape, tail = (
            scaled((92, 70, 54), tone),
            scaled((134, 108, 84), tone),
            scaled((128, 106, 86), tone),
        )
        bill, cere, iris, mottle = (78, 74, 72), (206, 186, 110), (150, 112, 70), 0.3
    return Look(
        species="eagle",
        lean=(32, 72),
        depth=0.60 * build,
        neck=0.22,
        head=0.19,
        beak=(1.02, 1.0, 1.0),
        tail=(0.52, 0.34, 0.1),
        tail_lift=(-10, 6),
        wing_tip=0.20,
        leg=0.10,
        leg_width=0.06,
        trousers=True,
        flight=(1.0, 0.95, 0.62, 0.0),
        body=brown,
        belly=scaled(brown, 0.92),
        face=face,
        nape=nape,
        wing=scaled(brown, 1.12),
        quill=scaled(brown, 0.62),
        tail_colour=tail,
        bill=bill,
        cere=cere,
        legs=(238, 186, 48),
        iris=iris,
        mottle=mottle,
    )


def _magpie(rng: np.random.Generator, tone: float, pale: float, build: float) -> Look:
    black = scaled((24, 25, 30), tone)
    gloss = ((26, 58, 104), (22, 76, 92), (36, 52, 104))[int(rng.integers(3))]
    tail = ((18, 62, 56), (24, 46, 76), (46, 36, 74))[int(rng.integers(3))]
    return Look(
        species="magpie",
        lean=(14, 42),
        depth=0.53 * build,
        neck=0.13,
        head=0.19,
        beak=(1.0, 0.6, 0.08),
        tail=(1.08 * build, 0.22, 0.9),
        tail_lift=(-8, 24),
        wing_tip=0.04,
        leg=0.29,
        leg_width=0.038,
        trousers=False,
        flight=(0.68, 0.66, 0.54, 0.2),
        body=black,
        belly=scaled((244, 244, 240), pale),
        face=black,
        nape=black,
        wing=scaled(gloss, tone),
        quill=black,
        tail_colour=scaled(tail, tone),
        bill=(30, 30, 32),
        cere=(30, 30, 32),
        legs=(34, 32, 34),
        iris=(20, 14, 12),
    )


def _crow(tone: float, build: float) -> Look:
    black = scaled((33, 33, 38), tone)
    return Look(
        species="crow",
        lean=(14, 44),
        depth=0.50 * build,
        neck=0.16,
        head=0.18,
        beak=(1.3, 0.66, 0.25),
        tail=(0.46, 0.26, 0.3),
        tail_lift=(-8, 6),
        wing_tip=0.26,
        leg=0.26,
        leg_width=0.04,
        trousers=False,
        flight=(0.8, 0.82, 0.56, 0.1),
        body=black,
        belly=scaled(black, 0.9),
        face=black,
        nape=black,
        wing=scaled((42, 43, 54), tone),
        quill=scaled(black, 0.8),
        tail_colour=scaled(black, 0.9),
        bill=(40, 40, 42),
        cere=(48, 48, 50),
        legs=(36, 35, 36),
        iris=(30, 22, 18),
    )


def _gull(rng: np.random.Generator, tone: float, pale: float, build: float) -> Look:
    white = scaled((246, 247, 246), pale)
    grey = ((172, 180, 190), (150, 158, 170), (120, 128, 142))[int(rng.integers(3))]
    return Look(
        species="gull",
        lean=(4, 22),
        depth=0.45 * build,
        neck=0.2,
        head=0.165,
        beak=(1.3, 0.52, 0.3),
        tail=(0.3, 0.22, 0.0),
        tail_lift=(-4, 4),
        wing_tip=0.50,
        leg=0.27,
        leg_width=0.034,
        trousers=False,
        flight=(0.95, 1.05, 0.46, 1.0),
        body=white,
        belly=white,
        face=white,
        nape=white,
        wing=scaled(grey, 0.5 + tone / 2),
        quill=(28, 28, 32),
        tail_colour=white,
        bill=(240, 194, 50),
        cere=(226, 70, 40),
        legs=(226, 150, 150),
        iris=(236, 222, 140),
    )
