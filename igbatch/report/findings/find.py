"""What a study found: the claims of the original experiment (docs/experiment.md), each with a verdict.

Verdicts follow from stated criteria. Where a study cannot tell (no boxes, no trained variant, too few images)
the finding says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.findings.boxes import negligible_when_random, opposition, significant_when_trained
from igbatch.report.findings.model import Finding
from igbatch.report.findings.similarity import target_likeness
from igbatch.results import StudyResults


def find(results: StudyResults, compared: Sequence[str]) -> list[Finding]:
    """Test every claim.

    Args:
        results: a reduced study.
        compared: the images whose maps are read to compare targets; the other claims use the boxes of all.
    """
    kinds = results.variants[["variant_id", "model", "kind"]]
    sums = results.aggregates.merge(kinds, on="variant_id").sort_values(["variant_id", "box_label", "target"])
    return [
        negligible_when_random(results, sums),
        significant_when_trained(results, sums),
        *opposition(results, sums),
        *target_likeness(results, compared),
    ]
