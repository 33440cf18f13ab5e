"""Nights: what each is compared with, how they end, and that one is at work at a time."""

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from igbatch.errors import InputError, UnfinishedError
from igbatch.job import SUBMITTED
from igbatch.nightly.promotion import promote
from igbatch.nightly.run import run_night
from igbatch.store.lock import output_lock
from igbatch.store.output import Output


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_first_night_is_good_and_says_that_nothing_is_promoted(nightly: Any) -> None:
    assert nightly.run() == 0
    (name,) = nightly.root.names()
    record = nightly.root.record(name)
    assert name == "20261101T020000Z"
    assert record.good
    assert (record.verdict.reference, record.verdict.last_good) == (None, None)
    assert not nightly.audits
    assert nightly.root.reference is None
    assert f"igbatch promote {nightly.root.uri} {name}" in nightly.printed


def test_the_first_night_can_promote_itself_and_later_ones_cannot(nightly: Any) -> None:
    nightly.run(promote_first=True)
    first = nightly.root.reference
    nightly.run(promote_first=True)
    assert first == nightly.root.reference == nightly.root.names()[0]


def test_a_bad_first_night_is_not_promoted(nightly: Any) -> None:
    nightly.run_code = 1
    assert nightly.run(promote_first=True) == 1
    assert nightly.root.reference is None
    assert "quarantine" in nightly.root.record(nightly.root.names()[0]).verdict.words


def test_without_a_reference_nights_are_compared_with_the_last_good_one(nightly: Any) -> None:
    nightly.run(0.0)
    assert nightly.run(5.0) == 1
    first, second = nightly.root.names()
    assert nightly.audits == [(second, {"last-good": first})]


def test_slow_drift_passes_the_last_good_night_but_not_the_reference(nightly: Any) -> None:
    codes = [nightly.run(0.6 * step, promote_first=True) for step in range(3)]
    first, second, third = nightly.root.names()
    assert codes == [0, 0, 1]
    assert nightly.audits == [
        (second, {"reference": first}),
        (third, {"reference": first, "last-good": second}),
    ]
    assert nightly.root.record(third).verdict.failed == ("reference: value",)


def test_a_sudden_change_fails_against_both(nightly: Any) -> None:
    for value in (0.0, 0.5, 9.0):
        nightly.run(value, promote_first=True)
    verdict = nightly.root.record(nightly.root.names()[2]).verdict
    assert verdict.failed == ("reference: value", "last-good: value")


def test_after_a_promotion_the_good_nights_before_it_count_no_more(nightly: Any) -> None:
    """An intended change is promoted: the next night must not fail for differing from what was before."""
    for value in (0.0, 0.5, 9.0):
        nightly.run(value, promote_first=True)
    changed = nightly.root.names()[2]
    promote(nightly.root, changed, force=True)
    assert nightly.run(9.0) == 0
    assert nightly.audits[-1][1] == {"reference": changed}


def test_bad_nights_are_no_last_good_ones(nightly: Any) -> None:
    for value in (0.0, 0.5, 9.0, 0.6):
        nightly.run(value, promote_first=True)
    first, second, *_ = nightly.root.names()
    assert nightly.audits[-1][1] == {"reference": first, "last-good": second}


def test_a_night_with_too_much_in_quarantine_is_bad_though_its_checks_pass(nightly: Any) -> None:
    nightly.run(promote_first=True)
    nightly.run_code = 1
    assert nightly.run() == 1
    nightly.run_code = 0
    nightly.run()
    assert "last-good" not in nightly.audits[-1][1]


@pytest.mark.parametrize("nightly", ["local"], indirect=True)
def test_a_night_beside_another_is_refused_and_writes_nothing(nightly: Any) -> None:
    running, go_on = threading.Event(), threading.Event()

    def wait(_: Output) -> None:
        running.set()
        assert go_on.wait(30)

    nightly.before_run = wait
    codes: list[int] = []
    first = threading.Thread(target=lambda: codes.append(nightly.run()))
    first.start()
    assert running.wait(30)
    try:
        before = [info.path for info in nightly.root.output.files("nights")]
        with pytest.raises(UnfinishedError, match=f"process {os.getpid()} on ") as refused:
            run_night(nightly.study, (), nightly.console, out=nightly.uri)
        assert refused.value.exit_code == 3
        assert [info.path for info in nightly.root.output.files("nights")] == before
    finally:
        go_on.set()
        first.join()
    assert codes == [0]
    assert len(nightly.root.names()) == 1


@pytest.mark.parametrize("nightly", ["local"], indirect=True)
def test_the_lock_is_that_of_an_output(nightly: Any) -> None:
    with output_lock(nightly.root.output), pytest.raises(UnfinishedError, match="at work"):
        nightly.run()
    assert not nightly.root.names()


def test_an_interrupted_night_is_resumed_under_its_own_name(nightly: Any) -> None:
    begun = nightly.now
    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    (name,) = nightly.root.names()
    assert nightly.root.record(name).state == "unfinished"
    nightly.now = begun.replace(hour=20)
    nightly.before_run = lambda output: None
    assert nightly.run() == 0
    assert nightly.root.names() == [name]
    assert nightly.root.record(name).good


