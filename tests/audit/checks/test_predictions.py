"""Predictions and probabilities of two nights of known numbers."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]
PROBABILITIES = ("probabilities", "largest_probability")


def turned(variant: str, image: str, target: str) -> dict[str, Any]:
    return {"prediction_index": 1, "prediction_probability": 0.7} if image == "b" else {}


def risen(variant: str, image: str, target: str) -> dict[str, Any]:
    rise = {"b": 0.3, "c": 0.03}.get(image, 0.0) if target == "eagle" else 0.0
    return {"target_probability": 0.5 + rise}


def test_a_class_that_changed_is_reported_by_name(checked: Checked) -> None:
    found = checked("predictions", {"row": turned})
    assert found.figure == pytest.approx(1 / 3)
    assert found.outcome is Outcome.FAILED
    assert [(each.image_id, each.words, each.value) for each in found.offenders] == [
        ("b", "now magpie, was eagle", 0.7)
    ]
    assert found.words == "trained: 1 of 3 images are predicted as another class."


@pytest.mark.parametrize("name", ["predictions", *PROBABILITIES])
def test_random_variants_are_not_checked(checked: Checked, name: str) -> None:
    def row(variant: str, image: str, target: str) -> dict[str, Any]:
        return turned(variant, "b", target) | {"target_probability": 1.0} if variant != "trained" else {}

    assert checked(name, {"row": row}).outcome is Outcome.PASSED


@pytest.mark.parametrize(("name", "figure"), [("probabilities", 0.11), ("largest_probability", 0.3)])
def test_the_mean_and_the_largest_change_of_a_target(checked: Checked, name: str, figure: float) -> None:
    found = checked(name, {"row": risen})
    assert found.figure == pytest.approx(figure)
    assert (found.parts[0].name, found.parts[1].figure) == ("trained, eagle", 0.0)
    assert found.offenders[0].image_id == "b"
    assert found.offenders[0].words == "0.8, was 0.5"


def test_without_a_trained_variant_there_is_nothing_to_compare(checked: Checked) -> None:
    only = {"kinds": {"random-1": "random"}}
    found = checked("predictions", only, only)
    assert found.outcome is Outcome.SKIPPED
    assert found.words == "Nothing to compare: the studies have no trained variant in common."
