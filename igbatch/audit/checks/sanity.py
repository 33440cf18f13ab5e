"""Whether trained models still stand out from random ones: the sanity ratio."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from igbatch.audit.checks.base import Question, short
from igbatch.audit.pairs import Pairing, VariantPair
from igbatch.audit.verdict import Part


class Sanity(Question):
    """The mean |sum| in a target's own boxes, trained over random."""

    name = "sanity"
    title = "Trained models stand out less from random ones"
    compared = (
        "The sanity ratio: the mean |sum| in the boxes of the target itself under a trained variant, divided "
        "by the same mean under its model's random variants. What is left of it."
    )
    unit = "of what it was"
    at_least = True

    def __init__(self, pairing: Pairing, threshold: float) -> None:
        super().__init__(pairing, threshold)
        self.trained: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
        self.random: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, pair: VariantPair) -> None:
        own = [group for group in pair.boxes if group.own]
        if not own:
            return
        now, before = (
            float(np.abs(np.concatenate([group.sums[side] for group in own])).mean()) for side in (0, 1)
        )
        if pair.trained:
            self.trained[pair.model][pair.variant_id] = now, before
        elif pair.kind == "random":
            self.random[pair.model].append((now, before))

    def judge(self) -> None:
        """Divide once all variants are known."""
        for model, trained in self.trained.items():
            if not self.random[model]:
                continue
            nulls = np.mean(self.random[model], axis=0)
            for name, means in trained.items():
                now, before = (
                    float(mean / null) if null > 0 else None for mean, null in zip(means, nulls, strict=True)
                )
                if now is not None and before:
                    self.part(name, now / before, now=now, before=before)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        if not any(kind == "random" for _, kind in self.pairing.kinds.values()):
            return "the studies have no random variant in common"
        return "no model has sums in boxes of its targets under trained and random variants, in both studies"

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return (
            f"{worst.name}: its sums in the targets' own boxes are {short(worst.now)} times those of random "
            f"models, {short(worst.before)} times before."
        )
