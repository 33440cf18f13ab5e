"""Promoting a night: what is refused, what stays on record."""

import getpass
from typing import Any

import pytest

from igbatch.errors import InputError, UnfinishedError
from igbatch.nightly.promotion import promote
from igbatch.nightly.prune import prune_root
from igbatch.store.lock import output_lock


def test_earlier_references_stay_on_record(nightly: Any) -> None:
    for _ in range(3):
        nightly.run()
    names = nightly.root.names()
    for name, note in zip(names, ("first", "second", "third"), strict=True):
        promote(nightly.root, name, note=note)
    found = nightly.root.references()
    assert (found.reference.night, found.reference.note) == (names[2], "third")
    assert [each.night for each in found.earlier] == [names[1], names[0]]
    assert getpass.getuser() in found.reference.by
    assert nightly.root.reference == names[2]


def test_a_failed_night_needs_force_which_stays_on_record(nightly: Any) -> None:
    nightly.run(0.0)
    nightly.run(9.0)
    bad = nightly.root.names()[1]
    with pytest.raises(InputError, match="is bad; add --force"):
        promote(nightly.root, bad)
    assert nightly.root.reference is None
    promote(nightly.root, bad, force=True)
    assert nightly.root.references().reference.state == "bad"


@pytest.mark.parametrize("force", [False, True])
def test_unknown_and_unfinished_nights_are_refused_always(nightly: Any, force: bool) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    (name,) = nightly.root.names()
    with pytest.raises(InputError, match="did not end"):
        promote(nightly.root, name, force=force)
    with pytest.raises(InputError, match="no night 20200101T000000Z"):
        promote(nightly.root, "20200101T000000Z", force=force)
    with pytest.raises(InputError, match="not the name of a night"):
        promote(nightly.root, "../elsewhere", force=force)


def test_a_night_without_maps_needs_force(nightly: Any) -> None:
    for _ in range(3):
        nightly.run()
    first = nightly.root.names()[0]
    prune_root(nightly.root, 1)
    with pytest.raises(InputError, match="has no maps any more"):
        promote(nightly.root, first)


@pytest.mark.parametrize("nightly", ["local"], indirect=True)
def test_it_waits_for_no_night_at_work(nightly: Any) -> None:
    nightly.run()
    with output_lock(nightly.root.output), pytest.raises(UnfinishedError, match="at work"):
        promote(nightly.root, nightly.root.names()[0])
