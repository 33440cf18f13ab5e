"""Beak, eye and brow: what tells an eagle from a crow at a glance. Lengths are in radii of the head."""

from __future__ import annotations

import numpy as np

from igbatch.birds.drawing import Drawing, Frame, scaled, spline
from igbatch.birds.species import Look


def add_head(drawing: Drawing, look: Look, head: Frame) -> None:
    """Add beak and eye to a head, whose frame has its radius for a unit."""
    r, at = look.head, head.at
    length, depth, hook = look.beak
    low, tip = -0.12 - 0.5 * depth, 0.85 + length
    lower = [(0.70, -0.12), (0.8, low * 0.9), (0.8 + 0.55 * length, low * 0.72), (tip - 0.26 * length, -0.16)]
    drawing.fill(at(lower), scaled(look.bill, 0.78), 120)
    top = 0.02 + 0.42 * depth
    if hook > 0.5:  # a raptor's: deep, arched, the tip bent down over the lower half
        upper = [
            (0.66, -0.2), (0.72, 0.3), (0.92, top), (1.3, 0.36), (1.68, 0.12), (1.86, -0.28), (1.78, -0.74),
            (1.62, -0.36), (1.3, -0.2),
        ]  # fmt: skip
        drawing.fill(spline(at(upper), 3), look.bill, 140)
        drawing.fill(
            at([(0.66, -0.18), (0.68, 0.34), (0.95, top - 0.02), (1.08, 0.34), (1.06, -0.16)]), look.cere, 0
        )
        drawing.stroke(at([(0.35, -0.24), (0.8, -0.26), (1.3, -0.22)]), scaled(look.cere, 0.72), 0.10 * r)
        drawing.disc(at([(1.02, 0.2)])[0], 0.07 * r, (60, 46, 20))
    else:
        upper = [(0.7, -0.14), (0.74, top * 0.85), (0.85 + 0.4 * length, top), (tip - 0.12 * length, 0.02)]
        upper += [(tip, -0.12 - 0.25 * hook), (tip - 0.2 * length, -0.18)]
        drawing.fill(at(upper), look.bill, 130)
        drawing.stroke(at([(0.6, -0.15), (tip - 0.15 * length, -0.16)]), scaled(look.bill, 0.55), 0.05 * r)
        if look.species == "gull":
            drawing.disc(at([(tip - 0.4 * length, -0.24)])[0], 0.11 * r, look.cere)
    eye = at([(0.34, 0.2)])[0]
    dark = look.species in ("magpie", "crow")
    drawing.disc(eye, 0.21 * r, (70, 66, 70) if dark else scaled(look.face, 0.5))
    drawing.disc(eye, 0.17 * r, look.iris)
    drawing.disc(eye, 0.10 * r, (10, 8, 8))
    drawing.disc(eye + np.array([-0.02, 0.06]) * r * 1.2, 0.055 * r, (250, 250, 250))
    if hook > 0.5:
        drawing.fill(at([(0.02, 0.36), (0.62, 0.24), (0.66, 0.34), (0.1, 0.5)]), scaled(look.face, 0.62))
