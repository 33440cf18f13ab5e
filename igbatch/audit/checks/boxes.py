"""Whether the sums in boxes mean what they meant: their size, their sign, and where the attributions lie."""

from __future__ import annotations

import numpy as np

from igbatch.audit.checks.base import Question, no_trained, short
from igbatch.audit.checks.shifts import Shifted, shift
from igbatch.audit.pairs import BoxGroup, Pairing, VariantPair
from igbatch.audit.verdict import Part

NEGLIGIBLE = 0.05
"""A sum below this share of the mean |sum| is negligible: its sign says nothing. So are groups of boxes whose
mean |sum| is below this share of the variant's largest group; they are held against that."""


class BoxSums(Shifted):
    """The mean sum in boxes, by trained variant, label and target, paired over images."""

    name = "box_sums"
    title = "Sums in boxes changed in size"
    compared = (
        "The sum of the map in the boxes of each label, for each target of each trained variant, paired over "
        "images: the change of the mean in units of the mean |sum| of the reference; Wilcoxon's signed-rank "
        "test, adjusted for all comparisons (Benjamini-Hochberg), and the matched-pairs rank-biserial effect."
    )
    unit = "of the mean |sum|"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        for group, scale in zip(pair.boxes, _scales(pair), strict=True):
            self._compare(pair, group, scale)

    def _compare(self, pair: VariantPair, group: BoxGroup, scale: float) -> None:
        now, before = group.sums

        def words(at: int) -> str:
            return f"{group.label}'s box {short(now[at])}, was {short(before[at])}"

        size = float(abs((now - before).mean()) / scale)
        self.shifts.append(shift(_name(pair, group), size, now, before))
        named = {"variant_id": pair.variant_id, "target": group.target}
        self.blame(np.abs(now - before) / scale, group.images, words, **named, least=self.threshold)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        return _no_boxes(self.pairing)

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return (
            f"{worst.name}: the mean sum is {short(worst.now)}, was {short(worst.before)}, a change of "
            f"{short(worst.figure)} of the mean |sum| ({self.tested(worst)})."
        )


class BoxSigns(Question):
    """Sums in boxes that changed their sign."""

    name = "box_signs"
    title = "Sums in boxes changed their sign"
    compared = (
        "The sign of the sum in the boxes of each label, for each target of each trained variant, image by "
        f"image: the share that changed, of sums above {100 * NEGLIGIBLE:.0f} % of the mean |sum| in both."
    )
    unit = "of the sums"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        for group, scale in zip(pair.boxes, _scales(pair), strict=True):
            self._compare(pair, group, scale)

    def _compare(self, pair: VariantPair, group: BoxGroup, scale: float) -> None:
        now, before = group.sums

        def words(at: int) -> str:
            return f"{group.label}'s box {now[at]:+.3g}, was {before[at]:+.3g}"

        weighty = np.minimum(np.abs(now), np.abs(before)) >= NEGLIGIBLE * scale
        if not weighty.any():
            return
        changed = weighty & (np.sign(now) != np.sign(before))
        self.part(_name(pair, group), float(changed.sum() / weighty.sum()), n=int(weighty.sum()))
        sizes = np.where(changed, np.abs(now - before), np.nan)
        self.blame(sizes, group.images, words, variant_id=pair.variant_id, target=group.target)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        return _no_boxes(self.pairing)

    def words(self, worst: Part) -> str:
        """Say what was found."""
        n = worst.n or 0
        return f"{worst.name}: {round((worst.figure or 0.0) * n):,} of {n:,} sums changed their sign."


class Localization(Shifted):
    """The share of |a| that lies in the boxes of the target itself."""

    name = "localization"
    title = "Maps point less at their target"
    compared = (
        "The share of |a| that lies in the boxes of the target itself, for each target of each trained "
        "variant, paired over images: how far the mean fell, of what it was; the test is that of box_sums."
    )
    unit = "of the share"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        for group in pair.boxes:
            if group.own:
                self._compare(pair, group)

    def _compare(self, pair: VariantPair, group: BoxGroup) -> None:
        told = ~np.isnan(group.shares[0]) & ~np.isnan(group.shares[1])
        now, before = (share[told] for share in group.shares)
        mean = float(before.mean()) if len(before) else 0.0
        if mean == 0:
            return

        def words(at: int) -> str:
            return f"{100 * now[at]:.3g} % of |a| in its box, was {100 * before[at]:.3g} %"

        fall = max(0.0, 1 - float(now.mean()) / mean)
        self.shifts.append(shift(_name(pair, group), fall, now, before))
        named = {"variant_id": pair.variant_id, "target": group.target}
        self.blame(before - now, group.images[told], words, **named, least=self.threshold * mean)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        return _no_boxes(self.pairing, own=True)

    def words(self, worst: Part) -> str:
        """Say what was found."""
        shares = [f"{100 * (share or 0.0):.3g} %" for share in (worst.now, worst.before)]
        said = f"{shares[0]} of |a| lies there on average, {shares[1]} before"
        return f"{worst.name}: {said} ({self.tested(worst)})."


def _name(pair: VariantPair, group: BoxGroup) -> str:
    return f"{pair.variant_id}, {group.label}'s box, target {group.target}"


def _scales(pair: VariantPair) -> list[float]:
    """Return the mean |sum| of each group in the reference, at least a share of the largest one's."""
    sizes = [float(np.abs(group.sums[1]).mean()) for group in pair.boxes]
    least = max(NEGLIGIBLE * max(sizes, default=0.0), 1e-300)
    return [max(size, least) for size in sizes]


def _no_boxes(pairing: Pairing, own: bool = False) -> str:
    whole = no_trained(pairing)
    if whole != "no map was computed in both studies":
        return whole
    return f"no image has boxes{' of a target' if own else ''} in both studies"
