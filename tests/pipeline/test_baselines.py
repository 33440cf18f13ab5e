"""Which baselines a study has: their canonical form, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.pipeline.baselines import DrawnImages, baseline_record, resolve_baselines
from igbatch.study_file import LoadedStudy

Load = Callable[..., LoadedStudy]
LEAST: dict[str, Any] = {
    "name": "s", "images": {"root": "scenes"}, "models": {"m": {}}, "targets": ["eagle"]
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "resolved", "count"),
    [
        ("gray", "gray", 1),
        (["Blurred:3.0"], "blurred:3", 1),
        ([0, 0, 255], "#0000ff", 1),
        ([[0, 0, 255]], "#0000ff", 1),
        (["gray", [0, 0, 255], "blurred"], ("gray", "#0000ff", "blurred"), 3),
        ({"images": 20}, DrawnImages(20, 0), 20),
        ({"images": 1, "seed": 5}, DrawnImages(1, 5), 1),
    ],
)
def test_baselines_are_made_canonical_and_counted(load: Load, given: Any, resolved: Any, count: int) -> None:
    study = load(attribution={"baseline": given}).study
    assert resolve_baselines(study) == resolved
    assert study.attribution.baselines == study.attribution.copies == count


def test_a_record_holds_what_decides_the_pixels() -> None:
    assert baseline_record("gray") == "gray"
    assert baseline_record(("gray", "black")) == ["gray", "black"]
    assert baseline_record(DrawnImages(2, 7)) == {"images": 2, "seed": 7, "taken": []}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"baseline": ["gray", "grey"]}, "attribution.baseline: 'grey' is none of gray, black"),
        ({"baseline": ["black", "Black"]}, "attribution.baseline: black is listed twice; remove one"),
        ({"baseline": ["black", [0, 0, 0]]}, "attribution.baseline: #000000 is listed twice; remove one"),
        (
            {"baseline": ["gray", "black"], "smoothing": {"samples": 3}},
            "attribution.smoothing: maps over",
        ),
        ({"baseline": {"images": 5}, "smoothing": {"samples": 3}}, "attribution.smoothing: maps over"),
    ],
)
def test_what_cannot_be_averaged_is_refused_in_one_line(load: Load, changes: Any, line: str) -> None:
    study = load(attribution=changes).study
    with pytest.raises(InputError, match=f"^{line}"):
        resolve_baselines(study)


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        ({"faithfulness": {"images": {"sample": 2}}}, r"^audit.faithfulness: .* one baseline"),
        ({"curves": {"images": {"sample": 2}}}, r"^audit.curves.fills: .* one baseline; use \[blurred\]"),
    ],
)
def test_what_needs_one_baseline_is_refused_with_several(
    load: Load, audit: dict[str, Any], message: str
) -> None:
    loaded = load(attribution={"baseline": ["gray", "black"]}, audit=audit)
    with pytest.raises(InputError, match=message):
        resolve_baselines(loaded.study)
