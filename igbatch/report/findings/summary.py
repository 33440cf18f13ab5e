"""The first screen of the page: what a study found and what to be careful about, in five sentences.

Every sentence is chosen by verdicts and counts, and none is there whatever the data say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from igbatch.reduce.summary import Summary
from igbatch.report.findings.caveats import weighty_baseline
from igbatch.report.findings.model import Finding, study_variants
from igbatch.report.randomization.statistics import SIGNIFICANT, null_tests
from igbatch.report.randomization.verdicts import MIN_MODELS, null_verdict
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES

FEW_IMAGES = 10
"""Images below which the summary warns that means over them are of little weight."""


def five_sentences(
    results: StudyResults, findings: Sequence[Finding], summary: Summary, quarantined: int
) -> list[str]:
    """Sum a study up: what it is, what it found of ranges, in boxes and by tests, what to beware of.

    Args:
        results: a reduced study.
        findings: of it (`findings.find`).
        summary: of its rows.
        quarantined: rows in quarantine.
    """
    trained = study_variants(results).trained if results.randomized else ()
    nulls = [null_tests(results, each) for each in trained]
    return sentences(
        "summary.j2",
        output=results.study.attribution.output,
        targets=results.target_names,
        images=results.n_images,
        kinds=Counter(results.variants["kind"]),
        summary=summary,
        expected=results.expected_rows,
        gone=results.expected_rows - summary.rows,
        quarantined=quarantined,
        findings={finding.key: finding for finding in findings},
        boxes=len(results.aggregates) > 0,
        randomized=results.randomized,
        tests=null_verdict(pd.concat(nulls)) if nulls else None,
        level=SIGNIFICANT,
        min_models=MIN_MODELS,
        baseline=weighty_baseline(results, summary),
        few_images=FEW_IMAGES,
        fewest_images=FEWEST_IMAGES,
    )
