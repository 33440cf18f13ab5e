"""Making a night the reference."""

from __future__ import annotations

import getpass
import os
import platform
from datetime import UTC, datetime

from igbatch.errors import InputError
from igbatch.nightly.records import Promotion, References
from igbatch.nightly.root import NAME, NightlyRoot, stamp
from igbatch.store.lock import output_lock
from igbatch.store.pruned import pruned_at


def promote(root: NightlyRoot, night: str, *, note: str = "", force: bool = False) -> Promotion:
    """Make a night the reference, under the lock of the root; earlier ones stay on record.

    Args:
        root: of the nights.
        night: its name.
        note: why, for those who read `reference.json`.
        force: take a night that is bad, was not audited, or whose maps were pruned.

    Raises:
        InputError: there is no such night, its run did not end, or it needs `force`.
        UnfinishedError: a night is at work.
    """
    if not NAME.fullmatch(night):
        raise InputError(f"{night}: not the name of a night; give one of `igbatch nights`, 20261126T020000Z")
    if night not in root.names():
        raise InputError(f"{root.uri}: no night {night}; `igbatch nights` lists them")
    with output_lock(root.output):
        record = root.record(night)
        if record is None or not record.ran:
            raise InputError(f"{root.uri}: the run of night {night} did not end; promote another night")
        reasons = [] if record.good else [f"is {record.state}"]
        if pruned_at(root.night_output(night)):
            reasons.append("has no maps any more, so that none can be compared")
        if reasons and not force:
            raise InputError(
                f"{root.uri}: night {night} {' and '.join(reasons)}; add --force to promote it all the same"
            )
        return record_promotion(root, night, note, record.state)


def record_promotion(root: NightlyRoot, night: str, note: str, state: str) -> Promotion:
    """Write down that a night is the reference from now on. The lock of the root is the caller's."""
    now = Promotion(night=night, promoted_at=stamp(datetime.now(UTC)), by=_who(), note=note, state=state)
    before = root.references()
    earlier = (before.reference, *before.earlier) if before else ()
    root.keep(References(reference=now, earlier=earlier))
    return now


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under an id that has no name
        user = f"user {os.getuid()}"
    return f"{user} on {platform.node()}"
