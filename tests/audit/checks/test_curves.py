"""Areas under deletion and insertion curves of two nights that measured them."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]


def measured(areas: dict[str, float], variant: str = "trained", **changes: Any) -> dict[str, Any]:
    """Curves from 0.8 to 0.3 with these areas, beside one in a random order."""
    drawn = {"target_index": 0, "kind": "deletion", "regions": "patch 16", "fill": "blurred", "seed": 0}
    rows = [
        {
            "variant_id": variant, "image_id": image, "target": "eagle", **drawn,
            "order": order, "number": 0 if order == "random" else None, "steps": 3,
            "fractions": [0.0, 1.0], "outputs": [0.8, 0.3], "area": value, **changes,
        }
        for image, value in areas.items()
        for order, value in (("attribution", value), ("random", 99.0))
    ]  # fmt: skip
    return {"curves": rows}


def test_mean_areas_are_compared_over_the_maps_that_both_measured(checked: Checked) -> None:
    found = checked(
        "curves", measured({"a": 0.5, "b": 0.4, "z": 9.0}), measured({"a": 0.5, "b": 0.6, "c": 7.0})
    )
    assert found.figure == pytest.approx(0.1 / 0.5)
    assert found.outcome is Outcome.FAILED
    assert found.parts[0].n == 2
    assert [(each.image_id, each.value) for each in found.offenders] == [("b", pytest.approx(0.4))]
    assert "trained, eagle: deletion of patch 16, blurred" in found.words


@pytest.mark.parametrize(
    "change", [{"fill": "baseline"}, {"regions": "pixel"}, {"steps": 2}, {"kind": "insertion"}]
)
def test_curves_of_another_kind_are_not_compared(checked: Checked, change: dict[str, Any]) -> None:
    found = checked("curves", measured({"a": 0.5}), measured({"a": 0.9}, **change))
    assert found.outcome is Outcome.SKIPPED
    assert "with the same regions, steps and fill" in found.words


def test_only_trained_variants_are_checked(checked: Checked) -> None:
    night = measured({"a": 0.5}, "random-1")
    assert checked("curves", night, night).outcome is Outcome.SKIPPED


def test_a_side_without_curves_is_named(checked: Checked) -> None:
    found = checked("curves", measured({"a": 0.5}))
    assert found.outcome is Outcome.SKIPPED
    assert "the reference measured no curves" in found.words
