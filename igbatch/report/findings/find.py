"""What a study found, tested with its numbers: the claims of the seed experiment, each with a verdict.

The claims are those of the experiment that igbatch grew from. Verdicts follow from stated criteria;
where a study cannot tell (no boxes, no trained variant, too few images), the finding says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.findings.boxes import negligible_when_random, significant_when_trained
from igbatch.report.findings.groups import group_sums
from igbatch.report.findings.model import Finding, study_variants
from igbatch.report.findings.opposition import measure, opposition
from igbatch.report.findings.similarity import likeness
from igbatch.results import StudyResults


def find(results: StudyResults, compared: Sequence[str]) -> list[Finding]:
    """Test every claim.

    Args:
        results: a reduced study.
        compared: the images whose maps are read to compare targets; the other claims use the boxes of all.
    """
    variants = study_variants(results)
    labelled = set(results.aggregates["box_label"])
    labels = [name for name in results.target_names if name in labelled]
    groups, pairs = {}, {}
    for variant_id in dict.fromkeys([*variants.trained, *variants.random]):
        groups[variant_id] = group_sums(results.aggregates, variant_id)
        pairs[variant_id] = measure(results.aggregates, variant_id, labels)
    return [
        negligible_when_random(results, groups),
        significant_when_trained(results, groups),
        *opposition(results, labels, pairs),
        *likeness(results, compared),
    ]
