from typing import Any

import pytest

from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.findings.similarity import MOST_SAID, likeness
from igbatch.report.selection import FEWER_VARIANTS, MOST_VARIANTS


@pytest.mark.parametrize("more", [0, 1])
def test_many_variants_are_told_by_their_mean(drawn: Any, noise: Any, more: int) -> None:
    names = [f"random-{n}" for n in range(MOST_SAID + more)]
    maps = {(name, "a", t): noise(n) for n, name in enumerate(names) for t in ("eagle", "magpie")}
    random, _ = likeness(drawn(maps), ["a"])
    said = f"on average over {len(names)} variants, 0\u00a0% of the colour lies elsewhere"  # equal maps
    assert (said in random.answer) is bool(more)
    assert ("random-3, 0\u00a0% of the colour" in random.answer) is not bool(more)


def test_aggregates_of_a_randomization_study_are_those_of_the_variants_shown(drawn: Any, noise: Any) -> None:
    names = ["trained", *(f"random-{n}" for n in range(MOST_VARIANTS))]
    maps = {(name, "a", t): noise(n) for n, name in enumerate(names) for t in ("eagle", "magpie")}
    results = drawn(maps)
    assert not select_aggregates(results).rows_left_out
    results.__class__ = type("Randomized", (type(results),), {"randomized": True})
    shown = select_aggregates(results)
    assert set(shown.rows["variant_id"]) == set(names[:FEWER_VARIANTS])
    assert shown.rows_left_out == 4 * (len(names) - FEWER_VARIANTS)
