"""Whether two targets' maps look alike: each verdict, and what is said where pixels and cells disagree."""

import re
from typing import Any

import numpy as np
import pytest

from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.findings.model import Missing, Verdict
from igbatch.report.findings.similarity import Pair, judge, target_likeness
from igbatch.report.selection import MAX_VARIANTS, MAX_VARIANTS_RANDOMIZED
from igbatch.statistics.likeness import MapLikeness

ALIKE, SAME, APART = MapLikeness(0.9, 0.5, 0.8), MapLikeness(0.9, 0.85, 0.8), MapLikeness(0.2, 0.15, 0.1)
WHITE = MapLikeness(0.9, 0.95, 0.2)  # SSIM is high where most is nearly white, though places differ


@pytest.mark.parametrize(
    ("pixels", "cells", "verdict", "words"),
    [
        (ALIKE, ALIKE, Verdict.HOLDS, "look alike under per-map ranges (SSIM 0.90, ranks of |a| 0.80), and "
                                      "differences reappear under the range of the two (SSIM 0.50)"),
        (APART, APART, Verdict.FAILS, "do not look alike under per-map ranges"),
        (WHITE, WHITE, Verdict.FAILS, "do not look alike under per-map ranges (SSIM 0.90, ranks"),
        (SAME, ALIKE, Verdict.MIXED, "Pixels and cells disagree on whether differences reappear."),
        (APART, SAME, Verdict.MIXED, "Pixels and cells disagree on whether the maps look alike."),
        (WHITE, ALIKE, Verdict.MIXED,
         "disagree on whether the maps look alike and on whether differences reappear."),
        (ALIKE, None, Verdict.HOLDS, "On cells, maps cannot be compared."),
        (None, None, Verdict.UNKNOWN, "It cannot be told: it takes maps of two targets"),
    ],
)  # fmt: skip
def test_each_verdict_has_words(
    pixels: MapLikeness | None, cells: MapLikeness | None, verdict: Verdict, words: str
) -> None:
    found = judge("trained_alike", Missing.TRAINED, {"trained": [(pixels, cells)]})
    assert found.verdict is verdict
    assert words in found.answer
    assert found.answer.count(". ") <= 2  # three sentences
    assert not re.search(r" [.,;:)]|\( |  ", found.answer + found.claim + found.criterion + found.brief)
    assert ("disagree" in found.answer) is (pixels is not None and cells not in (None, pixels))


def test_variants_are_counted_and_their_means_told() -> None:
    measured: dict[str, list[Pair]] = {"random-1": [(ALIKE, ALIKE)], "random-2": [(APART, APART)] * 3}
    found = judge("random_alike", Missing.RANDOM, measured)
    assert found.verdict is Verdict.MIXED
    assert "look alike in 1 of 2 variants" in found.answer
    assert found.brief == "SSIM on pixels 0.55, jointly 0.33, on cells 0.55, jointly 0.33"
    assert found.evidence is not None
    assert found.evidence.rows[1] == ("random-2", "3", "0.20", "0.15", "0.10", "0.20", "0.15", "0.10")
    assert "no variant with random parameters" in judge("random_alike", Missing.RANDOM, {}).answer


def test_a_fainter_copy_looks_alike_by_itself_alone(drawn: Any) -> None:
    blobs = np.kron(np.random.default_rng(0).uniform(size=(8, 8)), np.ones((8, 8))).astype(np.float32)
    maps = {("random-1", "a", "eagle"): blobs, ("random-1", "a", "magpie"): blobs / 100}
    random, trained = target_likeness(drawn(maps), ["a"])
    assert (random.key, random.verdict) == ("random_alike", Verdict.HOLDS)
    assert (trained.key, trained.verdict) == ("trained_alike", Verdict.UNKNOWN)


def test_maps_that_were_not_kept_are_not_compared(small_study: Any) -> None:
    small_study.kept = False
    assert {each.verdict for each in target_likeness(small_study, ["a.png"])} == {Verdict.UNKNOWN}


def test_aggregates_of_a_randomization_study_are_those_of_the_variants_shown(drawn: Any, noise: Any) -> None:
    names = ["trained", *(f"random-{n}" for n in range(MAX_VARIANTS))]
    maps = {(name, "a", t): noise(n) for n, name in enumerate(names) for t in ("eagle", "magpie")}
    results = drawn(maps)
    assert not select_aggregates(results).rows_left_out
    results.__class__ = type("Randomized", (type(results),), {"randomized": True})
    shown = select_aggregates(results)
    assert set(shown.rows["variant_id"]) == set(names[:MAX_VARIANTS_RANDOMIZED])
    assert shown.rows_left_out == 4 * (len(names) - MAX_VARIANTS_RANDOMIZED)
