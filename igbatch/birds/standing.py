"""The birds as parametric vector drawings: torso, head, tail, folded wing, legs, in side view.

The bird faces right; x is forward, y up, the unit is the length of the torso. `standing` puts the grip of the
feet at the origin. `flying` (module `flight`) uses the same torso and head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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

PER = 5  # spline samples a segment
_PALE = (224, 214, 196)  # feathers of juveniles


@dataclass(frozen=True)
class Posture:
    """How a bird holds itself, drawn before its species: each number runs from 0 to 1."""

    lean: float
    tail: float
    head: float
    stride: float


@dataclass(frozen=True)
class Bird:
    """A bird as it is being drawn, and the chance that its feathers take their shades from.

    The frame of its torso runs along the body (-0.5 rump, 0.5 shoulder) and towards the back.
    """

    traits: Traits
    frame: Frame
    rng: np.random.Generator
    drawing: Drawing = field(default_factory=Drawing)

    @property
    def is_gull(self) -> bool:
        """Tell whether it is a gull, whose plumage is plain."""
        return self.traits.species == "gull"

    @property
    def is_magpie(self) -> bool:
        """Tell whether it is a magpie, black and white."""
        return self.traits.species == "magpie"


def standing(rng: np.random.Generator, traits: Traits, posture: Posture, on_ground: bool) -> Drawing:
    """A bird at rest in side view, its feet at the origin. On the ground the tail stays above it."""
    upright = posture.lean * (0.55 if on_ground else 1.0)
    lean = np.radians(traits.lean[0] + (traits.lean[1] - traits.lean[0]) * upright)
    hip = np.array([0.0, traits.leg + 0.06])
    frame = Frame(hip - Frame(np.zeros(2), lean).at([(-0.10, -0.34 * traits.depth)])[0], lean)
    lift = traits.tail_lift[0] + (traits.tail_lift[1] - traits.tail_lift[0]) * posture.tail
    tail_angle = lean + np.pi - np.radians(lift)
    if on_ground:  # keep the tip off the ground
        rump = frame.at([(-0.45, 0.0)])[0]
        reach = np.arcsin(min(1.0, max(0.0, (rump[1] - 0.06) / traits.tail[0])))
        tail_angle = min(tail_angle, np.pi + reach)
    bird = Bird(traits, frame, rng)
    _leg(bird, -0.10 + 0.10 * posture.stride, far=True)
    if bird.is_gull:
        _tail(bird, tail_angle)
    torso(bird, posture)
    if not bird.is_gull:
        _tail(bird, tail_angle)
    _folded_wing(bird)
    _leg(bird, 0.04, far=False)
    return bird.drawing


def torso(bird: Bird, posture: Posture) -> None:
    """Add torso, neck and head; used at rest and in flight."""
    traits, frame = bird.traits, bird.frame
    angle = 0.55 * frame.angle + np.radians(22 + 10 * posture.head)
    centre = frame.at([(0.47, 0.02)])[0] + (traits.neck + traits.head * 0.5) * unit(angle)
    head = Frame(centre, np.radians(-14 + 26 * posture.head), traits.head)
    outline = _outline(bird, head)
    bird.drawing.fill(outline, traits.body, 150)
    _body_feathers(bird)
    if bird.is_magpie:
        _white_belly(bird, outline)
    if traits.face != traits.body:
        _hood(bird, outline)
    _face(bird.drawing, traits, head)


def _face(drawing: Drawing, traits: Traits, head: Frame) -> None:
    """Add beak, eye and brow, which tell an eagle from a crow; the frame's unit is the radius of the head."""
    r, at = traits.head, head.at
    length, depth, hook = traits.beak
    low, tip = -0.12 - 0.5 * depth, 0.85 + length
    lower = [(0.70, -0.12), (0.8, low * 0.9), (0.8 + 0.55 * length, low * 0.72), (tip - 0.26 * length, -0.16)]
    drawing.fill(at(lower), scaled(traits.bill, 0.78), 120)
    top = 0.02 + 0.42 * depth
    if hook > 0.5:  # a raptor's: deep, arched, the tip bent down over the lower half
        upper = [
            (0.66, -0.2), (0.72, 0.3), (0.92, top), (1.3, 0.36), (1.68, 0.12), (1.86, -0.28), (1.78, -0.74),
            (1.62, -0.36), (1.3, -0.2),
        ]  # fmt: skip
        drawing.fill(spline(at(upper), 3), traits.bill, 140)
        drawing.fill(
            at([(0.66, -0.18), (0.68, 0.34), (0.95, top - 0.02), (1.08, 0.34), (1.06, -0.16)]), traits.cere, 0
        )
        drawing.stroke(at([(0.35, -0.24), (0.8, -0.26), (1.3, -0.22)]), scaled(traits.cere, 0.72), 0.10 * r)
        drawing.disc(at([(1.02, 0.2)])[0], 0.07 * r, (60, 46, 20))
    else:
        upper = [(0.7, -0.14), (0.74, top * 0.85), (0.85 + 0.4 * length, top), (tip - 0.12 * length, 0.02)]
        upper += [(tip, -0.12 - 0.25 * hook), (tip - 0.2 * length, -0.18)]
        drawing.fill(at(upper), traits.bill, 130)
        drawing.stroke(at([(0.6, -0.15), (tip - 0.15 * length, -0.16)]), scaled(traits.bill, 0.55), 0.05 * r)
        if traits.species == "gull":
            drawing.disc(at([(tip - 0.4 * length, -0.24)])[0], 0.11 * r, traits.cere)
    eye = at([(0.34, 0.2)])[0]
    dark = traits.species in ("magpie", "crow")
    drawing.disc(eye, 0.21 * r, (70, 66, 70) if dark else scaled(traits.face, 0.5))
    drawing.disc(eye, 0.17 * r, traits.iris)
    drawing.disc(eye, 0.10 * r, (10, 8, 8))
    drawing.disc(eye + np.array([-0.02, 0.06]) * r * 1.2, 0.055 * r, (250, 250, 250))
    if hook > 0.5:
        drawing.fill(at([(0.02, 0.36), (0.62, 0.24), (0.66, 0.34), (0.1, 0.5)]), scaled(traits.face, 0.62))


