"""What all checks share: they take variants one at a time, keep their parts and worst images, and judge."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from igbatch.audit.pairs import Pairing, VariantPair
from igbatch.audit.verdict import MOST_OFFENDERS, MOST_PARTS, Check, Offender, Outcome, Part


class Question(ABC):
    """One check while it is being answered.

    `add` is called with each variant that both studies have, then `check` once.

    Args:
        pairing: of the two studies.
        threshold: what the figure may be.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    compared: ClassVar[str]
    unit: ClassVar[str] = ""
    at_least: ClassVar[bool] = False

    def __init__(self, pairing: Pairing, threshold: float) -> None:
        self.pairing = pairing
        self.threshold = threshold
        self.parts: list[Part] = []
        self.offenders: list[Offender] = []

    @abstractmethod
    def add(self, pair: VariantPair) -> None:
        """Take one variant."""

    def missing(self) -> str:
        """Say why there is nothing to compare: here, of trained variants."""
        return no_trained(self.pairing)

    @abstractmethod
    def words(self, worst: Part) -> str:
        """Say in a sentence what was found; `worst` is the part that is furthest on the bad side."""

    def judge(self) -> None:  # noqa: B027, as most checks have nothing to do here
        """Make the parts that need all variants to have been seen."""

    def part(
        self,
        name: str,
        figure: float | None,
        *,
        now: float | None = None,
        before: float | None = None,
        n: int | None = None,
    ) -> None:
        """Note a comparison; it fails where its figure is on the wrong side of the threshold."""
        outcome = self.outcome(figure)
        self.parts.append(Part(name=name, figure=figure, now=now, before=before, n=n, outcome=outcome))

    def outcome(self, figure: float | None) -> Outcome:
        """Hold a figure against the threshold."""
        if figure is None:
            return Outcome.SKIPPED
        good = figure >= self.threshold if self.at_least else figure <= self.threshold
        return Outcome.PASSED if good else Outcome.FAILED

    def blame(
        self,
        values: NDArray[np.float64],
        images: NDArray[np.int64] | None,
        words: Callable[[int], str],
        *,
        variant_id: str | None = None,
        target: str | None = None,
        least: float = 0.0,
    ) -> None:
        """Note the images with the largest values [n] above `least`; NaN stands for none.

        `images` are places among the common images, by default the values' own; `words` says of a place in
        `values` what is wrong there.
        """
        told = np.flatnonzero(values > least)
        worst = told[np.argsort(-values[told], kind="stable")[:MOST_OFFENDERS]]
        for place in worst.tolist():
            image = int(place if images is None else images[place])
            found = Offender(
                image_id=self.pairing.image_id(image),
                variant_id=variant_id,
                target=target,
                value=float(values[place]),
                words=words(place),
            )
            self.offenders.append(found)
        self.offenders = heapq.nlargest(MOST_OFFENDERS, self.offenders, key=lambda each: each.value)

    def check(self) -> Check:
        """Return what was found."""
        self.judge()
        told = [part for part in self.parts if part.figure is not None]
        common: dict[str, Any] = {
            "name": self.name, "title": self.title, "compared": self.compared, "unit": self.unit,
            "threshold": self.threshold, "at_least": self.at_least,
        }  # fmt: skip
        if not told:
            words = f"Nothing to compare: {self.missing()}."
            return Check(**common, figure=None, outcome=Outcome.SKIPPED, words=words)
        told.sort(key=self._badness, reverse=True)
        failed = [part for part in told if part.outcome is Outcome.FAILED]
        worst = (failed or told)[0]
        return Check(
            **common,
            figure=worst.figure,
            outcome=Outcome.FAILED if failed else Outcome.PASSED,
            words=self.words(worst),
            parts=tuple([*failed, *(part for part in told if part not in failed)][:MOST_PARTS]),
            offenders=tuple(self.offenders),
        )

    def _badness(self, part: Part) -> float:
        assert part.figure is not None
        return -part.figure if self.at_least else part.figure


class Accumulated(Question):
    """A check that is answered by something other than variants, in `judge`."""

    def add(self, pair: VariantPair) -> None:
        """Take nothing."""


def short(value: float | None) -> str:
    """Write a number with three significant digits."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.3g}"


def no_trained(pairing: Pairing) -> str:
    """Say why no trained variant could be compared."""
    if not pairing.n_images:
        return "the studies have no image in common"
    if not pairing.targets:
        return "the studies have no target in common"
    if not any(kind == "trained" for _, kind in pairing.kinds.values()):
        return "the studies have no trained variant in common"
    return "no map was computed in both studies"
