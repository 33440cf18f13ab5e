"""Flying birds as vector drawings: feathered wings on two bones, around the torso in side view.

Each wing hangs at its own angle, so that soaring (one wing up, one down, as seen from the side in a bank) and
flapping (both up or both down) are the same drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igbatch.birds.drawing import (
    Drawing,
    Frame,
    Points,
    factored,
    mix,
    mixed,
    scaled,
    shades,
    shifted,
    spline,
    unit,
)
from igbatch.birds.species import Traits
from igbatch.birds.standing import Bird, Posture, across_tail, torso


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


def flying(rng: np.random.Generator, traits: Traits, posture: Posture, wings: Wings) -> Drawing:
    """A bird in flight in side view, facing right, shoulder near the origin."""
    bird = Bird(traits, Frame(np.array([-0.3, 0.0]), np.radians(2 + 8 * posture.lean)), rng)
    _wing(bird, 0.30, wings.far, wings.far_length, wings.sweep, 0.82)
    _fanned_tail(bird, wings.fan)
    torso(bird, posture)
    _wing(bird, 0.12, wings.near, wings.near_length, wings.sweep, 1.0)
    return bird.drawing


def _fanned_tail(bird: Bird, fan: float) -> None:
    traits, count = bird.traits, 9
    length, width, wedge = traits.tail
    rank = across_tail(count)
    angle = bird.frame.angle + np.pi + rank * ((0.10 if wedge > 0.5 else 0.22) + 0.2 * fan)
    roots = bird.frame.at([(-0.40, 0.02)])[0] + np.stack([np.zeros(count), rank * 0.05], axis=1)
    reach = (length + 0.14) * (1 - 0.45 * wedge * np.abs(rank))
    tips = roots + reach[:, None] * unit(angle)
    colours = shades(bird.rng, traits.tail_colour, count, 0.04 if bird.is_gull else 0.14)
    if bird.is_magpie:
        colours = mixed(colours, traits.body, 0.2 + 0.5 * np.abs(rank))
    bird.drawing.feathers(roots, tips, np.full(count, width * 0.34 + 0.05 * fan), colours, 110)
    shaft = factored(colours, 0.8 if sum(traits.tail_colour) > 200 else 1.35)
    bird.drawing.strokes(roots, tips, shaft, 0.008)


def _wing(bird: Bird, height: float, degrees: float, length: float, sweep: float, tone: float) -> None:
    """One wing: primaries, secondaries and coverts along arm and hand.

    `height` is that of the shoulder, in depths of the torso; `tone` darkens the far wing.
    """
    traits, rng, drawing = bird.traits, bird.rng, bird.drawing
    arm, hand, chord, pointed = traits.flight
    side = 1.0 if degrees > 0 else -1.0
    first, second = np.radians(degrees - side * 14), np.radians(degrees + side * sweep)
    arm_axis, hand_axis = unit(first), unit(second)
    shoulder = bird.frame.at([(0.26, height * traits.depth)])[0]
    wrist = shoulder + arm * length * arm_axis
    hand_length = hand * length
    # primaries: a fan from the rear to the tip
    count = 10 if pointed < 0.5 else 9
    k = np.linspace(0, 1, count)
    fan = (np.radians(180.0) * side - second) * (1 - k ** (0.9 - 0.3 * pointed)) * (0.86 - 0.14 * pointed)
    angle = second + (fan + np.radians(8) * side) * (1 - 0.45 * pointed * k)
    roots = wrist + (k * (0.42 if pointed < 0.5 else 0.5) * hand_length)[:, None] * hand_axis
    far_reach = hand_length * (0.62 + 0.18 * pointed)
    reach = chord * 0.95 * (1 - k) + far_reach * k ** (0.75 + 0.8 * pointed)
    reach += (0.16 * np.sin(np.pi * k)) * chord * (1 - 0.5 * pointed)
    tips = roots + reach[:, None] * unit(angle)
    widths = np.full(count, chord * (0.19 - 0.03 * pointed))
    spread = 0.05 if bird.is_gull else 0.14
    quill = scaled(traits.wing if bird.is_gull else traits.quill, tone)
    drawing.feathers(roots, tips, widths, shades(rng, quill, count, spread), 120)
    shaft = tips - roots
    if bird.is_magpie:  # white inner vanes: each primary white but for its border and tip
        white = [scaled(traits.belly, 0.7 + 0.3 * tone)] * (count - 1)
        drawing.feathers((roots + 0.12 * shaft)[1:], (roots + 0.84 * shaft)[1:], widths[1:] * 0.66, white)
    if bird.is_gull:  # black outer primaries, with white mirrors
        starts = roots[-5:] + np.linspace(0.85, 0.5, 5)[:, None] * shaft[-5:]
        drawing.feathers(starts, tips[-5:], widths[-5:], [traits.quill] * 5)
        for index in (-1, -2):
            drawing.disc(roots[index] + 0.93 * shaft[index], 0.022, (236, 236, 236))
    # secondaries
    count = 9
    k = np.linspace(0.0, 1, count)
    base = shoulder + (k * arm * length)[:, None] * arm_axis
    trail = np.array([-chord, 0.0]) + 0.10 * chord * arm_axis  # the quills of the arm point to the tail
    ends = base + trail * (0.95 + 0.05 * np.sin(6 * k))[:, None]
    ends[0] = 0.5 * ends[0] + 0.5 * shifted(shoulder, (-0.62 * chord + 0.2, 0.0))[0]
    inner = traits.wing if bird.is_gull else mix(traits.quill, traits.wing, 0.35)
    colours = shades(rng, scaled(inner, tone), count, spread)
    drawing.feathers(base, ends, np.full(count, arm * length * 0.17 + 0.03), colours, 130)
    if bird.is_gull:  # white trailing edge
        white = [scaled(traits.body, tone)] * count
        drawing.feathers(base + 0.84 * (ends - base), ends, np.full(count, arm * length * 0.16), white)
    _coverts(bird, shoulder, wrist, hand_axis * hand_length, trail, tone)


def _coverts(bird: Bird, shoulder: Points, wrist: Points, hand: Points, trail: Points, tone: float) -> None:
    """Leading edge and two rows of coverts."""
    traits, rng, drawing = bird.traits, bird.rng, bird.drawing
    wing, forearm, elbow = scaled(traits.wing, tone), wrist - shoulder, 0.5 * (shoulder + wrist)
    front = [*shifted(shoulder, (0.06, 0)), elbow - 0.05 * trail, wrist - 0.06 * trail, wrist + 0.5 * hand]
    rear = [wrist + 0.42 * hand + 0.10 * trail, wrist + 0.28 * trail, elbow + 0.36 * trail]
    drawing.fill(spline(np.array([*front, *rear, shoulder + 0.42 * trail]), 4), wing, 170)
    count = 9
    k = np.linspace(0.02, 1, count)[:, None]
    for share, reach in ((0.16, 0.40), (0.02, 0.30)):
        bases = shoulder + k * forearm + share * trail
        colours = shades(rng, wing, count, 0.05 if bird.is_gull else 0.16)
        if traits.mottle:
            colours = mixed(colours, (222, 212, 196), rng.uniform(0, 0.7, count))
        width = float(np.hypot(*forearm)) * 0.16 + 0.02
        drawing.feathers(bases, bases + reach * trail, np.full(count, width), colours)
    if bird.is_magpie:
        start = shoulder + 0.1 * trail
        patch = [start, start + 0.22 * forearm, start + 0.3 * forearm + 0.4 * trail, start + 0.62 * trail]
        drawing.fill(spline(np.array(patch), 4), scaled(traits.belly, tone), 180)