def _outline(bird: Bird, head: Frame) -> Points:
    d, at = bird.traits.depth, bird.frame.at
    crown = 0.9 if bird.traits.species == "eagle" else 1.0
    skull = head.at([
        (0.45, -0.95), (0.85, -0.45), (0.98, 0.1), (0.72, 0.70 * crown), (0.0, 1.0 * crown), (-0.75, 0.66),
        (-1.02, -0.2),
    ])  # fmt: skip
    body = at([(-0.54, -0.03), (-0.30, -0.36 * d), (0.0, -0.52 * d), (0.27, -0.54 * d), (0.45, -0.40 * d)])
    back = at([(0.42, 0.36 * d), (0.12, 0.48 * d), (-0.25, 0.33 * d)])
    throat = 0.55 * skull[:1] + 0.45 * body[-1:]
    nape = 0.55 * skull[-1:] + 0.45 * back[:1]
    return spline(np.concatenate([body, throat, skull, nape, back]), PER)


def _body_feathers(bird: Bird) -> None:
    """Small overlapping feathers from the tail forwards, pale ones among them on juveniles."""
    traits, rng, count = bird.traits, bird.rng, 46
    u = np.sort(rng.uniform(-0.34, 0.42, count))
    v = rng.uniform(-0.40, 0.36, count) * traits.depth * np.sqrt(np.clip(1.1 - (1.55 * u) ** 2, 0.1, 1))
    roots = bird.frame.at(np.stack([u, v], axis=1))
    tips = bird.frame.at(np.stack([u - rng.uniform(0.07, 0.12, count), v - 0.03 * traits.depth], axis=1))
    colours = shades(rng, traits.body, count, 0.05 if bird.is_gull else 0.2)
    if traits.mottle:
        colours = mixed(colours, _PALE, np.where(rng.uniform(size=count) < traits.mottle, 0.6, 0.0))
    bird.drawing.feathers(roots, tips, np.full(count, 0.07), colours)


def _ragged(rng: np.random.Generator, start: Points, stop: Points, count: int, reach: Points) -> Points:
    """A jagged border from start to stop, with teeth along `reach`: the edge of a plumage zone."""
    share = np.linspace(0, 1, 2 * count + 1)[1:-1, None]
    teeth = np.where(np.arange(2 * count - 1) % 2, 0.0, 1.0) * rng.uniform(0.5, 1.2, 2 * count - 1)
    return start + share * (stop - start) + teeth[:, None] * reach


