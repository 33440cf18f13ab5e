"""What a study found, tested with its numbers: the claims of the seed experiment, each with a verdict.

The claims are those of `SEED.md` section 7 and of its three renderings. Verdicts follow from stated criteria;
where a study cannot tell (no boxes, no trained variant, too few images), the finding says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.box_findings import negligible_when_random, significant_when_trained
from igbatch.report.groups import image_sums
from igbatch.report.likeness import likeness
from igbatch.report.opposition import opposition
from igbatch.report.verdicts import Finding
from igbatch.results import StudyResults


def find(results: StudyResults, compared: Sequence[str]) -> list[Finding]:
    """Test every claim.

    Args:
        results: a reduced study.
        compared: the images whose maps are read to compare targets; the other claims use the tables of all.
    """
    sums = image_sums(results)
    return [
        negligible_when_random(results, sums),
        significant_when_trained(results, sums),
        *opposition(results, sums),
        *likeness(results, compared),
    ]
