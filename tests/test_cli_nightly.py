"""The commands of nights: their exit codes and what they print."""

import json
from pathlib import Path

import pytest
from helpers import Command

from igbatch.nightly.records import Night, NightVerdict
from igbatch.nightly.root import NightlyRoot

NIGHTS = ("20261101T020000Z", "20261102T020000Z", "20261103T020000Z")


@pytest.fixture
def root(tmp_path: Path, call: Command) -> NightlyRoot:
    """Three nights as their runs leave them, the last one bad; the first is the reference."""
    root = NightlyRoot(str(tmp_path / "root"))
    for name, code in zip(NIGHTS, (0, 0, 1), strict=True):
        verdict = NightVerdict(
            ended_at=f"{name[:4]}-{name[4:6]}-{name[6:8]}T03:00:00+00:00", exit_code=code, reference=None,
            last_good=None, words="as it is",
        )  # fmt: skip
        root.keep(
            Night(night=name, study="s", study_digest="d", begun_at="", run_exit_code=0, verdict=verdict)
        )
        output = root.night_output(name)
        output.put(output.path("attributions", "v", "a.parquet"), b"m" * 2_000_000)
    call("promote", root.uri, NIGHTS[0], "--note", "looked at by hand")
    return root


def test_nights_are_listed_with_the_exit_code_of_the_last(call: Command, root: NightlyRoot) -> None:
    result = call("nights", root.uri)
    assert result.code == 1
    assert [name for name in NIGHTS if name in result.out] == list(NIGHTS)
    assert "the reference" in result.out


@pytest.mark.parametrize(
    ("since", "code"), [("20261103T030000Z", 1), ("2026-11-03T03:00:00Z", 1), ("20261103T030001Z", 3)]
)
def test_schedulers_ask_for_the_night_that_they_began(
    call: Command, root: NightlyRoot, since: str, code: int
) -> None:
    assert call("nights", root.uri, "--since", since).code == code


def test_nights_as_json(call: Command, root: NightlyRoot) -> None:
    listed = json.loads(call("nights", root.uri, "--json").out)
    assert [each["state"] for each in listed] == ["good", "good", "bad"]
    assert [each["reference"] for each in listed] == [True, False, False]


def test_promote_refuses_and_is_forced(call: Command, root: NightlyRoot) -> None:
    call("promote", root.uri, NIGHTS[2]).refused("--force")
    assert call("promote", root.uri, NIGHTS[2], "--force").code == 0
    references = root.references()
    assert references is not None
    assert references.reference.night == NIGHTS[2]
    assert references.earlier[0].note == "looked at by hand"


def test_prune_says_first_and_deletes_when_it_is_to_apply(call: Command, root: NightlyRoot) -> None:
    def kept() -> list[bool]:
        return [bool(root.night_output(name).files("attributions")) for name in NIGHTS]

    done = call("prune", root.uri, "--keep", "1")
    assert done.code == 0
    # the second night is the last good one of those that had no reference, which the first now is
    assert done.out.splitlines() == [
        f"{NIGHTS[1]}: maps, 1 file, 2.0 MB",
        "1 file, 2.0 MB: would go; --apply deletes them",
    ]
    assert kept() == [True, True, True]
    assert call("prune", root.uri, "--keep", "1", "--apply").out.endswith("2.0 MB: deleted\n")
    assert kept() == [True, False, True]
    assert f"{NIGHTS[1]}" not in call("prune", root.uri, "--keep", "1").out


@pytest.mark.parametrize(
    "command", [("prune",), ("prune", "--keep", "0"), ("nights", "--since", "yesterday")]
)
def test_wrong_calls_are_refused(call: Command, root: NightlyRoot, command: tuple[str, ...]) -> None:
    assert call(command[0], root.uri, *command[1:]).code == 2


@pytest.mark.parametrize("command", ["promote", "prune", "nights", "night"])
def test_every_command_explains_itself(call: Command, command: str) -> None:
    assert "Usage:" in call(command, "--help").out
