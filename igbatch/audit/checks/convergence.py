"""Checks of convergence: the share of maps that converged, and the completeness gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import Floats, VariantPair
from igbatch.results import StudyResults
from igbatch.statistics.image_stats import allowed_error

GAP_QUANTILE = 0.95


class Convergence(AuditCheck):
    """The share of converged maps of each variant, over the images that both studies have."""

    name = "convergence"
    trained_only = False

    def add(self, pair: VariantPair) -> None:
        now, before = pair.now["converged"], pair.before["converged"]
        both = ~np.isnan(now) & ~np.isnan(before)
        if both.any():
            shares = {"now": float(now[both].mean()), "before": float(before[both].mean())}
            fall = max(0.0, shares["before"] - shares["now"])
            self.add_part(pair.variant_id, fall, **shares, n=int(both.any(axis=1).sum()))
            lost = np.where(both, before > now, False).sum(axis=1).astype(np.float64)
            self.add_offenders(lost, variant_id=pair.variant_id, lost=lost)


class Completeness(AuditCheck):
    """How far sums of maps are from F(image) - F(baseline), over what the tolerance allows."""

    name = "completeness"

    def add(self, pair: VariantPair) -> None:
        sides = zip((pair.now, pair.before), self.pairing.studies, strict=True)
        now, before = (_gaps(rows, study) for rows, study in sides)
        both = ~np.isnan(now) & ~np.isnan(before)
        if not both.any():
            return
        gap, gap_before = (float(np.quantile(each[both], GAP_QUANTILE)) for each in (now, before))
        n = int(both.any(axis=1).sum())
        self.add_part(pair.variant_id, gap / max(gap_before, 1.0), now=gap, before=gap_before, n=n)
        grown = now / np.maximum(before, 1.0)
        for target, name in enumerate(self.pairing.targets):
            details: dict[str, Any] = {"target": name, "now": now[:, target], "before": before[:, target]}
            rises = grown[:, target]
            self.add_offenders(rises, variant_id=pair.variant_id, least=self.threshold, **details)


def _gaps(rows: Mapping[str, Floats], study: StudyResults) -> Floats:
    """Return the gap of each map over what is allowed, as convergence is judged (`image_stats`)."""
    settings = study.study.attribution
    allowed = allowed_error(rows, settings.tolerance, settings.atol).allowed
    gaps: Floats = np.abs(rows["convergence_delta"]) / np.maximum(allowed, 1e-300)
    return gaps
