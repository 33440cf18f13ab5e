"""Whether maps are still as exact as they were: the share that converged, and the gap of completeness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from igbatch.audit.checks.base import Question, short
from igbatch.audit.pairs import Floats, VariantPair
from igbatch.audit.verdict import Part
from igbatch.results import StudyResults
from igbatch.statistics.image_stats import allowed_error

GAP_QUANTILE = 0.95


class Convergence(Question):
    """The share of converged maps of each variant, over the images that both studies have."""

    name = "convergence"
    title = "Fewer maps converged"
    compared = "The share of maps that converged, of each variant: how far it fell."
    unit = "of the maps"

    def add(self, pair: VariantPair) -> None:
        now, before = pair.now["converged"], pair.before["converged"]
        both = ~np.isnan(now) & ~np.isnan(before)
        if not both.any():
            return
        shares = float(now[both].mean()), float(before[both].mean())
        fall = max(0.0, shares[1] - shares[0])
        self.part(pair.variant_id, fall, now=shares[0], before=shares[1], n=int(both.any(axis=1).sum()))
        lost = np.where(both, before > now, False).sum(axis=1).astype(np.float64)
        self.blame(
            lost, None, lambda at: f"{lost[at]:.0f} of its maps did before", variant_id=pair.variant_id
        )

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return f"{worst.name}: {_percent(worst.now)} of the maps converged, {_percent(worst.before)} before."


class Completeness(Question):
    """How far sums of maps are from F(image) - F(baseline), over what the tolerance allows."""

    name = "completeness"
    title = "The completeness gap grew"
    compared = (
        "The 95 % quantile over maps of |convergence_delta| divided by what the tolerance allows, of each "
        "trained variant: how many times as large as before. What was within the allowance counts as 1."
    )
    unit = "times"

    def add(self, pair: VariantPair) -> None:
        if not pair.trained:
            return
        now, before = (
            _gaps(rows, study)
            for rows, study in zip((pair.now, pair.before), self.pairing.studies, strict=True)
        )
        both = ~np.isnan(now) & ~np.isnan(before)
        if not both.any():
            return
        quantiles = [float(np.quantile(each[both], GAP_QUANTILE)) for each in (now, before)]
        self.part(
            pair.variant_id,
            quantiles[0] / max(quantiles[1], 1.0),
            now=quantiles[0],
            before=quantiles[1],
            n=int(both.any(axis=1).sum()),
        )
        for target, name in enumerate(self.pairing.targets):
            self._blame(pair.variant_id, name, now[:, target], before[:, target])

    def _blame(self, variant_id: str, target: str, now: Floats, before: Floats) -> None:
        def words(at: int) -> str:
            return f"off by {short(now[at])} times what is allowed, {short(before[at])} before"

        grown = now / np.maximum(before, 1.0)
        self.blame(grown, None, words, variant_id=variant_id, target=target, least=self.threshold)

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return (
            f"{worst.name}: 95 % of the maps miss completeness by at most {short(worst.now)} times what is "
            f"allowed, {short(worst.before)} before."
        )


def _gaps(rows: Mapping[str, Floats], study: StudyResults) -> Floats:
    """Return the gap of each map over what is allowed, as convergence is judged (`image_stats`)."""
    settings = study.study.attribution
    allowed = allowed_error(rows, settings.tolerance, settings.atol).allowed
    gaps: Floats = np.abs(rows["convergence_delta"]) / np.maximum(allowed, 1e-300)
    return gaps


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.4g} %"
