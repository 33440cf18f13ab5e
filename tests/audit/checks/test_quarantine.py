"""Rows that are missing in one night and were there in the other."""

from collections.abc import Callable

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]
LOST = {"missing": [("trained", "b")]}


def test_the_share_of_missing_rows_rose(checked: Checked) -> None:
    found = checked("quarantine", LOST)
    assert found.figure == pytest.approx(1 / 6)  # one image of three, under one of two variants
    assert found.outcome is Outcome.FAILED
    assert [(each.image_id, each.variant_id, each.target, each.words) for each in found.offenders] == [
        ("b", "trained", None, "image: cannot be read")
    ]
    assert found.words.startswith("2 of 12 rows are missing")


def test_what_was_missing_before_is_no_news(checked: Checked) -> None:
    found = checked("quarantine", LOST, LOST)
    assert (found.figure, found.outcome, found.offenders) == (0.0, Outcome.PASSED, ())


def test_what_came_back_passes(checked: Checked) -> None:
    assert checked("quarantine", {}, LOST).figure == 0.0
