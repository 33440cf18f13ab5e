"""Draws questions that are balanced: over what is asked, how maps are shown, and what is right.

Levels of the factors are given out by minimization (Pocock & Simon 1975): each question takes the combination
of levels that was used least so far, counting every factor and every pair of factors; ties are broken at
random under the seed. So after any number of questions every normalization was asked about as often as any
other, alone and together with every kind, unit, palette, and numbers or none.
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


def balanced_levels(
    factors: Mapping[str, Sequence[Any]], count: int, generator: random.Random
) -> list[dict[str, Any]]:
    """Return `count` combinations of levels of some factors, in the order in which they are drawn."""
    names = list(factors)
    cells = [dict(zip(names, levels, strict=True)) for levels in product(*factors.values())]
    margins = [*((name,) for name in names), *combinations(names, 2)]
    used: Counter[tuple[Any, ...]] = Counter()

    def keys(cell: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [(margin, *(cell[name] for name in margin)) for margin in margins]

    drawn = []
    for _ in range(count):
        costs = [sum(used[key] for key in keys(cell)) for cell in cells]
        least = min(costs)
        cell = generator.choice([cell for cell, cost in zip(cells, costs, strict=True) if cost == least])
        used.update(keys(cell))
        drawn.append(cell)
    return drawn


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
                used[kind, each.choice] + used[kind, each.level],
                used[kind, each.image_id],
                used[each.image_id],
            ),
        )
        used.update([case, (kind, case.choice), (kind, case.level), (kind, case.image_id), case.image_id])
        if len(case.maps) < 2:
            return case
        sides = [used[kind, "straight"], used[kind, "turned"]]
        turned = self._generator.random() < 0.5 if sides[0] == sides[1] else sides[1] < sides[0]
        used[kind, "turned" if turned else "straight"] += 1
        return case.turned() if turned else case
