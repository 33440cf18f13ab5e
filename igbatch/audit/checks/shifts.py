"""Shifts of values that are paired over images: a size against its threshold, and a test against chance.

A size alone would fail on a few odd images of a small study, a test alone on a shift of no importance in a
large one. So a part fails where its size passes the threshold and Wilcoxon's signed-rank test, adjusted over
the parts of the check (Benjamini-Hochberg), tells the shift from chance. The size decides alone where no
result of the test could tell: of fewer than six differences, or of so few that even the least p that they can
give is above 5 % once it is multiplied by the number of tests; and beyond `FAR` thresholds, where no doubt is
left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from igbatch.audit.checks.base import Question
from igbatch.audit.pairs import Floats, Pairing
from igbatch.audit.verdict import Outcome, Part
from igbatch.statistics.significance import adjusted, signed_rank_test

FAR = 2.0
"""Thresholds beyond which a size fails without a test."""

SIGNIFICANT = 0.05

MOST_TESTED = 20_000
"""Pairs of a test; of more, evenly spaced ones. A shift that so many do not tell from chance is no fault."""


@dataclass(frozen=True)
class Shift:
    """One part before it is judged: its size, and the differences [n] of the pairs."""

    name: str
    size: float
    now: float
    before: float
    n: int
    p: float | None
    smallest: float
    effect: float | None


def shift(name: str, size: float, now: Floats, before: Floats) -> Shift:
    """Test paired values [n]; the effect size is the matched-pairs rank-biserial correlation (Kerby 2014).

    That is (W+ - W-) / (W+ + W-) over the signed ranks of the differences: 1 where all rose, -1 where all
    fell, None where none changed.
    """
    step = max(1, -(-len(now) // MOST_TESTED))
    differences = now[::step] - before[::step]
    test = signed_rank_test(differences, "two-sided")
    means = float(now.mean()), float(before.mean())
    return Shift(name, size, *means, len(now), test.p, test.smallest, _effect(differences))


class Shifted(Question):
    """A check whose parts are `shifts`, judged together."""

    def __init__(self, pairing: Pairing, threshold: float) -> None:
        super().__init__(pairing, threshold)
        self.shifts: list[Shift] = []

    def judge(self) -> None:
        """Adjust the p-values over all parts, and decide each."""
        raw = np.array([np.nan if each.p is None else each.p for each in self.shifts])
        tests = int(np.count_nonzero(~np.isnan(raw)))
        for each, p in zip(self.shifts, adjusted(raw).tolist(), strict=True):
            told = None if np.isnan(p) else p
            able = told is not None and each.smallest * tests < SIGNIFICANT
            chance = able and p >= SIGNIFICANT and each.size <= FAR * self.threshold
            bad = each.size > self.threshold and not chance
            self.parts.append(
                Part(
                    name=each.name, figure=each.size, now=each.now, before=each.before, p=told,
                    effect=each.effect, n=each.n, outcome=Outcome.FAILED if bad else Outcome.PASSED,
                )
            )  # fmt: skip

    @staticmethod
    def tested(part: Part) -> str:
        """Say what the test told, as the end of a sentence."""
        if part.p is None:
            return (
                f"{part.n} images are too few for a test" if (part.effect is not None) else "no image differs"
            )
        effect = f"{part.effect:.2f}" if part.effect is not None else "–"
        return f"adjusted p {part.p:.2g}, rank-biserial effect {effect}, {part.n:,} images"


def _effect(differences: Floats) -> float | None:
    told = differences[differences != 0]
    if not len(told):
        return None
    ranks = rankdata(np.abs(told))
    return float((np.sign(told) * ranks).sum() / ranks.sum())
