"""Shifts of values that are paired over images: a size against its threshold, and a test against chance.

A size alone would fail on a few odd images of a small study, a test alone on a shift of no importance in a
large one. So a part fails where its size passes the threshold and Wilcoxon's signed-rank test, adjusted over
the parts of the check (Benjamini-Hochberg), distinguishes the shift from chance. The size decides alone where
the test cannot: of fewer than six differences, or of so few that even the least p that they can
give is above 5 % once it is multiplied by the number of tests; and beyond `FAR` thresholds, where no doubt is
left.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import Floats, Pairing
from igbatch.audit.verdict import CheckPart, Outcome
from igbatch.statistics.significance import adjusted, signed_rank_test

FAR = 2.0
"""Thresholds beyond which a size fails without a test."""

SIGNIFICANT = 0.05

MAX_TESTED = 20_000
"""Pairs of a test; of more, evenly spaced ones. A shift that is chance for so many is no fault."""


class Shifted(AuditCheck):
    """A check whose parts are shifts, judged together."""

    def __init__(self, pairing: Pairing, threshold: float | None) -> None:
        super().__init__(pairing, threshold)
        self.smallest: list[float] = []

    def add_shift(self, name: str, size: float, now: Floats, before: Floats) -> None:
        """Test paired values [n]; the part is judged once all are known."""
        part, smallest = shift(name, size, now, before)
        self.parts.append(part)
        self.smallest.append(smallest)

    def finish(self) -> None:
        """Adjust the p-values over all parts, and decide each."""
        raw = np.array([np.nan if part.p is None else part.p for part in self.parts])
        tests = np.count_nonzero(~np.isnan(raw))
        judged = []
        for part, p, smallest in zip(self.parts, adjusted(raw).tolist(), self.smallest, strict=True):
            size = part.figure or 0.0
            could_tell = part.p is not None and smallest * tests < SIGNIFICANT
            chance = could_tell and p >= SIGNIFICANT and size <= FAR * self.threshold
            outcome = Outcome.FAILED if size > self.threshold and not chance else Outcome.PASSED
            judged.append(part.model_copy(update={"p": None if part.p is None else p, "outcome": outcome}))
        self.parts = judged


def shift(name: str, size: float, now: Floats, before: Floats) -> tuple[CheckPart, float]:
    """Test paired values [n]; return a part that is not judged yet, and the least p that so many can give.

    The effect size is the matched-pairs rank-biserial correlation (Kerby 2014), (W+ - W-) / (W+ + W-) over
    the signed ranks of the differences: 1 where all rose, -1 where all fell, None where none changed.
    """
    step = max(1, -(-len(now) // MAX_TESTED))
    differences = now[::step] - before[::step]
    test = signed_rank_test(differences, "two-sided")
    changed = differences[differences != 0]
    effect = None
    if len(changed):
        ranks = rankdata(np.abs(changed))
        effect = float((np.sign(changed) * ranks).sum() / ranks.sum())
    part = CheckPart(
        name=name, figure=size, now=float(now.mean()), before=float(before.mean()), p=test.p, effect=effect,
        n=len(now), outcome=Outcome.PASSED,
    )  # fmt: skip
    return part, test.smallest
