"""The sanity ratio of two nights of known sums."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]
KINDS = {"trained": "trained", "random-1": "random", "random-2": "random"}


def sums(**own: float) -> dict[str, Any]:
    """A night with such sums in each target's own box; what lies in others does not matter."""

    def boxes(variant: str, image: str, target: str) -> list[dict[str, Any]]:
        other = "magpie" if target == "eagle" else "eagle"
        return [
            {"box_label": target, "sum": own[variant.replace("-", "_")], "share": 0.5},
            {"box_label": other, "sum": 100.0, "share": 0.5},
        ]

    return {"kinds": KINDS, "boxes": boxes}


def test_the_ratio_is_the_trained_mean_over_that_of_all_random_ones(checked: Checked) -> None:
    now, before = (
        sums(trained=0.4, random_1=0.1, random_2=-0.3),
        sums(trained=-0.6, random_1=0.1, random_2=0.1),
    )
    found = checked("sanity", now, before)
    part = found.parts[0]
    assert (part.now, part.before) == (pytest.approx(2), pytest.approx(6))
    assert found.figure == pytest.approx(1 / 3)
    assert found.outcome is Outcome.FAILED


def test_a_ratio_that_rose_passes(checked: Checked) -> None:
    now, before = sums(trained=0.9, random_1=0.1, random_2=0.1), sums(trained=0.3, random_1=0.1, random_2=0.1)
    assert checked("sanity", now, before).figure == pytest.approx(3)


def test_without_random_variants_there_is_nothing_to_compare(checked: Checked) -> None:
    found = checked("sanity", {"kinds": {"trained": "trained"}})
    assert found.words == "Nothing to compare: the studies have no random variant in common."
