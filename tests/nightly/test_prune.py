"""Pruning: what goes, what stays, and that nothing outside of the root is touched."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from igbatch.errors import InputError, UnfinishedError
from igbatch.nightly.promotion import promote
from igbatch.nightly.prune import find_candidates, prune, prune_root, retained
from igbatch.store.lock import output_lock
from igbatch.store.pruned import pruned_at


def kept(nightly: Any) -> list[bool]:
    """Tell of each night whether it has its maps."""
    root = nightly.root
    return [bool(root.night_output(name).files("attributions")) for name in root.names()]


def test_maps_of_the_last_nights_the_reference_and_the_last_good_one_stay(nightly: Any) -> None:
    for value in (0.0, 0.1, 0.2, 0.3, 9.0, 9.0):
        nightly.run(value)
    promote(nightly.root, nightly.root.names()[1])
    for value in (0.2, 9.0, 9.0):  # the first of these is the last good one under the new reference
        nightly.run(value)
    candidates = find_candidates(nightly.root, 1)
    names = nightly.root.names()
    assert [each.night for each in candidates] == [names[0], *names[2:6], names[7]]
    assert kept(nightly) == [True] * 9  # nothing is deleted yet
    assert list(map(str, prune_root(nightly.root, 1))) == list(map(str, candidates))
    assert kept(nightly) == [False, True, False, False, False, False, True, False, True]
    assert not find_candidates(nightly.root, 1)


def test_statistics_stay_and_a_marker_says_what_went(nightly: Any) -> None:
    for _ in range(3):
        nightly.run()
    first = nightly.root.night_output(nightly.root.names()[0])
    others = {info.path: info.size for info in first.files() if "/attributions/" not in info.path}
    (candidate,) = prune_root(nightly.root, 2)
    assert [info.size for info in candidate.files] == [1000, 1000]
    assert str(candidate) == "20261101T020000Z: maps, 2 files, 0.0 MB"
    left = {info.path: info.size for info in first.files()}
    assert {path: left.get(path) for path in others} == others
    assert set(left) - set(others) == {first.path("pruned.json")}
    assert pruned_at(first) is not None


def test_nights_that_never_finished_go_after_a_week_if_requested(nightly: Any) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    begun = nightly.now
    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    nightly.before_run = lambda output: None
    nightly.run()
    unfinished, finished = nightly.root.names()
    week, more = begun + timedelta(days=7), begun + timedelta(days=7, seconds=1)
    assert not find_candidates(nightly.root, 1, unfinished=True, now=week)
    assert not find_candidates(nightly.root, 1, now=more)
    (candidate,) = prune(nightly.root, 1, unfinished=True, now=more)
    assert (candidate.night, candidate.whole) == (unfinished, True)
    assert nightly.root.names() == [finished]
    assert kept(nightly) == [True]


@pytest.mark.parametrize("nightly", ["local"], indirect=True)
def test_links_out_of_the_root_are_not_followed(nightly: Any, tmp_path: Path) -> None:
    for _ in range(3):
        nightly.run()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.parquet").write_bytes(b"1")
    first, second, _ = (Path(nightly.root.uri_of(name)) for name in nightly.root.names())
    (first / "attributions" / "linked").symlink_to(elsewhere)
    second.rename(tmp_path / "moved")
    second.symlink_to(tmp_path / "moved")
    candidates = {each.night: each for each in prune_root(nightly.root, 1)}
    assert candidates[first.name].outside == 1
    assert "1 file behind links stay" in str(candidates[first.name])
    assert second.name not in candidates
    assert (elsewhere / "precious.parquet").exists()
    assert len(list((tmp_path / "moved" / "attributions").rglob("*.parquet"))) == 2


@pytest.mark.parametrize("nightly", ["s3"], indirect=True)
def test_an_object_store_is_pruned_alike(nightly: Any) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        assert nightly.run(promote_first=True) == 0
    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    names = nightly.root.names()
    later = nightly.now + timedelta(days=30)
    candidates = prune(nightly.root, 1, unfinished=True, now=later)
    assert [each.night for each in candidates] == [names[1], names[3]]
    assert nightly.root.names() == names[:3]
    assert kept(nightly) == [True, False, True]
    assert pruned_at(nightly.root.night_output(names[1])) is not None


def test_other_folders_are_none_of_ours(nightly: Any) -> None:
    nightly.run()
    output = nightly.root.output
    output.put(output.path("nights", "by-hand", "attributions", "a.parquet"), b"1")
    prune_root(nightly.root, 1, unfinished=True)
    assert output.exists(output.path("nights", "by-hand", "attributions", "a.parquet"))


def test_the_study_of_the_latest_night_says_how_many(nightly: Any) -> None:
    nightly.run(0.0, "audit.retain={maps: 5}")
    assert retained(nightly.root) == 5
    nightly.run()
    with pytest.raises(InputError, match="say --keep N"):
        retained(nightly.root)


@pytest.mark.parametrize("nightly", ["local"], indirect=True)
def test_it_waits_for_no_night_at_work(nightly: Any) -> None:
    nightly.run()
    with output_lock(nightly.root.output), pytest.raises(UnfinishedError, match="at work"):
        prune_root(nightly.root, 1)
