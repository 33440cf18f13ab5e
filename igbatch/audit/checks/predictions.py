"""Checks of predictions: the classes that trained models predict, and the probabilities of the targets."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.pairs import VariantPair
from igbatch.results import StudyResults


class Predictions(AuditCheck):
    """Images of trained variants whose predicted class is another one."""

    name = "predictions"

    def add(self, pair: VariantPair) -> None:
        now, before = (np.fmax.reduce(rows["prediction_index"], axis=1) for rows in (pair.now, pair.before))
        both = ~np.isnan(now) & ~np.isnan(before)
        n = int(both.sum())
        if n:
            changed = both & (now != before)
            self.add_part(pair.variant_id, float(changed.sum() / n), n=n)
            certainty = np.fmax.reduce(pair.now["prediction_probability"], axis=1)
            names, old_names = (_class_names(study, pair.model) for study in self.pairing.studies)
            details = {"now": now, "before": before, "names": names, "old_names": old_names}
            self.add_offenders(np.where(changed, certainty, np.nan), variant_id=pair.variant_id, **details)


class Probabilities(AuditCheck):
    """The typical change of a target's probability."""

    name = "probabilities"
    statistic: ClassVar[str] = "mean"

    def add(self, pair: VariantPair) -> None:
        for column, target in enumerate(self.pairing.targets):
            now, before = (rows["target_probability"][:, column] for rows in (pair.now, pair.before))
            change = np.abs(now - before)
            both = ~np.isnan(change)
            if both.any():
                means = {"now": float(now[both].mean()), "before": float(before[both].mean())}
                figure = float(getattr(change[both], self.statistic)())
                self.add_part(f"{pair.variant_id}, {target}", figure, **means, n=int(both.sum()))
                details: dict[str, Any] = {"target": target, "now": now, "before": before}
                self.add_offenders(change, variant_id=pair.variant_id, least=self.threshold, **details)


class LargestProbability(Probabilities):
    """The largest change of a target's probability."""

    name = "largest_probability"
    statistic = "max"


def _class_names(study: StudyResults, model: str) -> dict[int, str]:
    return {index: name for name, index in study.record["models"][model]["class_names"].items()}
