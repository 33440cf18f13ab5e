"""Infidelity and maximum sensitivity of two nights that measured them."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]


def measured(infidelity: dict[str, float], variant: str = "trained", **settings: Any) -> dict[str, Any]:
    drawn = {"perturbations": 10, "radius": 0.02, "seed": 0, **settings}
    rows = [
        {
            "variant_id": variant, "image_id": image, "target": "eagle", "target_index": 0,
            "infidelity": value, "squared_change": 1.0, "sensitivity": 2 * value, **drawn,
        }
        for image, value in infidelity.items()
    ]  # fmt: skip
    return {"faithfulness": rows}


@pytest.mark.parametrize("name", ["infidelity", "sensitivity"])
def test_means_are_compared_over_the_maps_that_both_measured(checked: Checked, name: str) -> None:
    found = checked(name, measured({"a": 0.1, "b": 0.5, "z": 9.0}), measured({"a": 0.1, "b": 0.2, "c": 7.0}))
    assert found.figure == pytest.approx(2)
    assert found.outcome is Outcome.FAILED
    assert found.parts[0].n == 2
    assert [(each.image_id, each.value) for each in found.offenders] == [("b", pytest.approx(2.5))]


def test_only_trained_variants_are_checked(checked: Checked) -> None:
    night = measured({"a": 0.1}, "random-1")
    found = checked("infidelity", night, night)
    assert "no map of a trained variant was measured in both studies" in found.words


@pytest.mark.parametrize("change", [{"seed": 1}, {"radius": 0.1}, {"perturbations": 20}])
def test_measures_under_other_settings_are_not_compared(checked: Checked, change: dict[str, Any]) -> None:
    found = checked("infidelity", measured({"a": 0.1}), measured({"a": 0.1}, **change))
    assert found.outcome is Outcome.SKIPPED
    assert "under the same settings" in found.words


def test_a_study_that_measured_nothing_is_named(checked: Checked) -> None:
    found = checked("infidelity", measured({"a": 0.1}))
    assert found.outcome is Outcome.SKIPPED
    assert "the reference measured no faithfulness" in found.words


@pytest.mark.parametrize(("now", "figure"), [(0.0, 1.0), (1e-3, 1e297)])
def test_a_mean_of_zero_is_no_division(checked: Checked, now: float, figure: float) -> None:
    assert checked("infidelity", measured({"a": now}), measured({"a": 0.0})).figure == pytest.approx(figure)
