"""What differs around the numbers is reported, and nothing else is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from igbatch.audit.changes import changes
from igbatch.audit.pairs import Pairing
from igbatch.results import StudyResults

Changes = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def changes_of(tmp_path: Path, make_night: Callable[..., StudyResults]) -> Changes:
    """Return (what, before, now) of a night that differs from the usual one."""

    def tell(now: dict[str, Any], before: dict[str, Any] | None = None) -> list[tuple[str, str, str]]:
        pairing = Pairing(make_night(tmp_path / "now", **now), make_night(tmp_path / "then", **before or {}))
        return [(each.what, each.before, each.now) for each in changes(pairing)]

    return tell


def record(**changes: Any) -> dict[str, Any]:
    return {"record": changes}


def test_nothing_changed(changes_of: Changes) -> None:
    assert changes_of({}) == []


def test_the_name_and_number_of_machines_is_no_change(changes_of: Changes) -> None:
    machine = {"device": "cpu", "threads": 1}
    assert changes_of(record(hardware=[{**machine, "node": "two"}, {**machine, "node": "three"}])) == []


CASES = {
    "a setting of all variants": (
        record(fingerprint={name: {"baseline": "white", "weights": "w"} for name in ("trained", "random-1")}),
        ("baseline (all variants)", "gray", "white"),
    ),
    "a setting of one": (
        record(fingerprint={"trained": {"baseline": "gray", "preprocessing": {"mean": [0, 0, 0]}},
                            "random-1": {"baseline": "gray"}}),
        ("preprocessing.mean (trained)", "–", "[0, 0, 0]"),
    ),
    "the class of a target": (
        record(targets={"m": {"eagle": 3, "magpie": 1}}), ("index of target eagle (m)", "0", "3"),
    ),
    "weights": ({"weights": "v" * 64}, ("weights of trained (SHA-256)", "w", "v" * 12)),
    "a variant": (
        {"kinds": {"trained": "trained", "random-1": "random", "random-2": "random"}},
        ("variants added: random-2", "2 variants", "3 variants"),
    ),
    "images added": (
        {"images": list("abcdefgh")}, ("images added: d, e, f and 2 more", "3 images", "8 images"),
    ),
    "images removed": ({"images": ["b"]}, ("images removed: a, c", "3 images", "1 image")),
    "content": (
        {"sha256": lambda image: "new" if image == "b" else f"sha-{image}"},
        ("content of 1 image: b", "sha-b (the first)", "new (the first)"),
    ),
    "versions": (record(versions={"torch": "2.1"}), ("version of torch", "2.0", "2.1")),
    "hardware": (
        record(hardware=[{"node": "one", "device": "cuda", "threads": 1}]),
        ("hardware", "device cpu, threads 1", "device cuda, threads 1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_reported(changes_of: Changes, case: str) -> None:
    night, change = CASES[case]
    assert change in changes_of(night)


def test_digests_that_are_not_known_are_not_compared(changes_of: Changes) -> None:
    assert changes_of({"sha256": lambda image: None, "weights": None}) == []


def test_the_calibration_of_a_device_is_reported(changes_of: Changes) -> None:
    earlier = {"cpu": {"threads": 1, "precision": "float32", "micro_batch": 4}}
    other = {"cpu": {"threads": 2, "precision": "float32", "micro_batch": 4}}
    assert changes_of(record(calibrations=other), record(calibrations=earlier)) == [
        ("threads on cpu", "1", "2")
    ]
