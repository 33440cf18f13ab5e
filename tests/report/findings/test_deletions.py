"""Findings on removals: judged by both intervals, told in words, and silent of what was not measured."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.report.findings.deletions import deletion_findings
from igbatch.report.findings.model import Finding, Verdict
from igbatch.statistics.agreement import MEASURES, aggregate_deletions

OPPOSED = ((0.8, -0.2), (-0.3, 0.7))
IMAGES = 12


@pytest.fixture
def removed(study: Any) -> Any:
    """Make a study whose boxes were removed: `removed(deletion, true_effect)`, functions of the sums."""

    def make(deletion: Any, true_effect: Any = None, known: int = IMAGES, images: int = IMAGES) -> Any:
        results = study({"random-1": OPPOSED, "trained": OPPOSED}, images=images)
        boxes = results.box_stats
        own = (boxes["variant_id"] == "trained") & boxes["image_id"].isin(
            [f"{each}.png" for each in range(known)]
        )
        effects = (deletion, deletion, true_effect or (lambda sums: np.nan))
        of = {
            name: pd.Series(effect(boxes["sum"]), boxes.index)
            for name, effect in zip(MEASURES, effects, strict=True)
        }
        boxes = boxes.assign(**{name: values.where(own) for name, values in of.items()})
        results.__dict__["deletions"] = aggregate_deletions(boxes)
        return results

    return make


def found(results: Any) -> dict[str, Finding]:
    findings = {each.key: each for each in deletion_findings(results)}
    for each in findings.values():
        for text in (each.claim, each.criterion, each.answer, each.brief):
            assert text
            assert not re.search(r" [.,;:)]|\( |  ", text), text
    return findings


def test_a_deletion_that_grows_with_the_sum_agrees(removed: Any) -> None:
    findings = found(removed(lambda sums: 0.5 * sums))
    assert list(findings) == ["trained_deletion"]
    one = findings["trained_deletion"]
    assert one.verdict is Verdict.HOLDS
    assert "agree in 4 of 4 groups" in one.answer
    assert "the same sign in 100\u00a0% of the images, rank correlation 1.00." in one.answer
    assert one.evidence is not None
    assert {row[one.evidence.head.index("they agree")] for row in one.evidence.rows} == {"yes"}


def test_opposite_signs_contradict_and_noise_shows_nothing(removed: Any) -> None:
    against = found(removed(lambda sums: -sums))["trained_deletion"]
    assert against.verdict is Verdict.FAILS
    assert "contradict each other in 4" in against.answer
    noise = np.random.default_rng(0)
    unknown = found(removed(lambda sums: noise.normal(size=len(sums))))["trained_deletion"]
    assert unknown.verdict in (Verdict.UNKNOWN, Verdict.MIXED)


def test_the_true_effect_is_told_beside_sum_and_deletion(removed: Any) -> None:
    findings = found(removed(lambda sums: -sums, lambda sums: 2 * sums))
    one = findings["trained_true_effect"]
    assert one.verdict is Verdict.HOLDS
    assert "Of the deletions with the baseline: the same sign in 0\u00a0% of the images" in one.answer
    assert one.evidence is not None
    row = dict(zip(one.evidence.head, one.evidence.rows[0], strict=True))
    assert (row["box"], row["target"], row["deletion: rank"]) == ("eagle", "eagle", "−1.00")


def test_what_was_not_measured_is_said(removed: Any, study: Any) -> None:
    some = found(removed(lambda sums: sums, known=6))["trained_deletion"]
    assert "The deletion is known of 24 of 48 sums" in some.answer
    few = found(removed(lambda sums: sums, lambda sums: sums, known=3))
    for key, name in (("trained_deletion", "deletion"), ("trained_true_effect", "true effect")):
        assert few[key].verdict is Verdict.UNKNOWN
        assert few[key].brief.startswith(f"the {name} is known of 12 of 48 sums (image, box label, target)")
        assert "on at least 4 images" in few[key].answer
    assert "known of 12 of 48 sums" in few["trained_deletion"].summary
    boxes = found(removed(lambda sums: sums, lambda sums: sums, known=3, images=3))
    assert all("no box label is on at least 4" in each.answer for each in boxes.values())
    none = found(study({"trained": OPPOSED}))["trained_deletion"]
    assert none.verdict is Verdict.UNKNOWN
    assert "no box was removed" in none.answer
    random = found(study({"random-1": OPPOSED}))["trained_deletion"]
    assert "no trained variant" in random.answer
