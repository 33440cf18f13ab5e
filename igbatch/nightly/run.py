"""A night: run the study, audit it against nights before it, write the verdict, prune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from igbatch.audit.run import LAST_GOOD, REFERENCE
from igbatch.audit.terminal import print_audit
from igbatch.audit.verdict import Audit, Outcome
from igbatch.errors import IgbatchError, InputError, one_line
from igbatch.job import audit_output, check_submitted, run_job
from igbatch.nightly.promotion import record_promotion
from igbatch.nightly.prune import drop_folder, prune
from igbatch.nightly.records import NIGHT_FILE, Night, Verdict
from igbatch.nightly.root import NightlyRoot, stamp, time_of
from igbatch.store.fingerprint import digest
from igbatch.store.lock import Lock, output_lock
from igbatch.study_file import LoadedStudy, load_study

RESUME_HOURS = 20
"""An interrupted night that began longer ago is left, and a new one begins: it would tell of yesterday."""


@dataclass(frozen=True)
class NightOptions:
    """What a caller may say besides the study; those that are not told here are those of a run.

    Attributes:
        root: where nights lie.
        promote_first: make the night the reference if it is good and none is yet.
        at_most_every: hours; a night of the same study that began later than so long ago and ended is not
            followed by another: schedulers that try again get its exit code again.
    """

    root: str | None = None
    address: str | None = None
    retry_quarantined: bool = False
    promote_first: bool = False
    at_most_every: float = 0.0


def run_night(
    study_path: str | Path,
    overrides: tuple[str, ...],
    options: NightOptions,
    console: Console,
    now: datetime | None = None,
) -> int:
    """Run one night of a study under the lock of its root; return the exit code.

    0: it ran whole and passed its audit, or there was nothing to audit it against. 1: it did not.

    Raises:
        InputError: the study or the call is wrong, or a reference cannot be compared with it (exit code 2).
        UnfinishedError: not finished, or another night is at work (exit code 3).
    """
    loaded = load_study(study_path, overrides)
    place = options.root or default_root(loaded)
    check_submitted(place)
    root = NightlyRoot(place)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    with output_lock(root.output) as lock:
        reference = root.reference
        if reference is not None and reference not in root.names():
            raise InputError(
                f"{root.uri}: the reference, night {reference}, is not there; promote another night"
            )
        night = _Night(root, loaded, (study_path, overrides, options, console), lock, say, reference)
        return night.run(now or datetime.now(UTC))


def default_root(loaded: LoadedStudy) -> str:
    """Return where nights lie where nothing is said."""
    return f"./igbatch-nightly/{loaded.study.name}"


def study_digest(loaded: LoadedStudy) -> str:
    """Return a digest of a study but for how it is run and what its report shows.

    It leaves out where the study file lies: that of a submitted job lies in another folder each time.
    """
    return digest(loaded.study.model_dump(mode="json", exclude={"run", "report"}))


@dataclass
class _Night:
    """One night, under the lock of its root."""

    root: NightlyRoot
    loaded: LoadedStudy
    call: tuple[str | Path, tuple[str, ...], NightOptions, Console]
    lock: Lock
    say: Callable[[str], None]
    reference: str | None

    def run(self, now: datetime) -> int:
        """Resume the latest night or begin one; return its exit code."""
        ended = self._ended_lately(now)
        if ended is not None:
            return ended
        record = self._resumed(now) or self._begun(now)
        return self._finish(record)

    def _ended_lately(self, now: datetime) -> int | None:
        """Return the exit code of the latest night if it is not yet time for another."""
        hours = self.call[2].at_most_every
        record = self._latest() if hours else None
        if record is None or record.verdict is None or record.study_digest != study_digest(self.loaded):
            return None
        if now - time_of(record.night) >= timedelta(hours=hours):
            return None
        self.say(
            f"night {record.night} began less than {hours:g} hours ago; no other is run: "
            f"{record.verdict.words}"
        )
        return record.verdict.exit_code

    def _latest(self) -> Night | None:
        names = self.root.names()
        return self.root.record(names[-1]) if names else None

    def _resumed(self, now: datetime) -> Night | None:
        """Bring the run of an interrupted night to its end, if there is one that can be resumed."""
        record = self._resumable(now)
        if record is None:
            return None
        try:
            return self._compute(record)
        except InputError as error:  # for one, other weights than when it began
            self.say(f"night {record.night} cannot be resumed and is left: {error}")
            return None

    def _begun(self, now: datetime) -> Night:
        """Begin a night and bring its run to its end."""
        record = Night(
            night=self.root.new_name(now),
            study=self.loaded.study.name,
            study_digest=study_digest(self.loaded),
            begun_at=stamp(now),
        )
        self.root.keep(record)
        try:
            return self._compute(record)
        except InputError:
            self._withdraw(record)
            raise

    def _resumable(self, now: datetime) -> Night | None:
        """Return the latest night if it was interrupted lately and under the same study; name others."""
        names = self.root.names()
        record = self._latest()
        if not names or (record is not None and record.verdict is not None):
            return None
        if record is None or record.study_digest != study_digest(self.loaded):
            why = "it is of another study"
        elif now - time_of(record.night) > timedelta(hours=RESUME_HOURS):
            why = f"it began more than {RESUME_HOURS} hours ago"
        else:
            self.say(f"night {record.night} was interrupted; it is resumed")
            return record
        self.say(
            f"night {names[-1]} never finished and is left, since {why}; "
            "`igbatch prune --unfinished` deletes it after a week"
        )
        return None

    def _compute(self, record: Night) -> Night:
        """Run the study; a run that is finished computes nothing."""
        study_path, overrides, options, console = self.call
        code = run_job(
            study_path, overrides, console,
            out=self.root.uri_of(record.night), address=options.address,
            retry_quarantined=options.retry_quarantined,
        )  # fmt: skip
        self.lock.check()
        record = record.model_copy(update={"run_exit_code": 1 if code else 0})
        self.root.keep(record)
        return record

    def _withdraw(self, record: Night) -> None:
        """Leave no night behind a call that was wrong: nothing was computed."""
        output = self.root.night_output(record.night)
        if not output.exists(output.path("study.json")):
            for info in output.files():
                output.delete(info.path)
            drop_folder(output)

    def _finish(self, record: Night) -> int:
        against = self._against(record.night)
        audit = self._audit(record.night, against) if against else None
        self.lock.check()
        verdict = self._verdict(record, against, audit)
        self.root.keep(record.model_copy(update={"verdict": verdict}))
        if self.reference is None:
            self._without_reference(record.night, verdict.exit_code == 0)
        self._prune()
        self.say(f"night {record.night}: {verdict.words}")
        self.say(f"verdict: {self.root.night_output(record.night).uri_of(NIGHT_FILE)}")
        return verdict.exit_code

    def _against(self, night: str) -> dict[str, str]:
        """Return what a night is compared with: role to night. The same night is not taken twice."""
        last_good = self.root.last_good(self.reference, before=night)
        found = {REFERENCE: self.reference, LAST_GOOD: last_good}
        chosen: dict[str, str] = {}
        for role, other in found.items():
            if other is not None and other != night and other not in chosen.values():
                chosen[role] = other
        return chosen

    def _audit(self, night: str, against: dict[str, str]) -> Audit:
        references = [(role, self.root.uri_of(other)) for role, other in against.items()]
        audit = audit_output(
            self.root.uri_of(night),
            references,
            history_uri=self.root.history_uri,
            night=night,
            say=self.say,
        )
        print_audit(audit, self.call[3])
        return audit

    def _verdict(self, record: Night, against: dict[str, str], audit: Audit | None) -> Verdict:
        failed = [
            f"{comparison.role}: {check.name}"
            for comparison in (audit.comparisons if audit else ())
            for check in comparison.checks
            if check.outcome is Outcome.FAILED
        ]
        words = []
        if record.run_exit_code:
            words.append("more rows are in quarantine than the study allows")
        if failed:
            checks = "check" if len(failed) == 1 else "checks"
            words.append(f"{len(failed)} {checks} failed ({', '.join(failed)})")
        good = not words
        if audit is None:
            words.append("nothing to compare it with yet")
        elif good:
            words.append(f"every check passed against {' and '.join(against.values())}")
        return Verdict(
            ended_at=stamp(datetime.now(UTC)),
            exit_code=0 if good else 1,
            reference=self.reference,
            last_good=against.get(LAST_GOOD),
            failed=tuple(failed),
            words=f"{'good' if good else 'bad'}: {'; '.join(words)}",
        )

    def _without_reference(self, night: str, good: bool) -> None:
        options = self.call[2]
        if options.promote_first and good:
            record_promotion(self.root, night, "the first good night", "good")
            self.say(f"night {night} is the reference from now on")
        else:
            self.say(
                f"no night is the reference yet: look at one and `igbatch promote {self.root.uri} {night}`"
            )

    def _prune(self) -> None:
        """Prune as the study says. What goes wrong there is said, and does not touch the verdict."""
        retain = self.loaded.study.audit.retain
        if retain is None:
            return
        try:
            for each in prune(self.root, retain.maps):
                self.say(f"pruned {each}")
        except (OSError, IgbatchError) as error:
            self.say(f"warning: not pruned ({one_line(error, 300)})")
