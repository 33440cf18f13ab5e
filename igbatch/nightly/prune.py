"""Deleting maps of old nights, and nights that never finished. Statistics stay for good."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyarrow import fs

from igbatch.errors import InputError
from igbatch.nightly.records import Night
from igbatch.nightly.root import NIGHTS, NightlyRoot, stamp, time_of
from igbatch.store.lock import output_lock
from igbatch.store.lock_entry import FOLDER as LOCKS
from igbatch.store.output import Output
from igbatch.store.pruned import KIND, inside, prune_maps

UNFINISHED_DAYS = 7
"""So old must a night be that never finished before it is deleted."""


@dataclass(frozen=True)
class Doomed:
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

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(info.size or 0 for info in self.files)

    def __str__(self) -> str:
        what = "all of a night that never finished" if self.whole else "maps"
        aside = f"; {_files(self.outside)} behind links stay" if self.outside else ""
        return f"{self.night}: {what}, {_files(len(self.files))}, {self.size / 1e6:,.1f} MB{aside}"


def total(doomed: Iterable[Doomed]) -> str:
    """Say how much goes in all."""
    each = list(doomed)
    count, size = sum(len(one.files) for one in each), sum(one.size for one in each)
    return f"{_files(count)}, {size / 1e6:,.1f} MB"


def _files(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"


def find_doomed(
    root: NightlyRoot, keep: int, *, unfinished: bool = False, now: datetime | None = None
) -> list[Doomed]:
    """List what pruning deletes, in order of time; nothing is deleted.

    Maps stay of the last `keep` nights whose run ended, of the reference, and of the last good night.

    Args:
        root: of the nights.
        keep: of how many nights maps are kept, at least 1.
        unfinished: nights whose run never ended go as a whole once they are older than a week.
        now: by default, now.
    """
    records = root.records()
    references = root.references()
    promoted = {each.night for each in (references.reference, *references.earlier)} if references else set()
    reference = references.reference.night if references else None
    ran = [name for name, record in records.items() if _ran(record)]
    kept = {*ran[-keep:], reference, root.last_good(reference)}
    limit = (now or datetime.now(UTC)) - timedelta(days=UNFINISHED_DAYS)
    doomed = []
    for name, record in records.items():
        if _ran(record) and name not in kept:
            doomed.append(_of(root, name, KIND))
        elif unfinished and not _ran(record) and name not in promoted and time_of(name) < limit:
            doomed.append(_of(root, name))
    return [each for each in doomed if each.files or each.whole]


def prune(
    root: NightlyRoot, keep: int, *, unfinished: bool = False, now: datetime | None = None
) -> list[Doomed]:
    """Delete what `find_doomed` finds, and return it. The lock of the root is the caller's.

    Raises:
        UnfinishedError: a run is at work on one of these nights.
    """
    now = now or datetime.now(UTC)
    doomed = find_doomed(root, keep, unfinished=unfinished, now=now)
    for each in doomed:
        output = root.night_output(each.night)
        with output_lock(output):
            if each.whole:
                _delete(output, each)
            else:
                prune_maps(output, list(each.files), stamp(now))
        if each.whole and not each.outside:
            drop_folder(output)
    return doomed


def prune_root(root: NightlyRoot, keep: int, *, unfinished: bool = False) -> list[Doomed]:
    """Do what `prune` does, under the lock of the root.

    Raises:
        UnfinishedError: a night is at work on the root.
    """
    with output_lock(root.output):
        return prune(root, keep, unfinished=unfinished)


def retained(root: NightlyRoot) -> int:
    """Return of how many nights the latest finished night's study says to keep maps.

    Raises:
        InputError: it says nothing, or there is none.
    """
    for name in reversed(root.names()):
        record = root.record(name)
        if _ran(record):
            output = root.night_output(name)
            study = (output.read_json(output.path("study.json")) or {}).get("study", {})
            retain = (study.get("audit") or {}).get("retain")
            if retain:
                return int(retain["maps"])
            break
    raise InputError(f"{root.uri}: no `audit.retain` in the study of the latest night; say --keep N")


def _ran(record: Night | None) -> bool:
    return record is not None and record.run_exit_code is not None


def _of(root: NightlyRoot, night: str, *parts: str) -> Doomed:
    files = root.output.files(NIGHTS, night, *parts)
    ours = tuple(info for info in files if inside(root.output, info))
    return Doomed(night, not parts, ours, len(files) - len(ours))


def drop_folder(output: Output) -> None:
    """Remove the folder of a night whose files are gone: Arrow leaves folders in an S3 store, too."""
    with suppress(FileNotFoundError):
        output.filesystem.delete_dir(output.path())


def _delete(output: Output, doomed: Doomed) -> None:
    for info in doomed.files:
        if f"/{doomed.night}/{LOCKS}/" not in info.path:  # the own entry among them
            with suppress(FileNotFoundError):
                output.delete(info.path)
