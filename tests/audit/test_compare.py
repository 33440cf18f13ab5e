"""A comparison asks every question once, in order, and says which were turned off."""

from collections.abc import Callable
from pathlib import Path

import pytest

from igbatch.audit.checks import CHECKS
from igbatch.audit.compare import compare
from igbatch.audit.verdict import Outcome
from igbatch.results import StudyResults
from igbatch.study import AuditSection, Thresholds

Make = Callable[..., StudyResults]


def test_every_threshold_of_a_study_is_one_checks_and_every_check_has_one() -> None:
    assert [kind.name for kind in CHECKS] == list(Thresholds.model_fields)


def test_a_study_against_itself_passes(tmp_path: Path, make_night: Make) -> None:
    night = make_night(tmp_path)
    found = compare(night, night, AuditSection(), role="last-good")
    assert found.passed
    assert (found.role, found.uri, found.study, found.changes) == ("last-good", night.uri, "night", ())
    assert [check.name for check in found.checks] == [kind.name for kind in CHECKS]
    assert all(check.figure is not None for check in found.checks if check.outcome is Outcome.PASSED)
    assert all(check.offenders == () for check in found.checks)


@pytest.mark.parametrize("name", [kind.name for kind in CHECKS])
def test_null_turns_a_check_off_and_it_says_so(tmp_path: Path, make_night: Make, name: str) -> None:
    night = make_night(tmp_path, images=["a"])
    found = compare(night, night, AuditSection.model_validate({"thresholds": {name: None}}))
    off = {check.name: check for check in found.checks}[name]
    assert off.outcome is Outcome.SKIPPED
    assert off.words == f"Turned off: audit.thresholds.{name} is null."


def test_studies_without_anything_in_common_say_so_in_every_check(tmp_path: Path, make_night: Make) -> None:
    found = compare(
        make_night(tmp_path / "now"), make_night(tmp_path / "before", images=["z"]), AuditSection()
    )
    skipped = [check for check in found.checks if check.outcome is Outcome.SKIPPED]
    assert {check.name for check in found.checks} - {check.name for check in skipped} == {"quarantine"}
    for check in skipped:
        assert check.words.startswith("Nothing to compare: ")