def _hood(bird: Bird, outline: Points) -> None:
    """Head and neck in a colour of their own, with a ragged border down to the breast."""
    traits, rng, count = bird.traits, bird.rng, 16
    front, back = int(4.55 * PER), 13 * PER - 1
    part = outline[front : back + 1]
    down = (outline[front] + outline[back] - 2 * part[len(part) // 2]) * 0.12
    border = _ragged(rng, part[-1], part[0], 6, down)
    bird.drawing.fill(np.concatenate([part, border]), traits.face, 0)
    if traits.nape != traits.face:
        nape = outline[int(9.4 * PER) : back + 1]
        inner = nape[::-1] + (part.mean(axis=0) - nape[::-1]) * 0.55
        bird.drawing.fill(np.concatenate([nape, inner]), traits.nape, 0)
    pick = rng.uniform(0, 1, (count, 2))
    base = part[(pick[:, 0] * (len(part) - 1)).astype(int)]
    roots = base + (part.mean(axis=0) - base) * (0.25 + 0.6 * pick[:, 1:])
    flow = down / max(float(np.hypot(*down)), 1e-6)
    colours = shades(rng, scaled(traits.nape, 0.93), count, 0.12)
    bird.drawing.strokes(roots, roots + flow * traits.head * 0.45, colours, traits.head * 0.1)


def _white_belly(bird: Bird, outline: Points) -> None:
    frame, rng, count = bird.frame, bird.rng, 14
    part = outline[int(0.5 * PER) : int(3.35 * PER) + 1]
    d = bird.traits.depth
    chest = frame.at([(0.30, -0.22 * d)])[0]
    border = _ragged(rng, part[-1], chest, 5, frame.at([(0.06, 0.0)])[0] - frame.centre)
    flank = frame.at([(0.1, -0.06 * d), (-0.15, -0.02 * d), (-0.38, -0.1 * d)])
    bird.drawing.fill(np.concatenate([part, border, flank]), bird.traits.belly, 0)
    uv = np.stack([rng.uniform(-0.3, 0.25, count), rng.uniform(-0.45, -0.2, count) * d], axis=1)
    colours = shades(rng, scaled(bird.traits.belly, 0.92), count, 0.05)
    bird.drawing.strokes(frame.at(uv), frame.at(uv - [0.08, 0.0]), colours, 0.02)


def across_tail(count: int) -> Points:
    """Places of tail feathers from side (-1) to side (1), the outer ones first."""
    rank = np.linspace(-1, 1, count)
    return rank[np.argsort(-np.abs(rank), kind="stable")]


def _tail(bird: Bird, angle: float) -> None:
    traits, count = bird.traits, 7
    length, width, wedge = traits.tail
    rank = across_tail(count)
    direction = unit(angle)
    across = np.array([-direction[1], direction[0]])
    roots = bird.frame.at([(-0.38, 0.0)])[0] + rank[:, None] * across * width * 0.22
    lengths = (length + 0.1) * (1 - 0.42 * wedge * np.abs(rank) - 0.04 * (1 - wedge) * rank**2)
    spread = across * width * (0.34 if wedge > 0.5 else 0.5)
    tips = roots + lengths[:, None] * direction + rank[:, None] * spread
    colours = shades(bird.rng, traits.tail_colour, count, 0.04 if bird.is_gull else 0.16)
    if bird.is_magpie:
        colours = mixed(colours, traits.body, 0.25 + 0.45 * np.abs(rank))
    bird.drawing.feathers(roots, tips, np.full(count, width * 0.36), colours, 110)
    shaft = factored(colours, 0.78 if sum(traits.tail_colour) > 200 else 1.35)
    bird.drawing.strokes(roots + 0.25 * (tips - roots), tips, shaft, 0.010)


def _folded_wing(bird: Bird) -> None:
    traits, at, rng, drawing = bird.traits, bird.frame.at, bird.rng, bird.drawing
    d, tip = traits.depth, 0.5 + traits.wing_tip
    low = -0.16 if bird.is_magpie else -0.26
    shape = [
        (0.43, 0.06 * d), (0.36, low * 0.7 * d), (0.12, low * d), (-0.2, low * 0.9 * d), (-0.45, -0.1 * d),
        (-tip, -0.02 * d), (-0.42, 0.17 * d), (-0.08, 0.42 * d), (0.26, 0.43 * d),
    ]  # fmt: skip
    drawing.fill(
        spline(at(shape), PER), traits.wing if bird.is_gull else mix(traits.wing, traits.quill, 0.4), 205
    )
    spread = 0.05 if bird.is_gull else 0.17
    # primaries, from the tip forwards, then secondaries, then two rows of coverts like shingles
    k = np.linspace(0, 1, 6)
    roots = at(np.stack([-0.12 - 0.1 * k, (-0.05 + 0.05 * k) * d], axis=1))
    tips = at(np.stack([-tip + 0.20 * k * (0.6 + traits.wing_tip), (-0.03 - 0.16 * k) * d], axis=1))
    drawing.feathers(roots, tips, np.full(6, 0.085), shades(rng, traits.quill, 6, spread + 0.06), 180)
    if bird.is_gull:
        for place in (0.08, 0.2):
            drawing.disc(tips[0] + place * (roots[0] - tips[0]), 0.022, (240, 240, 240))
    for row, (u, reach, rows) in enumerate(((0.02, 0.44, 7), (0.2, 0.3, 7), (0.34, 0.22, 6))):
        k = np.linspace(0, 1, rows)
        bottom, top = (low * 0.92, 0.34) if row < 2 else (low * 0.5, 0.3)
        v = (bottom + (top - bottom) * k) * d
        fore = u - 0.05 * np.abs(2 * k - 1)
        roots = at(np.stack([fore, v], axis=1))
        end = 0.08 * d + (v - 0.08 * d) * (0.72 if row == 0 else 0.95)
        tips = at(np.stack([fore - reach * (1 - 0.1 * k), end - 0.02], axis=1))
        colour = mix(traits.wing, traits.quill, 0.35) if row == 0 and not bird.is_gull else traits.wing
        colours = shades(rng, colour, rows, spread)
        if traits.mottle:
            colours = mixed(colours, (220, 208, 190), rng.uniform(0, 0.6, rows))
        drawing.feathers(roots, tips, np.full(rows, 0.105), colours)
        drawing.strokes(roots + 0.4 * (tips - roots), tips, [scaled(traits.wing, 1.3)] * rows, 0.009)
    if bird.is_magpie:
        white = [(0.40, 0.20), (0.22, 0.12), (-0.02, 0.16), (-0.20, 0.28), (0.05, 0.38), (0.30, 0.38)]
        drawing.fill(spline(at([(u, v * d) for u, v in white]), PER), traits.belly, 215)


def _leg(bird: Bird, x: float, far: bool) -> None:
    traits, drawing, w = bird.traits, bird.drawing, bird.traits.leg_width
    foot = np.array([x, 0.0])
    hip = foot + bird.frame.at([(-0.10, -0.26 * traits.depth)])[0]
    colour = scaled(traits.legs, 0.72 if far else 1.0)
    if traits.trousers:
        knee, ankle = shifted(hip, (0.2, 0.02), (0.16, -0.16)), shifted(foot, (0.06, 0.06), (-0.05, 0.06))
        thigh = np.concatenate([knee, ankle, shifted(hip, (-0.16, -0.1))])
        drawing.fill(spline(thigh, 4), scaled(traits.body, 0.7 if far else 0.9), 0 if far else 190)
        drawing.stroke(shifted(foot, (0, 0.12), (0.01, 0.0)), colour, w * 1.5)
    else:
        heel = np.array([x - 0.3 * traits.leg, traits.leg * 0.95 + 0.02])
        knee, ankle = shifted(hip, (0.09, 0.05), (0.05, -0.05)), shifted(heel, (0.025, 0), (-0.025, 0))
        thigh = np.concatenate([knee, ankle, shifted(hip, (-0.1, 0.0))])
        drawing.fill(thigh, traits.belly if bird.is_gull else scaled(traits.body, 0.85), 0)
        drawing.stroke(np.array([*shifted(hip, (0, -0.04)), heel, foot]), colour, w)
    for dx, dy in ((0.15, 0.005), (0.11, -0.02), (0.04, -0.028), (-0.10, -0.008)):
        reach = dx * (1.15 if traits.trousers else 1.0)
        toe = shifted(foot, (0, 0), (reach * 0.6, 0.018), (reach, dy))
        drawing.stroke(toe, colour, w * (0.9 if traits.trousers else 0.8))
        if traits.trousers:
            drawing.stroke(shifted(toe[-1], (0, 0), (0.022 * np.sign(dx), -0.035)), (30, 26, 26), w * 0.45)
