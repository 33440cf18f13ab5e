"""Checks of maps, pixel by pixel, on a sample of images whose maps both studies kept."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import VariantPair


class Likened(AuditCheck):
    """A check of one measure of `Likeness`: the median over maps, by trained variant and target."""

    measure: ClassVar[str]

    def add(self, pair: VariantPair) -> None:
        for target in self.pairing.targets:
            found = self.pairing.maps.likeness(pair.variant_id, target)
            values = getattr(found, self.measure)
            defined = ~np.isnan(values)
            images, values = found.images[defined], values[defined]
            if len(values):
                self.add_part(f"{pair.variant_id}, {target}", float(np.median(values)), n=len(values))
                against = (1 - values, 1 - self.threshold) if self.at_least else (values, self.threshold)
                self.add_offenders(
                    against[0], images, variant_id=pair.variant_id, target=target, least=against[1],
                    measured=values,
                )  # fmt: skip


class Similarity(Likened):
    """The rank correlation of a map with the reference's."""

    name = "similarity"
    at_least = True
    measure = "correlations"


class Distance(Likened):
    """The relative L2 distance of a map from the reference's."""

    name = "distance"
    measure = "distances"
