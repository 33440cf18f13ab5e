"""What a study found: the claims of the original experiment (docs/experiment.md), each with a verdict.

Verdicts follow from stated criteria. Where a study cannot tell (no boxes, no trained variant, too few images)
the finding says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.findings.boxes import box_sums, negligible_when_random, significant_when_trained
from igbatch.report.findings.model import Finding, study_variants
from igbatch.report.findings.opposition import opposition
from igbatch.report.findings.similarity import target_likeness
from igbatch.results import StudyResults


def find(results: StudyResults, compared: Sequence[str]) -> list[Finding]:
    """Test every claim.

    Args:
        results: a reduced study.
        compared: the images whose maps are read to compare targets; the other claims use the boxes of all.
    """
    variants, targets = study_variants(results), results.target_names
    probability = results.study.attribution.output == "probability"
    sums = box_sums(results.aggregates)
    return [
        negligible_when_random(sums, variants, probability),
        significant_when_trained(sums, variants, probability, targets),
        *opposition(sums, variants, targets),
        *target_likeness(results, compared),
    ]
