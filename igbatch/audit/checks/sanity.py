"""The check of the sanity ratio: sums in boxes of trained models over those of random ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import Floats, Pairing, VariantPair


class Sanity(AuditCheck):
    """The mean |sum| in a target's own boxes, trained over random."""

    name = "sanity"
    at_least = True
    trained_only = False

    def __init__(self, pairing: Pairing, threshold: float | None) -> None:
        super().__init__(pairing, threshold)
        self.means: dict[tuple[str, str], dict[str, Floats]] = defaultdict(dict)

    def add(self, pair: VariantPair) -> None:
        own = [group.sums for group in pair.boxes if group.own]
        if own:
            sides = [np.abs(np.concatenate(sums)).mean() for sums in zip(*own, strict=True)]
            self.means[pair.model, pair.kind][pair.variant_id] = np.array(sides)

    def finish(self) -> None:
        """Divide once all variants are known."""
        for (model, kind), trained in self.means.items():
            random = self.means.get((model, "random"))
            if kind != "trained" or not random:
                continue
            nulls = np.mean(list(random.values()), axis=0)
            for name, means in trained.items():
                if nulls.min() > 0 and means[1] > 0:
                    now, before = (means / nulls).tolist()
                    self.add_part(name, now / before, now=now, before=before)

    def missing(self) -> str:
        if not any(kind == "random" for _, kind in self.pairing.kinds.values()):
            return "the studies have no random variant in common"
        return self.wording["nothing"]
