"""What to be careful about in a study: ranges, convergence, the baseline, what is missing."""

from __future__ import annotations

from typing import NamedTuple

from igbatch.reduce.summary import Summary
from igbatch.report.findings.model import study_variants
from igbatch.report.sentences import render, sentences
from igbatch.results import StudyResults
from igbatch.study import Attribution

WEIGHTY_BASELINE = 0.05
"""A probability at the baseline from which on the report says so."""


class BaselineMean(NamedTuple):
    """The mean probability that a variant gives a target at the baseline."""

    variant_id: str
    target: str
    mean: float


def cautions(results: StudyResults, summary: Summary, quarantined: int) -> list[str]:
    """Return what a reader of the report must know, one to three sentences each (`templates/caveats.j2`).

    Args:
        results: a reduced study.
        summary: of its rows.
        quarantined: rows in quarantine.
    """
    boxes = results.box_counts
    apart = boxes is not None and boxes.unknown_images > 0 and boxes.images < boxes.study_images
    return sentences(
        "caveats.j2",
        summary=summary,
        settings=results.study.attribution,
        raw_end=results.scope_range("raw").maximum if summary.rows else None,
        baseline=weighty_baseline(results, summary),
        boxes=boxes.words() if boxes and (apart or boxes.exceptions()) else "",
        expected=results.expected_rows,
        gone=results.expected_rows - summary.rows,
        quarantined=quarantined,
    )


def tolerance_words(settings: Attribution) -> str:
    """Return what error is allowed, in words, by a study's `attribution` section."""
    return render("tolerance.j2", settings=settings)


def weighty_baseline(results: StudyResults, summary: Summary) -> BaselineMean | None:
    """Return the largest mean probability at the baseline of a trained variant and a target.

    None where it is below `WEIGHTY_BASELINE`, or the output is no probability.
    """
    if results.study.attribution.output != "probability":
        return None
    trained = study_variants(results).trained
    found = [BaselineMean(*key, mean) for key, mean in summary.baselines.items() if key[0] in trained]
    largest = max(found, key=lambda each: each.mean, default=None)
    return largest if largest and largest.mean >= WEIGHTY_BASELINE else None