def test_a_submitted_night_is_resumed_though_its_folder_is_another(nightly: Any, tmp_path: Path) -> None:
    begun = nightly.now
    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    elsewhere = tmp_path / "another session" / nightly.study.name
    elsewhere.parent.mkdir()
    nightly.study = nightly.study.rename(elsewhere)
    nightly.before_run, nightly.now = lambda output: None, begun.replace(hour=3)
    assert nightly.run() == 0
    assert len(nightly.root.names()) == 1


def test_a_night_whose_audit_was_interrupted_is_audited(nightly: Any) -> None:
    nightly.run(promote_first=True)
    later = nightly.now
    nightly.before_audit = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    name = nightly.root.names()[1]
    assert nightly.root.record(name).state == "not audited"
    nightly.before_audit, nightly.now = lambda: None, later.replace(hour=5)
    assert nightly.run() == 0
    assert nightly.root.names()[1:] == [name]


@pytest.mark.parametrize(
    ("hours", "overrides", "why"), [(21, (), "20 hours"), (1, ("attribution.steps=5",), "another study")]
)
def test_an_old_night_or_one_of_another_study_is_left(
    nightly: Any, hours: int, overrides: tuple[str, ...], why: str
) -> None:
    begun = nightly.now
    nightly.before_run = interrupt
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    nightly.before_run, nightly.now = lambda output: None, begun.replace(hour=2 + hours)
    assert nightly.run(0.0, *overrides) == 0
    first, second = nightly.root.names()
    assert nightly.root.record(first).state == "unfinished"
    assert nightly.root.record(second).good
    assert f"night {first} never finished" in nightly.printed
    assert why in nightly.printed


def test_a_night_that_the_run_refuses_to_resume_is_left(nightly: Any) -> None:
    """For one, the weights are others than when it began: the run refuses such an output."""
    nightly.before_run = interrupt
    begun = nightly.now
    with pytest.raises(KeyboardInterrupt):
        nightly.run()
    (first,) = nightly.root.names()

    def refuse(output: Output) -> None:
        if output.uri.endswith(first):
            raise InputError("computed with other weights")

    nightly.before_run, nightly.now = refuse, begun.replace(hour=3)
    assert nightly.run() == 0
    assert len(nightly.root.names()) == 2
    assert "cannot be resumed and is left: computed with other weights" in nightly.printed


def test_schedulers_that_try_again_get_the_same_exit_code(nightly: Any) -> None:
    begun = nightly.now
    nightly.run(0.0, promote_first=True)
    for hours, runs in ((20, 2), (23, 2)):  # the second night is bad; tried again, it is not run again
        nightly.now = begun.replace(hour=2) + timedelta(hours=hours)
        assert nightly.run(9.0, at_most_every=12) == 1
        assert len(nightly.runs) == runs
    nightly.now = begun + timedelta(hours=24)
    nightly.run(0.0, "attribution.steps=5", at_most_every=12)  # another study is another matter
    assert len(nightly.runs) == 3
    nightly.now = begun + timedelta(hours=36)
    assert nightly.run(0.0, "attribution.steps=5", at_most_every=12) == 0
    assert len(nightly.runs) == 4


def test_a_wrong_call_leaves_no_night(nightly: Any) -> None:
    def refuse(_: Output) -> None:
        raise InputError("images.root: there is no such folder")

    nightly.before_run = refuse
    with pytest.raises(InputError) as refused:
        nightly.run()
    assert refused.value.exit_code == 2
    assert not nightly.root.names()
    assert not nightly.root.output.files("nights")
    with pytest.raises(InputError, match=r"attribution\.stepz"):
        nightly.run(0.0, "attribution.stepz=3")


def test_a_reference_that_is_gone_ends_before_anything_is_computed(nightly: Any) -> None:
    nightly.run(promote_first=True)
    for info in nightly.root.output.files("nights"):
        nightly.root.output.delete(info.path)
    if nightly.root.output.local:
        shutil.rmtree(nightly.root.output.path("nights"))
    with pytest.raises(InputError, match="promote another night"):
        nightly.run()
    assert len(nightly.runs) == 1


def test_the_output_of_a_study_is_no_root(nightly: Any) -> None:
    nightly.run()
    night = nightly.runs[0]
    with pytest.raises(InputError, match="not a root of nights"):
        run_night(nightly.study, (), nightly.console, out=night)


def test_a_submitted_night_needs_a_lasting_root(nightly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUBMITTED, "{}")
    with pytest.raises(InputError, match="vanishes"):
        run_night(nightly.study, (), nightly.console, out="relative/root")


def test_the_study_says_of_how_many_nights_maps_are_kept(nightly: Any) -> None:
    for _ in range(4):
        nightly.run(0.0, "audit.retain={maps: 2}", promote_first=True)
    kept = [bool(nightly.root.night_output(name).files("attributions")) for name in nightly.root.names()]
    assert kept == [True, False, True, True]  # the first is the reference
    assert "pruned 20261102T020000Z: maps, 2 files" in nightly.printed


def test_pruning_that_fails_is_reported_and_leaves_the_verdict(
    nightly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no permission to delete")

    monkeypatch.setattr("igbatch.nightly.run.prune", fail)
    assert nightly.run(0.0, "audit.retain={maps: 1}") == 0
    assert "not pruned (no permission to delete)" in nightly.printed
