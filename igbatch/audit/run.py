"""Audits a finished output against its references, under its lock, and writes the files of the audit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from igbatch.audit import compare, history
from igbatch.audit.files import write_audit
from igbatch.audit.verdict import Audit
from igbatch.errors import InputError, UnfinishedError
from igbatch.results import StudyResults
from igbatch.results.tables import quarantined_maps
from igbatch.store.lock import holder, output_lock
from igbatch.store.output import Output
from igbatch.study import AuditSection
from igbatch.study_file import override_study

REFERENCE = "reference"
LAST_GOOD = "last-good"


def audit_settings(out: str, overrides: Sequence[str] = ()) -> AuditSection:
    """Return how an output is audited: by its own study, with overrides of `audit.` keys.

    Raises:
        InputError: there is no study at `out`, or an override is wrong or of another section.
    """
    for override in overrides:
        if not override.startswith("audit."):
            raise InputError(
                f"--set {override}: only keys of `audit` change an audit, audit.thresholds.* for one"
            )
    study = StudyResults(out).record["study"]
    return override_study(study, overrides, f"{out}: study.json").audit


def run_audit(
    out: str,
    references: Sequence[tuple[str, str]],
    settings: AuditSection,
    *,
    history_uri: str | None = None,
    night: str = "",
) -> Audit:
    """Audit an output and write `audit.json`, `audit.xml` and `audit.md` into it, under its lock.

    Args:
        out: the output that is audited.
        references: (role, URI) of each output that it is compared with; the first one is the promoted one.
        settings: thresholds, from `audit_settings`.
        history_uri: folder of the history that the figures are appended to; None where none is kept.
        night: name of the night, for the history.

    Raises:
        InputError: there is no study at one of the places, or no variant, target or image in common.
        UnfinishedError: one of them is not finished, or another run is at work on it.
    """
    if not references:
        raise InputError(f"{out}: an audit needs a reference; name one with --against")
    before = [(role, _finished(uri)) for role, uri in references]
    output = Output(out)
    StudyResults(out)  # there is nothing to lock where there is no study
    with output_lock(output) as lock:
        now = _finished(out, locked=True)
        comparisons, seconds = [], []
        for role, reference in before:
            check_comparable(now, reference)
            start = time.monotonic()
            comparisons.append(compare.compare(now, reference, settings, role))
            seconds.append(time.monotonic() - start)
        audit = Audit(
            igbatch=_version(),
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            uri=output.uri,
            study=str(now.record["name"]),
            comparisons=tuple(comparisons),
        )
        past = None
        if history_uri is not None:
            past = history.read(history_uri, history.rows_of(audit, night))
        lock.check()
        write_audit(output, audit, seconds, past)
        if history_uri is not None:
            history.append(history_uri, audit, night)
    return audit


def _finished(uri: str, locked: bool = False) -> StudyResults:
    """Open an output whose run has come to its end.

    Raises:
        InputError: there is no study.
        UnfinishedError: a run is at work on it or was interrupted.
    """
    results = StudyResults(uri)
    lock_holder = None if locked else holder(Output(uri))
    if lock_holder:
        raise UnfinishedError(
            f"{uri}: another run is at work on it ({lock_holder}); wait for its end, then audit again"
        )
    if not results.reduced:
        raise UnfinishedError(
            f"{uri}: not finished (it has no joint ranges yet); run its study again, then audit"
        )
    lost = map(results.quarantine_of, results.reader.variant_ids)
    accounted = results.n_rows + sum(quarantined_maps(each, len(results.target_names)) for each in lost)
    if accounted < results.expected_rows:
        left = results.expected_rows - accounted
        raise UnfinishedError(
            f"{uri}: not finished ({left} of {results.expected_rows} rows are neither computed nor in "
            "quarantine); run its study again, then audit"
        )
    return results


def check_comparable(now: StudyResults, before: StudyResults) -> None:
    """Refuse a reference with nothing in common: every check would be skipped, and so none fail.

    Raises:
        InputError: the studies share no variant, no target or no image.
    """
    shared = {
        "variant": set(now.variants["variant_id"]) & set(before.variants["variant_id"]),
        "target": set(now.target_names) & set(before.target_names),
        "image": (now.listing.places_of(before.listing.image_ids) >= 0).any(),
    }
    for what, found in shared.items():
        if not found:
            raise InputError(
                f"{before.uri}: has no {what} in common with {now.uri}; audit a study against an earlier "
                "output of the same study"
            )


def _version() -> str:
    try:
        return version("igbatch")
    except PackageNotFoundError:
        return "not installed"
