"""The page's sentences on a study: what it is, what was found, and what to be careful about.

No sentence is fixed: verdicts and counts choose each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from igbatch.reduce.ranges import region_size
from igbatch.report.color.wording import region_words
from igbatch.report.figures.scales import shown_regions
from igbatch.report.findings.model import Finding, variants_of_kind
from igbatch.report.randomization.statistics import SIGNIFICANT, null_tests
from igbatch.report.randomization.verdicts import MIN_MODELS, null_verdict
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import MIN_IMAGES

FEW_IMAGES = 10
"""Images below which the summary warns that means over them are of little weight."""

MAX_OWN = 4
"""Sentences of the summary that findings bring themselves: of removals, and of three contrasts."""

WEIGHTY_BASELINE = 0.05
"""A probability at the baseline from which on the report says so."""


class BaselineMean(NamedTuple):
    """The mean probability that a variant gives a target at the baseline."""

    variant_id: str
    target: str
    mean: float


def describe(results: StudyResults) -> tuple[str, dict[str, str]]:
    """Return what a study is in a sentence, and its data, models and method by name (`about.j2`)."""
    settings = results.study.attribution
    lead, *facts = sentences("about.j2", results=results, settings=settings, summary=results.totals)
    return lead, {name: words for name, _, words in (fact.partition(": ") for fact in facts)}


def summary_sentences(results: StudyResults, findings: Sequence[Finding], quarantined: int) -> list[str]:
    """Sum a study up: what it is, what it found of ranges, in boxes and by tests, what to beware of.

    Five sentences, and one of removals and of each contrast where the study has them, of `MAX_OWN` at most.

    Args:
        results: a reduced study.
        findings: of it.
        quarantined: maps in quarantine.
    """
    trained = variants_of_kind(results, "trained") if results.randomized else ()
    nulls = [null_tests(results, each) for each in trained]
    return sentences(
        "summary.j2",
        results=results,
        kinds=Counter(results.variants["kind"]),
        findings={finding.key: finding for finding in findings},
        own=sorted(
            (each for each in findings if each.summary), key=lambda each: each.key == "trained_contrast"
        ),
        max_own=MAX_OWN,
        tests=null_verdict(pd.concat(nulls)) if nulls else None,
        level=SIGNIFICANT,
        min_models=MIN_MODELS,
        few_images=FEW_IMAGES,
        min_images=MIN_IMAGES,
        **_doubts(results, quarantined),
    )


def cautions(results: StudyResults, quarantined: int) -> list[str]:
    """Return what a reader of the report must know, one to three sentences each (`caveats.j2`).

    Args:
        results: a reduced study.
        quarantined: maps in quarantine.
    """
    boxes = results.box_counts
    regions = shown_regions(results)
    apart = boxes is not None and boxes.unknown_images > 0 and boxes.images < boxes.study_images
    return sentences(
        "caveats.j2",
        raw_end=results.scope_range("raw", regions=regions).maximum if results.totals.rows else None,
        region=region_words(region_size(regions)),
        boxes=boxes.words() if boxes and (apart or boxes.exceptions()) else "",
        **_signs(results),
        **_doubts(results, quarantined),
    )


def _signs(results: StudyResults) -> dict[str, int]:
    """Return of how many box sums the sign depends on the baseline, and of how many it is known."""
    table = results.aggregates
    known = table[table["n_sign_depends"].notna()] if "n_sign_depends" in table else table.iloc[:0]
    if known.empty:
        return {"sign_depends": 0, "signed": 0}
    return {"sign_depends": int(known["n_sign_depends"].sum()), "signed": int(known["n_boxes"].sum())}


def _doubts(results: StudyResults, quarantined: int) -> dict[str, Any]:
    """Return what speaks against a study's numbers: maps that are missing, errors, a weighty baseline."""
    return {
        "summary": results.totals,
        "settings": results.study.attribution,
        "expected": results.expected_rows,
        "gone": results.expected_rows - results.totals.rows,
        "quarantined": quarantined,
        "baseline": weighty_baseline(results),
    }


def weighty_baseline(results: StudyResults) -> BaselineMean | None:
    """Return the largest mean probability at the baseline of a trained variant and a class.

    None where it is below `WEIGHTY_BASELINE`, or the output is no probability.
    """
    if results.study.attribution.output != "probability":
        return None
    trained = variants_of_kind(results, "trained")
    means = [
        BaselineMean(variant_id, target, mean)
        for (variant_id, target), mean in results.totals.baselines.items()
        if variant_id in trained and target not in results.contrasts
    ]
    weighty = [each for each in means if each.mean >= WEIGHTY_BASELINE]
    return max(weighty, key=lambda each: each.mean, default=None)
