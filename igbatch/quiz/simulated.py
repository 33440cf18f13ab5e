"""Readers that are no people: what may be told from the pixels that are shown, and from the values behind.

Each answers by one rule a kind of question, fixed beforehand, from arrays alone:

- `pixels` has the colours of the maps as they are shown, as places on the colour scale from -1 to 1.
- `values` has the maps themselves, in units of the output: all that numbers could tell.
- `chance` draws among the choices.

So `chance` is a floor, `values` a ceiling of these rules, and `pixels` tells how much of the truth a
normalization leaves in the picture. None of them says how people answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from igbatch.quiz.cases import FACTORS, Case
from igbatch.report.figures.image_data import DrawnBox

Maps = Sequence[NDArray[np.float64]]
Answered = tuple[str, str | None]

ALIKE = 0.9
"""Maps whose values correlate more than this are taken for one map (Pearson's correlation over pixels)."""
SURE = 1.5
"""A map with so many times the magnitudes of the other is taken for the trained model's."""


def simulated_answers(
    case: Case, colors: Maps, values: Maps, boxes: Mapping[str, DrawnBox], generator: random.Random
) -> dict[str, Answered]:
    """Return what each simulated reader answers.

    Args:
        case: of the question; its answers are not looked at, but for which may be given.
        colors, values: of its maps, float64 [H, W] each.
        boxes: by the ids of the choices, where these are boxes.
        generator: of the answers of `chance`.
    """
    return {
        "chance": _chance(case, generator),
        "pixels": _answer(case, colors, boxes),
        "values": _answer(case, values, boxes),
    }


def choices_of(case: Case) -> tuple[list[str], list[str]]:
    """Return the ids of what may be answered to a case, and to its second part."""
    by_kind = {"targets": ["one", "two"], "changed": ["yes", "no"], "box": [each.id for each in case.choices]}
    return by_kind.get(case.kind, ["first", "second"]), [*FACTORS] if case.kind == "stronger" else []


def _chance(case: Case, generator: random.Random) -> Answered:
    choices, second = choices_of(case)
    return generator.choice(choices), generator.choice(second) if second else None


def _answer(case: Case, maps: Maps, boxes: Mapping[str, DrawnBox]) -> Answered:
    """Answer by the rule of a kind, from the values of maps."""
    if case.kind == "box":
        sums = {name: _within(maps[0], box).sum() for name, box in boxes.items()}
        return max(sums, key=lambda name: sums[name]), None
    first, second = maps
    if case.kind in ("targets", "changed"):
        alike = first.shape == second.shape and _correlation(first, second) > ALIKE
        if case.kind == "targets":
            return ("one" if alike else "two"), None
        return ("no" if alike else "yes"), None
    measure = np.max if case.kind == "stronger" else np.sum
    strength = [float(measure(np.abs(each))) for each in maps]
    large = max(strength)
    ratio = large / max(min(strength), 1e-9 * large) if large else 1.0
    if case.kind == "stronger":
        factor = next((name for name in [*FACTORS][::-1] if ratio >= FACTORS[name]), next(iter(FACTORS)))
        return ("first" if strength[0] >= strength[1] else "second"), factor
    if ratio < SURE:  # the strength tells nothing: a trained model's map is the smoother one
        strength = [_correlation(each[:, :-1], each[:, 1:]) for each in maps]
    return ("first" if strength[0] >= strength[1] else "second"), None


def _within(values: NDArray[np.float64], box: DrawnBox) -> NDArray[np.float64]:
    return values[box.y_min : box.y_max, box.x_min : box.x_max]


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of two arrays; 1 where they are equal, 0 where one is constant."""
    if np.array_equal(first, second):
        return 1.0
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0
