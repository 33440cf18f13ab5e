"""Maps of two nights that are alike in a known way."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igbatch.audit.compare import compare
from igbatch.audit.verdict import Check, Outcome
from igbatch.results import StudyResults
from igbatch.study import AuditSection

Checked = Callable[..., Check]


def scaled(factor: float) -> dict[str, Any]:
    def attribution(variant: str, image: str, target: str) -> np.ndarray:
        ramp = np.linspace(-1, 1, 36, dtype=np.float32).reshape(6, 6)
        return np.float32(factor if target == "eagle" else 1.0) * ramp

    return {"attribution": attribution}


def test_a_scaled_map_has_the_same_ranks_and_its_distance(checked: Checked) -> None:
    found = checked("similarity", scaled(1.5), scaled(1.0))
    assert found.figure == pytest.approx(1)
    assert found.outcome is Outcome.PASSED


def test_the_distance_is_relative_to_the_reference(checked: Checked) -> None:
    found = checked("distance", scaled(1.5), scaled(1.0))
    assert [(part.name, part.figure) for part in found.parts] == [
        ("trained, eagle", pytest.approx(0.5)), ("trained, magpie", 0.0),
    ]  # fmt: skip
    assert found.outcome is Outcome.FAILED
    assert {each.target for each in found.offenders} == {"eagle"}


def test_an_inverted_map_correlates_by_minus_one(checked: Checked) -> None:
    found = checked("similarity", scaled(-1.0), scaled(1.0))
    assert found.figure == pytest.approx(-1)
    assert found.outcome is Outcome.FAILED
    assert [each.value for each in found.offenders] == pytest.approx([2.0] * 3)


def test_only_maps_that_both_kept_are_compared(checked: Checked) -> None:
    images = ["a", "b", "c", "d"]
    now = {"images": images, "maps": {"sample": 2, "seed": 1}}  # its file holds all, the study keeps two
    assert checked("similarity", now, {"images": images}).parts[0].n == 2


@pytest.mark.parametrize("name", ["similarity", "distance"])
def test_without_kept_maps_there_is_nothing_to_compare(checked: Checked, name: str) -> None:
    found = checked(name, {"maps": "none"})
    assert found.outcome is Outcome.SKIPPED
    assert "no map of a common image was kept" in found.words


def test_pruned_maps_are_no_fault(tmp_path: Path, make_night: Callable[..., StudyResults]) -> None:
    night, reference = make_night(tmp_path / "now"), make_night(tmp_path / "then")
    shutil.rmtree(tmp_path / "then" / "attributions")
    (tmp_path / "then" / "pruned.json").write_text('{"pruned_at": "2026-01-01T00:00:00Z"}')
    found = {check.name: check for check in compare(night, reference, AuditSection()).checks}["similarity"]
    assert found.outcome is Outcome.SKIPPED
