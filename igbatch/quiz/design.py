"""Draws questions that are balanced: over what is asked, how maps are shown, and what is right.

Levels of the factors are given out by minimization (Pocock & Simon 1975): each question takes the combination
whose kind, normalization and numbers were together least so far, of these the one whose levels were used
least, and of these the one whose pairs were; ties are broken at random, under the seed. So after any number
of questions every normalization was asked about as often as any other, give or take two, and with every kind,
with numbers and without.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

from igbatch.quiz.cases import Case
from igbatch.quiz.key import Kind
from igbatch.reduce.ranges import Regions

CROSSED = ("kind", "scope", "numbers")
"""Factors whose combinations come equally often: results compare normalizations, and numbers or none."""


def balanced_levels(
    factors: Mapping[str, Sequence[Any]], count: int, generator: random.Random
) -> list[dict[str, Any]]:
    """Return `count` combinations of levels of some factors, in the order in which they are drawn."""
    used: Counter[Any] = Counter()
    cells = list(product(*([(name, level) for level in levels] for name, levels in factors.items())))
    drawn = []
    for _ in range(count):
        costs = [tuple(sum(used[some] for some in each) for each in _margins(cell)) for cell in cells]
        cell = generator.choice([cell for cell, cost in zip(cells, costs, strict=True) if cost == min(costs)])
        used.update(some for each in _margins(cell) for some in each)
        drawn.append(dict(cell))
    return drawn


def _margins(cell: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return what of a combination is counted, the most important first."""
    return [tuple(each for each in cell if each[0] in CROSSED)], [*cell], [*combinations(cell, 2)]


class CaseDrawer:
    """Draws cases of each kind so that answers, levels, images and sides come equally often."""

    def __init__(self, cases: Mapping[Kind, Sequence[Case]], generator: random.Random) -> None:
        self._generator = generator
        self._cases = {kind: generator.sample(found, len(found)) for kind, found in cases.items()}
        self._used: Counter[Any] = Counter()

    def draw(self, kind: Kind, regions: Regions) -> Case:
        """Return the case of a kind and unit whose answer, level, image and maps were drawn least so far.

        Where the choices are the maps, the right one is the first as often as the second.
        """
        used = self._used
        case = min(
            (each for each in self._cases[kind] if each.regions in (None, regions)),
            key=lambda each: (
                used[each],
                used[kind, "choice", each.choice],
                used[kind, "level", each.level],
                used[kind, each.image_id],
                used[each.image_id],
            ),
        )
        about = ((kind, "choice", case.choice), (kind, "level", case.level), (kind, case.image_id))
        used.update([case, case.image_id, *about])
        if len(case.maps) < 2:
            return case
        sides = [used[kind, "straight"], used[kind, "turned"]]
        turned = self._generator.random() < 0.5 if sides[0] == sides[1] else sides[1] < sides[0]
        used[kind, "turned" if turned else "straight"] += 1
        return case.turned() if turned else case
