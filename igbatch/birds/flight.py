"""Birds on the wing: feathered wings on two bones, around the torso in side view.

Each wing hangs at its own angle, so that soaring (one wing up, one down, as seen from the side in a bank) and
flapping (both up or both down) are the same drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igbatch.birds.drawing import Colour, Drawing, Points, factored, mix, scaled, shades, shifted, spline
from igbatch.birds.species import Look
from igbatch.birds.standing import Frame, Posture, torso


@dataclass(frozen=True)
class Wings:
    """The wing beat, drawn before the species: directions of both wings in degrees (90 up, -90 down), their
    apparent lengths (foreshortening, 0 to 1) and how far the hand is swept back (degrees)."""

    near: float
    far: float
    near_length: float
    far_length: float
    sweep: float
    fan: float


def flying(rng: np.random.Generator, look: Look, posture: Posture, wings: Wings) -> Drawing:
    """A bird in flight in side view, facing right, shoulder near the origin."""
    drawing = Drawing()
    frame = Frame(np.array([-0.3, 0.0]), np.radians(2 + 8 * posture.lean))
    d = look.depth
    _wing(drawing, rng, look, frame.at([(0.26, 0.30 * d)])[0], wings.far, wings.far_length, wings, 0.82)
    _fanned_tail(drawing, rng, look, frame, wings.fan)
    torso(drawing, rng, look, frame, posture)
    _wing(drawing, rng, look, frame.at([(0.26, 0.12 * d)])[0], wings.near, wings.near_length, wings, 1.0)
    return drawing


def _fanned_tail(drawing: Drawing, rng: np.random.Generator, look: Look, frame: Frame, fan: float) -> None:
    length, width, wedge = look.tail
    count = 9
    rank = np.linspace(-1, 1, count)
    rank = rank[np.argsort(-np.abs(rank), kind="stable")]
    spread = (0.10 if wedge > 0.5 else 0.22) + 0.2 * fan
    angle = frame.lean + np.pi + rank * spread
    roots = frame.at([(-0.40, 0.02)])[0] + np.stack([np.zeros(count), rank * 0.05], axis=1)
    reach = (length + 0.14) * (1 - 0.45 * wedge * np.abs(rank))
    tips = roots + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    colours = shades(rng, look.tail_colour, count, 0.04 if look.species == "gull" else 0.14)
    if look.species == "magpie":
        colours = [mix(c, look.body, 0.2 + 0.5 * abs(k)) for c, k in zip(colours, rank.tolist(), strict=True)]
    drawing.feathers(roots, tips, np.full(count, width * 0.34 + 0.05 * fan), colours, 110)
    drawing.strokes(roots, tips, factored(colours, 0.8 if sum(look.tail_colour) > 200 else 1.35), 0.008)


def _wing(
    drawing: Drawing,
    rng: np.random.Generator,
    look: Look,
    shoulder: Points,
    degrees: float,
    length: float,
    wings: Wings,
    tone: float,
) -> None:
    """One wing: primaries, secondaries and coverts along arm and hand; `tone` darkens the far one."""
    arm, hand, chord, pointed = look.flight
    side = 1.0 if degrees > 0 else -1.0
    first, second = np.radians(degrees - side * 14), np.radians(degrees + side * wings.sweep)
    arm_axis, hand_axis = _unit(first), _unit(second)
    wrist = shoulder + arm * length * arm_axis
    hand_length = hand * length
    # primaries: a fan from the rear to the tip
    count = 10 if pointed < 0.5 else 9
    k = np.linspace(0, 1, count)
    start = np.radians(180.0) * side
    turn = (start - second) * (1 - k ** (0.9 - 0.3 * pointed)) * (0.86 - 0.14 * pointed) + np.radians(
        8
    ) * side
    angle = second + turn * (1 - 0.45 * pointed * k)
    roots = wrist + (k * (0.42 if pointed < 0.5 else 0.5) * hand_length)[:, None] * hand_axis
    far_reach = hand_length * (0.62 + 0.18 * pointed)
    reach = chord * 0.95 * (1 - k) + far_reach * k ** (0.75 + 0.8 * pointed)
    reach += (0.16 * np.sin(np.pi * k)) * chord * (1 - 0.5 * pointed)
    tips = roots + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    widths = np.full(count, chord * (0.19 - 0.03 * pointed))
    spread = 0.05 if look.species == "gull" else 0.14
    quills = _primary_colours(rng, look, count, spread, tone)
    drawing.feathers(roots, tips, widths, quills, 120)
    if look.species == "magpie":
        _white_panel(drawing, roots, tips, widths, look, tone)
    if look.species == "gull":
        _black_tips(drawing, roots, tips, widths, look)
    # secondaries
    count = 9
    k = np.linspace(0.0, 1, count)
    base = shoulder + (k * arm * length)[:, None] * arm_axis
    trail = np.array([-chord, 0.0]) + 0.10 * chord * arm_axis  # the quills of the arm point to the tail
    ends = base + trail * (0.95 + 0.05 * np.sin(6 * k))[:, None]
    ends[0] = 0.5 * ends[0] + 0.5 * (shifted(shoulder, -0.62 * chord + 0.2, 0.0))
    inner = mix(look.quill, look.wing, 0.35)
    if look.species == "gull":
        inner = look.wing
    colours = shades(rng, scaled(inner, tone), count, spread)
    drawing.feathers(base, ends, np.full(count, arm * length * 0.17 + 0.03), colours, 130)
    if look.species == "gull":  # white trailing edge
        drawing.feathers(
            base + 0.84 * (ends - base),
            ends,
            np.full(count, arm * length * 0.16),
            [scaled(look.body, tone)] * count,
        )
    _coverts(drawing, rng, look, shoulder, wrist, hand_axis * hand_length, trail, tone)


def _unit(angle: float) -> Points:
    return np.array([np.cos(angle), np.sin(angle)])


def _primary_colours(
    rng: np.random.Generator, look: Look, count: int, spread: float, tone: float
) -> list[Colour]:
    colour = look.wing if look.species == "gull" else look.quill
    return shades(rng, scaled(colour, tone), count, spread)


def _white_panel(
    drawing: Drawing, roots: Points, tips: Points, widths: Points, look: Look, tone: float
) -> None:
    """The magpie's white inner vanes: each primary white but for its border and tip."""
    shaft = tips - roots
    white = scaled(look.belly, 0.7 + 0.3 * tone)
    drawing.feathers(
        (roots + 0.12 * shaft)[1:], (roots + 0.84 * shaft)[1:], widths[1:] * 0.66, [white] * (len(roots) - 1)
    )


