"""The checks of an audit, one idea a module; `CHECKS` has them in the order in which they are shown."""

from __future__ import annotations

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.checks.boxes import BoxSigns, BoxSums, Deletions, Localization
from igbatch.audit.checks.convergence import Completeness, Convergence
from igbatch.audit.checks.curves import CurveAreas
from igbatch.audit.checks.faithfulness import Infidelity, Sensitivity
from igbatch.audit.checks.predictions import LargestProbability, Predictions, Probabilities
from igbatch.audit.checks.quarantine import Quarantine
from igbatch.audit.checks.ranges import Ranges
from igbatch.audit.checks.sanity import Sanity
from igbatch.audit.checks.similarity import Distance, Similarity

CHECKS: tuple[type[AuditCheck], ...] = (
    Convergence, Completeness, Predictions, Probabilities, LargestProbability, BoxSums, BoxSigns, Deletions,
    Ranges, Similarity, Distance, Localization, Sanity, Infidelity, Sensitivity, CurveAreas, Quarantine,
)  # fmt: skip
"""Each is named as its threshold in `study.Thresholds`."""
