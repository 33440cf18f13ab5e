"""Checks of boxes: the size and the sign of their sums, what the output loses without them, and the share of
|a| in the target's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.checks.shifts import Shifted
from igbatch.audit.pairs import BoxGroup, Floats, VariantPair

NEGLIGIBLE = 0.05
"""A sum below this share of the mean |sum| is negligible: its sign says nothing. So are groups of boxes whose
mean |sum| is below this share of the variant's largest group; they are held against that."""


class BoxSums(Shifted):
    """The mean sum in boxes, by trained variant, label and target, paired over images."""

    name = "box_sums"
    of = attrgetter("sums")

    def add(self, pair: VariantPair) -> None:
        for group, scale in _scaled(pair, self.of):
            both = np.stack(self.of(group))
            known = ~np.isnan(both).any(axis=0)
            now, before = both[:, known]
            if len(now):
                self.add_shift(_name(pair, group), float(abs((now - before).mean()) / scale), now, before)
                details = _details(pair, group, now, before)
                sizes = np.abs(now - before) / scale
                self.add_offenders(sizes, group.images[known], least=self.threshold, **details)


class Deletions(BoxSums):
    """The mean of what the output loses without boxes, likewise, where both studies measured it."""

    name = "deletions"
    of = attrgetter("deletions")


class BoxSigns(AuditCheck):
    """Sums in boxes that changed their sign."""

    name = "box_signs"

    def add(self, pair: VariantPair) -> None:
        for group, scale in _scaled(pair):
            now, before = group.sums
            weighty = np.minimum(np.abs(now), np.abs(before)) >= NEGLIGIBLE * scale
            n = int(weighty.sum())
            if n:
                changed = weighty & (np.sign(now) != np.sign(before))
                self.add_part(_name(pair, group), float(changed.sum() / n), n=n)
                sizes = np.where(changed, np.abs(now - before), np.nan)
                self.add_offenders(sizes, group.images, **_details(pair, group, now, before))


class Localization(Shifted):
    """The share of |a| that lies in the boxes of the target itself."""

    name = "localization"

    def add(self, pair: VariantPair) -> None:
        for group in pair.boxes:
            if not group.own:
                continue
            defined = ~np.isnan(group.shares).any(axis=0)
            now, before = (share[defined] for share in group.shares)
            mean = float(before.mean()) if len(before) else 0.0
            if mean > 0:
                self.add_shift(_name(pair, group), max(0.0, 1 - float(now.mean()) / mean), now, before)
                details = _details(pair, group, now, before)
                self.add_offenders(
                    before - now, group.images[defined], least=self.threshold * mean, **details
                )


def _name(pair: VariantPair, group: BoxGroup) -> str:
    return f"{pair.variant_id}, {group.label}'s box, target {group.target}"


def _details(pair: VariantPair, group: BoxGroup, now: Floats, before: Floats) -> dict[str, Any]:
    """Return what the words of an offender of a group name, with the values of all its images."""
    named = {"variant_id": pair.variant_id, "target": group.target, "label": group.label}
    return {**named, "now": now, "before": before}


def _scaled(pair: VariantPair, of: attrgetter[Any] = BoxSums.of) -> Iterator[tuple[BoxGroup, float]]:
    """Yield groups with the mean size of values in the reference, at least a share of the largest one's."""
    known = [np.abs(of(group)[1])[~np.isnan(of(group)[1])] for group in pair.boxes]
    sizes = [float(each.mean()) if len(each) else 0.0 for each in known]
    least = max(NEGLIGIBLE * max(sizes, default=0.0), 1e-300)
    return zip(pair.boxes, (max(size, least) for size in sizes), strict=True)
