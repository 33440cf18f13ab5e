"""Joint ranges of two nights of known numbers, by scope."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]


def ends(trained: tuple[float, float], random: tuple[float, float] = (-0.1, 0.1)) -> dict[str, Any]:
    """A night whose image b has these extremes, all others none."""

    def row(variant: str, image: str, target: str) -> dict[str, Any]:
        low, high = trained if variant == "trained" else random
        return {"minimum": low if image == "b" else 0.0, "maximum": high if image == "b" else 0.0}

    return {"row": row}


def test_the_end_that_moved_more_counts_of_the_ranges_width(checked: Checked) -> None:
    found = checked("ranges", ends((-1.0, 4.0)), ends((-1.5, 2.5)))
    figures = {part.name: part.figure for part in found.parts}
    assert figures == {
        "variant trained": pytest.approx(1.5 / 4),
        "dataset": pytest.approx(1.5 / 4),
        "variant random-1": 0.0,
    }
    assert found.outcome is Outcome.FAILED
    assert [(each.image_id, each.variant_id) for each in found.offenders] == [("b", "trained")]


def test_the_data_sets_range_is_that_of_the_largest_variant(checked: Checked) -> None:
    found = checked("ranges", ends((-1, 1), (-0.1, 0.2)), ends((-1, 1)))
    figures = {part.name: part.figure for part in found.parts}
    assert figures == {"variant random-1": pytest.approx(0.5), "variant trained": 0.0, "dataset": 0.0}


def test_a_contrast_is_held_against_its_own_range(checked: Checked) -> None:
    def wide(end: float) -> dict[str, Any]:
        def row(variant: str, image: str, target: str) -> dict[str, Any]:
            high = end if (variant, image, target) == ("trained", "b", "eagle - magpie") else 1.0
            return {"minimum": -1.0, "maximum": high}

        named = ("eagle", "magpie", "eagle - magpie")
        return {"row": row, "targets": named, "record": {"contrasts": {named[2]: list(named[:2])}}}

    found = checked("ranges", wide(1.8), wide(1.0))
    figures = {part.name: part.figure for part in found.parts}
    assert (
        figures.pop("variant trained, eagle - magpie")
        == figures.pop("dataset, eagle - magpie")
        == pytest.approx(0.4)
    )
    assert set(figures.values()) == {0.0}
    assert len(figures) == 4
    assert found.outcome is Outcome.FAILED
    assert [(each.image_id, each.target) for each in found.offenders] == [("b", "eagle - magpie")]
