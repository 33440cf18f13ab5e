"""A night: run the study, audit it against nights before it, write the verdict, prune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from rich.console import Console

from igbatch.audit.run import LAST_GOOD, REFERENCE
from igbatch.audit.terminal import print_audit
from igbatch.audit.verdict import Audit
from igbatch.errors import IgbatchError, InputError, one_line
from igbatch.job import audit_output, check_submitted, run_job
from igbatch.nightly.promotion import record_promotion
from igbatch.nightly.prune import delete_empty, prune
from igbatch.nightly.records import NIGHT_FILE, Night, NightVerdict
from igbatch.nightly.root import NightlyRoot, stamp, time_of
from igbatch.store.fingerprint import digest
from igbatch.store.lock import Lock, output_lock
from igbatch.store.pruned import delete_files
from igbatch.study import Study
from igbatch.study_file import load_study
from igbatch.text import count

RESUME_HOURS = 20
"""An interrupted night that began longer ago is left, and a new one begins: it would be that of yesterday."""


def run_night(
    study_path: str | Path,
    overrides: Sequence[str],
    console: Console,
    *,
    out: str | None = None,
    address: str | None = None,
    retry_quarantined: bool = False,
    promote_first: bool = False,
    at_most_every: float = 0.0,
    now: datetime | None = None,
) -> int:
    """Run one night of a study under the lock of its root; return the exit code.

    0: it ran whole and passed its audit, or there was nothing to audit it against. 1: it did not.

    Args:
        study_path: the study's file.
        overrides: `key=value` of its keys.
        console: prints the progress, the run and the audit.
        out: root of the nights.
        address, retry_quarantined: of the run (`igbatch.job.run_job`).
        promote_first: make the night the reference if it is good and none is yet.
        at_most_every: hours; a night of the same study that began later than so long ago and ended is not
            followed by another: schedulers that try again get its exit code again.
        now: when the night begins; by default, now.

    Raises:
        InputError: the study or the call is wrong, or a reference cannot be compared with it (exit code 2).
        UnfinishedError: not finished, or another night is at work (exit code 3).
    """
    study = load_study(study_path, overrides).study
    place = out or f"./igbatch-nightly/{study.name}"
    check_submitted(place)
    root = NightlyRoot(place)
    with output_lock(root.output) as lock:
        reference = root.reference
        if reference is not None and reference not in root.names():
            raise InputError(
                f"{root.uri}: the reference, night {reference}, is not there; promote another night"
            )
        compute = partial(
            run_job, study_path, overrides, console, address=address, retry_quarantined=retry_quarantined
        )
        # where the study file lies is left out: that of a submitted job lies in another folder each time
        state = digest(study.model_dump(mode="json", exclude={"run", "report"}))
        night = _Night(root, lock, study, state, reference, promote_first, console, compute)
        return night.run(now or datetime.now(UTC), at_most_every)


@dataclass(frozen=True)
class _Night:
    """One night, under the lock of its root.

    Attributes:
        digest: of the study but for how it is run and what its report shows.
        compute: runs the study, with the output as `out`.
    """

    root: NightlyRoot
    lock: Lock
    study: Study
    digest: str
    reference: str | None
    promote_first: bool
    console: Console
    compute: Callable[..., int]

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def run(self, now: datetime, at_most_every: float) -> int:
        """Resume the latest night or begin one, if it is time for one; return its exit code."""
        names = self.root.names()
        latest = self.root.record(names[-1]) if names else None
        if latest is None or latest.verdict is None:
            record = self._resume(names[-1], latest, now) if names else None
            return self._finish(record or self._begin(now))
        lately = (now - time_of(latest.night)) / timedelta(hours=1) < at_most_every
        if at_most_every and lately and latest.study_digest == self.digest:
            self.say(
                f"night {latest.night} began less than {at_most_every:g} hours ago; no other is run: "
                f"{latest.verdict.words}"
            )
            return latest.verdict.exit_code
        return self._finish(self._begin(now))

    def _resume(self, name: str, record: Night | None, now: datetime) -> Night | None:
        """Bring the run of an interrupted night to its end, if it can be resumed; say why others are left."""
        if record is None or record.study_digest != self.digest:
            why = "it is of another study"
        elif now - time_of(name) > timedelta(hours=RESUME_HOURS):
            why = f"it began more than {RESUME_HOURS} hours ago"
        else:
            self.say(f"night {name} was interrupted; it is resumed")
            try:
                return self._compute(record)
            except InputError as error:  # for one, other weights than when it began
                self.say(f"night {name} cannot be resumed and is left: {error}")
                return None
        self.say(
            f"night {name} never finished and is left, since {why}; "
            "`igbatch prune --unfinished` deletes it after a week"
        )
        return None

    def _begin(self, now: datetime) -> Night:
        """Begin a night and bring its run to its end; a call that was wrong leaves no night behind."""
        record = Night(
            night=self.root.new_name(now),
            study=self.study.name,
            study_digest=self.digest,
            begun_at=stamp(now),
        )
        self.root.keep(record)
        try:
            return self._compute(record)
        except InputError:
            output = self.root.night_output(record.night)
            if not output.exists(output.path("study.json")):
                delete_files(output, output.files())
                delete_empty(output)
            raise

    def _compute(self, record: Night) -> Night:
        """Run the study; a run that is finished computes nothing."""
        code = self.compute(out=self.root.uri_of(record.night))
        self.lock.check()
        record = record.model_copy(update={"run_exit_code": 1 if code else 0})
        self.root.keep(record)
        return record

    def _finish(self, record: Night) -> int:
        """Audit a night whose run has ended, and write its verdict; return its exit code."""
        night, root = record.night, self.root
        against = self._against(night)
        audit = None
        if against:
            references = [(role, root.uri_of(other)) for role, other in against.items()]
            audit = audit_output(
                root.uri_of(night), references, history_uri=root.history_uri, night=night, say=self.say
            )
            print_audit(audit, self.console)
        self.lock.check()
        verdict = self._verdict(record, against, audit)
        root.keep(record.model_copy(update={"verdict": verdict}))
        if self.reference is None and self.promote_first and verdict.exit_code == 0:
            record_promotion(root, night, "the first good night", "good")
            self.say(f"night {night} is the reference from now on")
        elif self.reference is None:
            self.say(f"no night is the reference yet: review one and `igbatch promote {root.uri} {night}`")
        self._prune()
        self.say(f"night {night}: {verdict.words}")
        self.say(f"verdict: {root.night_output(night).uri_of(NIGHT_FILE)}")
        return verdict.exit_code

    def _against(self, night: str) -> dict[str, str]:
        """Return what a night is compared with: role to night. The same night is not taken twice."""
        last_good = self.root.last_good(self.reference, before=night)
        chosen: dict[str, str] = {}
        for role, other in ((REFERENCE, self.reference), (LAST_GOOD, last_good)):
            if other is not None and other != night and other not in chosen.values():
                chosen[role] = other
        return chosen

    def _verdict(self, record: Night, against: dict[str, str], audit: Audit | None) -> NightVerdict:
        comparisons = audit.comparisons if audit else ()
        failed = [f"{each.role}: {check.name}" for each in comparisons for check in each.failed]
        words = []
        if record.run_exit_code:
            words.append("more rows are in quarantine than the study allows")
        if failed:
            words.append(f"{count(len(failed), 'check')} failed ({', '.join(failed)})")
        good = not words
        if audit is None:
            words.append("nothing to compare it with yet")
        elif good:
            words.append(f"every check passed against {' and '.join(against.values())}")
        return NightVerdict(
            ended_at=stamp(datetime.now(UTC)),
            exit_code=0 if good else 1,
            reference=self.reference,
            last_good=against.get(LAST_GOOD),
            failed=tuple(failed),
            words=f"{'good' if good else 'bad'}: {'; '.join(words)}",
        )

    def _prune(self) -> None:
        """Prune as the study says. A failure is reported, and does not change the verdict."""
        retain = self.study.audit.retain
        if retain is None:
            return
        try:
            for each in prune(self.root, retain.maps):
                self.say(f"pruned {each}")
        except (OSError, IgbatchError) as error:
            self.say(f"warning: not pruned ({one_line(error, 300)})")
