"""The check of joint ranges: whether those of each variant and of the data set moved."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import Pairing, Range, VariantPair


class Ranges(AuditCheck):
    """The joint minimum and maximum over all images of each study, by scope, of classes and contrasts."""

    name = "ranges"
    trained_only = False

    def __init__(self, pairing: Pairing, threshold: float | None) -> None:
        super().__init__(pairing, threshold)
        self.ranges: dict[str, list[tuple[Range, Range]]] = defaultdict(list)

    def add(self, pair: VariantPair) -> None:
        for contrast, ranges in pair.ranges.items():
            if np.isfinite(ranges).all():
                self.ranges[contrast].append(ranges)
                self._compare(f"variant {pair.variant_id}", contrast, *ranges)
                self._name_images(pair, contrast, ranges[1])

    def finish(self) -> None:
        """Compare the data set's ranges once all variants are in them."""
        for contrast, ranges in self.ranges.items():
            every = np.array(ranges)  # [variants, sides, ends]
            ends = zip(every[:, :, 0].min(axis=0).tolist(), every[:, :, 1].max(axis=0).tolist(), strict=True)
            self._compare("dataset", contrast, *ends)

    def missing(self) -> str:
        return self.wording["nothing"]

    def _compare(self, name: str, contrast: str, now: Range, before: Range) -> None:
        moved = max(abs(one - other) for one, other in zip(now, before, strict=True))
        drift = moved / (before[1] - before[0]) if before[1] > before[0] else (0.0 if moved == 0 else None)
        name = f"{name}, {contrast}" if contrast else name
        self.add_part(name, drift, now=max(map(abs, now)), before=max(map(abs, before)))

    def _name_images(self, pair: VariantPair, contrast: str, before: Range) -> None:
        """Name the images whose maps end furthest outside of the reference's range."""
        width = before[1] - before[0]
        if width > 0:
            of = np.isin(self.pairing.targets, self.pairing.now.reader.families[contrast])
            low, high = (pair.now[name][:, of] for name in ("minimum", "maximum"))
            low, high = np.fmin.reduce(low, 1, initial=np.nan), np.fmax.reduce(high, 1, initial=np.nan)
            beyond = np.fmax(before[0] - low, high - before[1]) / width
            details = {"low": low, "high": high, "before": before, "target": contrast or None}
            self.add_offenders(beyond, variant_id=pair.variant_id, least=self.threshold, **details)
