"""The list of nights, for people and for schedulers."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from igbatch.nightly.listing import exit_code, list_nights, print_nights
from igbatch.nightly.prune import prune_root


def printed(nights: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_nights(nights, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_no_night_is_not_finished(nightly: Any) -> None:
    assert exit_code(list_nights(nightly.root)) == 3


def test_the_exit_code_is_that_of_the_last_night_that_ended(nightly: Any) -> None:
    nightly.run(0.0, promote_first=True)
    assert exit_code(list_nights(nightly.root)) == 0
    nightly.run(9.0)
    assert exit_code(list_nights(nightly.root)) == 1


def test_nights_that_ended_before_are_left_out(nightly: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    nightly.run()
    assert exit_code(list_nights(nightly.root, before)) == 0
    assert exit_code(list_nights(nightly.root, before.replace(tzinfo=None))) == 0
    assert exit_code(list_nights(nightly.root, before + timedelta(hours=1))) == 3


def test_it_tells_state_reference_and_pruned_maps(nightly: Any) -> None:
    nightly.run(0.0)
    nightly.run(0.0, promote_first=True)
    nightly.run(9.0)
    prune_root(nightly.root, 1)
    found = list_nights(nightly.root)
    lines = [line for line in printed(found).splitlines() if "20261" in line]
    assert [each.state for each in found] == ["good", "good", "bad"]
    assert "pruned" in lines[0]
    assert "good, the reference" in lines[1]
    assert "kept" in lines[1]
    assert "reference: value" in lines[2]
    listed = found[1].as_json()
    assert listed["reference"] is True
    assert listed["record"]["verdict"]["exit_code"] == 0
