"""The check of joint ranges: whether those of the data set and of each variant moved."""

from __future__ import annotations

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import Pairing, Range, VariantPair


class Ranges(AuditCheck):
    """The joint minimum and maximum, over all images of each study, by scope."""

    name = "ranges"
    trained_only = False

    def __init__(self, pairing: Pairing, threshold: float | None) -> None:
        super().__init__(pairing, threshold)
        self.ranges: list[tuple[Range, Range]] = []

    def add(self, pair: VariantPair) -> None:
        if np.isfinite(pair.ranges).all():
            self.ranges.append(pair.ranges)
            self._compare(f"variant {pair.variant_id}", *pair.ranges)
            self._name_images(pair)

    def finish(self) -> None:
        """Compare the data set's range once all variants are in it."""
        if self.ranges:
            every = np.array(self.ranges)  # [variants, sides, ends]
            ends = zip(every[:, :, 0].min(axis=0).tolist(), every[:, :, 1].max(axis=0).tolist(), strict=True)
            self._compare("dataset", *ends)

    def missing(self) -> str:
        return self.wording["nothing"]

    def _compare(self, name: str, now: Range, before: Range) -> None:
        moved = max(abs(one - other) for one, other in zip(now, before, strict=True))
        drift = moved / (before[1] - before[0]) if before[1] > before[0] else (0.0 if moved == 0 else None)
        self.add_part(name, drift, now=max(map(abs, now)), before=max(map(abs, before)))

    def _name_images(self, pair: VariantPair) -> None:
        """Name the images whose maps end furthest outside of the reference's range."""
        before = pair.ranges[1]
        width = before[1] - before[0]
        if width > 0:
            classes = [name not in self.pairing.now.contrasts for name in self.pairing.targets]
            low, high = (pair.now[name][:, classes] for name in ("minimum", "maximum"))
            low, high = np.fmin.reduce(low, 1, initial=np.nan), np.fmax.reduce(high, 1, initial=np.nan)
            beyond = np.fmax(before[0] - low, high - before[1]) / width
            details = {"low": low, "high": high, "before": before}
            self.add_offenders(beyond, variant_id=pair.variant_id, least=self.threshold, **details)
