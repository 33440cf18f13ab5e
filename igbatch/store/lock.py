"""One run at a time on a local output: an operating system lock that dies with the process that holds it.

Outputs on object stores have no lock yet; data files are never overwritten there, and nothing is swept.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from igbatch.errors import UnfinishedError
from igbatch.store.output import Output

LOCK_FILE = ".lock"
OWNER_FILE = ".lock-owner.json"


@contextmanager
def output_lock(output: Output) -> Iterator[bool]:
    """Hold the lock of an output; yields whether there is one (a local disk) or not (an object store).

    Raises:
        UnfinishedError: another run holds it; the message says which process on which host.
    """
    if not output.local:
        yield False
        return
    path = output.path(LOCK_FILE)
    output.make_parent(path)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UnfinishedError(
            f"{output.uri}: another run is at work on it ({_owner(output)}); wait for its end, then run again"
        ) from None
    try:
        output.put_json(output.path(OWNER_FILE), {"host": platform.node(), "process": os.getpid()})
        yield True
    finally:
        Path(output.path(OWNER_FILE)).unlink(missing_ok=True)
        lock.release()


def _owner(output: Output) -> str:
    owner = output.read_json(output.path(OWNER_FILE)) or {}
    return f"process {owner.get('process', 'unknown')} on {owner.get('host', 'an unknown host')}"