def _black_tips(drawing: Drawing, roots: Points, tips: Points, widths: Points, look: Look) -> None:
    """The gull's black outer primaries, with white mirrors."""
    outer = slice(len(roots) - 5, None)
    starts = np.linspace(0.85, 0.5, 5)[:, None]
    shaft = (tips - roots)[outer]
    drawing.feathers(roots[outer] + starts * shaft, tips[outer], widths[outer], [look.quill] * 5)
    for index in (-1, -2):
        drawing.disc(roots[index] + 0.93 * (tips - roots)[index], 0.022, (236, 236, 236))


def _coverts(
    drawing: Drawing,
    rng: np.random.Generator,
    look: Look,
    shoulder: Points,
    wrist: Points,
    hand: Points,
    trail: Points,
    tone: float,
) -> None:
    """Leading edge and two rows of coverts."""
    spread = 0.05 if look.species == "gull" else 0.16
    wing = scaled(look.wing, tone)
    lead = np.concatenate(
        [
            [
                shifted(shoulder, 0.06, 0),
                0.5 * (shoulder + wrist) - 0.05 * trail,
                wrist - 0.06 * trail,
                wrist + 0.5 * hand,
            ],
            [
                wrist + 0.42 * hand + 0.10 * trail,
                wrist + 0.28 * trail,
                0.5 * (shoulder + wrist) + 0.36 * trail,
            ],
            [shoulder + 0.42 * trail],
        ]
    )
    drawing.fill(spline(lead, 4), wing, 170)
    for share, reach in ((0.16, 0.40), (0.02, 0.30)):
        count = 9
        k = np.linspace(0.02, 1, count)[:, None]
        bases = shoulder + k * (wrist - shoulder) + share * trail
        colours = shades(rng, wing, count, spread)
        if look.mottle:
            colours = [
                mix(c, (222, 212, 196), float(x))
                for c, x in zip(colours, rng.uniform(0, 0.7, count), strict=True)
            ]
        width = float(np.hypot(*(wrist - shoulder))) * 0.16 + 0.02
        drawing.feathers(bases, bases + reach * trail, np.full(count, width), colours)
    if look.species == "magpie":
        start = shoulder + 0.1 * trail
        patch = [
            start,
            start + 0.22 * (wrist - shoulder),
            start + 0.3 * (wrist - shoulder) + 0.4 * trail,
            start + 0.62 * trail,
        ]
        drawing.fill(spline(np.array(patch), 4), scaled(look.belly, tone), 180)
