"""Whether the ranges that colours stand for drifted: of the data set, and of each variant."""

from __future__ import annotations

import numpy as np

from igbatch.audit.checks.base import Question, short
from igbatch.audit.pairs import VariantPair
from igbatch.audit.verdict import Part

Range = tuple[float, float]


class Ranges(Question):
    """The joint minimum and maximum, over all images of each study, by scope."""

    name = "ranges"
    title = "Joint ranges drifted"
    compared = (
        "The joint minimum and maximum of all maps, by scope: of each variant, and of the data set, which is "
        "all variants that both studies have. How far the end that moved more did, of the range's width."
    )
    unit = "of the range's width"

    joint: tuple[Range, Range] | None = None

    def add(self, pair: VariantPair) -> None:
        now, before = pair.ranges
        if not np.isfinite([*now, *before]).all():
            return
        self._compare(f"variant {pair.variant_id}", now, before)
        self._blame(pair, before)
        joint = self.joint or (now, before)
        self.joint = _join(joint[0], now), _join(joint[1], before)

    def judge(self) -> None:
        """Compare the data set's range once all variants are in it."""
        if self.joint is not None:
            self._compare("dataset", *self.joint)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        return "no variant has maps in both studies"

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return (
            f"{worst.name}: an end of the range moved by {short(worst.figure)} of its width; its largest |a| "
            f"is {short(worst.now)}, was {short(worst.before)}."
        )

    def _compare(self, name: str, now: Range, before: Range) -> None:
        moved = max(abs(one - other) for one, other in zip(now, before, strict=True))
        drift = moved / (before[1] - before[0]) if before[1] > before[0] else (0.0 if moved == 0 else None)
        self.part(name, drift, now=max(map(abs, now)), before=max(map(abs, before)))

    def _blame(self, pair: VariantPair, before: Range) -> None:
        """Note the images whose maps end furthest outside of the reference's range."""
        width = before[1] - before[0]
        if not width > 0:
            return
        low, high = np.fmin.reduce(pair.now["minimum"], 1), np.fmax.reduce(pair.now["maximum"], 1)

        def words(at: int) -> str:
            ends = [short(end) for end in (low[at], high[at], *before)]
            return f"from {ends[0]} to {ends[1]}, where the range was {ends[2]} to {ends[3]}"

        beyond = np.fmax(before[0] - low, high - before[1]) / width
        self.blame(beyond, None, words, variant_id=pair.variant_id, least=self.threshold)


def _join(one: Range, other: Range) -> Range:
    return min(one[0], other[0]), max(one[1], other[1])
