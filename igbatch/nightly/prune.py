"""Deletes maps of old nights, and nights that never finished. Statistics of finished nights are kept."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyarrow import fs

from igbatch.errors import InputError
from igbatch.nightly.root import NIGHTS, NightlyRoot, stamp, time_of
from igbatch.store.lock import output_lock
from igbatch.store.lock_entry import FOLDER as LOCKS
from igbatch.store.output import Output
from igbatch.store.pruned import KIND, delete_files, inside, prune_maps
from igbatch.text import count

UNFINISHED_DAYS = 7
"""So old must a night be that never finished before it is deleted."""


@dataclass(frozen=True)
class PruneCandidate:
    """What goes of a night.

    Attributes:
        night: its name.
        whole: all of it goes, since it never finished; else its maps alone.
        files: that go.
        outside: files that lie elsewhere behind a link, which stay.
    """

    night: str
    whole: bool
    files: tuple[fs.FileInfo, ...]
    outside: int = 0

    def __str__(self) -> str:
        what = "all of a night that never finished" if self.whole else "maps"
        aside = f"; {count(self.outside, 'file')} behind links stay" if self.outside else ""
        return f"{self.night}: {what}, {total([self])}{aside}"


def total(candidates: Iterable[PruneCandidate]) -> str:
    """Say how much goes in all."""
    files = [info for each in candidates for info in each.files]
    return f"{count(len(files), 'file')}, {sum(info.size or 0 for info in files) / 1e6:,.1f} MB"


def find_candidates(
    root: NightlyRoot, keep: int, *, unfinished: bool = False, now: datetime | None = None
) -> list[PruneCandidate]:
    """List what pruning deletes, in order of time; nothing is deleted.

    Maps stay of the last `keep` nights whose run ended, of the reference, and of the last good night.

    Args:
        root: of the nights.
        keep: of how many nights maps are kept, at least 1.
        unfinished: nights whose run never ended go as a whole once they are older than a week.
        now: by default, now.
    """
    ran = {name: record is not None and record.ran for name, record in root.records().items()}
    references = root.references()
    reference = references.reference.night if references else None
    promoted = {each.night for each in (references.reference, *references.earlier)} if references else set()
    kept = {*[name for name in ran if ran[name]][-keep:], reference, root.last_good(reference)}
    limit = (now or datetime.now(UTC)) - timedelta(days=UNFINISHED_DAYS)
    candidates = []
    for name in ran:
        if ran[name] and name not in kept:
            candidates.append(_candidate(root, name, KIND))
        elif unfinished and not ran[name] and name not in promoted and time_of(name) < limit:
            candidates.append(_candidate(root, name))
    return [each for each in candidates if each.files or each.whole]


def prune(
    root: NightlyRoot, keep: int, *, unfinished: bool = False, now: datetime | None = None
) -> list[PruneCandidate]:
    """Delete what `find_candidates` finds, and return it. The lock of the root is the caller's.

    Raises:
        UnfinishedError: a run is at work on one of these nights.
    """
    now = now or datetime.now(UTC)
    candidates = find_candidates(root, keep, unfinished=unfinished, now=now)
    for each in candidates:
        output = root.night_output(each.night)
        own = f"/{each.night}/{LOCKS}/"  # the entry that holds the lock is among the files
        with output_lock(output):
            if each.whole:
                delete_files(output, [info for info in each.files if own not in info.path])
            else:
                prune_maps(output, list(each.files), stamp(now))
        if each.whole and not each.outside:
            delete_empty(output)
    return candidates


def prune_root(root: NightlyRoot, keep: int, *, unfinished: bool = False) -> list[PruneCandidate]:
    """Do what `prune` does, under the lock of the root.

    Raises:
        UnfinishedError: a night is at work on the root.
    """
    with output_lock(root.output):
        return prune(root, keep, unfinished=unfinished)


def retained(root: NightlyRoot) -> int:
    """Return how many nights keep maps, by the study of the latest finished night.

    Raises:
        InputError: it has no such key, or there is no such night.
    """
    for name in reversed(root.names()):
        record = root.record(name)
        if record is not None and record.ran:
            output = root.night_output(name)
            study = (output.read_json(output.path("study.json")) or {}).get("study", {})
            retain = (study.get("audit") or {}).get("retain")
            if retain:
                return int(retain["maps"])
            break
    raise InputError(f"{root.uri}: no `audit.retain` in the study of the latest night; say --keep N")


def delete_empty(output: Output) -> None:
    """Remove the folder of a night whose files are gone: Arrow leaves folders in an S3 store, too."""
    with suppress(FileNotFoundError):
        output.filesystem.delete_dir(output.path())


def _candidate(root: NightlyRoot, night: str, *parts: str) -> PruneCandidate:
    files = root.output.files(NIGHTS, night, *parts)
    ours = tuple(info for info in files if inside(root.output, info))
    return PruneCandidate(night, not parts, ours, len(files) - len(ours))
