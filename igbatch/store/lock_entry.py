"""The entries of a lock: one small object for every run that requests an output or holds it.

An entry says which process on which machine it belongs to, so that a run beside it can check whether that
process is still there. Its bytes change with every beat, so that runs on other machines see it alive.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from igbatch.store.output import Output

FOLDER = "locks"
READ_ATTEMPTS = 5
START_TOLERANCE_SECONDS = 2.0
"""A process's start is read off the clock, which may be set; another process of its id starts much later."""


@dataclass(frozen=True)
class RunProcess:
    """A process, and enough of its machine to know whether two see the same process table.

    Attributes:
        host: name of the machine.
        boot: id of the machine's boot; None where the system has none.
        namespace: of process ids, which differs between containers; None where the system has none.
        process: its id there.
        started: when the process started, seconds since 1970.
        since: when it first requested the lock, in UTC.
    """

    host: str
    boot: str | None
    namespace: str | None
    process: int
    started: float
    since: str

    @classmethod
    def here(cls) -> RunProcess:
        """Return this process."""
        boot = namespace = None
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            namespace = os.readlink("/proc/self/ns/pid")
        process = os.getpid()
        since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
        return cls(platform.node(), boot, namespace, process, psutil.Process(process).create_time(), since)

    def present(self, here: RunProcess) -> bool | None:
        """Tell whether the process is there; None where `here`, this process, cannot see it."""
        same = (self.host, self.boot, self.namespace) == (here.host, here.boot, here.namespace)
        if not same or self.boot is None or self.namespace is None:
            return None
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        try:
            found = psutil.Process(self.process)
            if found.status() == psutil.STATUS_ZOMBIE:
                return False
            return bool(abs(found.create_time() - self.started) < START_TOLERANCE_SECONDS)
        except psutil.Error:  # ended just now, or /proc is hidden from other users
            return None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


@dataclass(frozen=True)
class Entry:
    """An entry as it was listed and read.

    Attributes:
        name: random, of one attempt to get the lock.
        data: its bytes, which change with every beat.
        modified: the store's time of the last beat, seconds since 1970; None where the store has none.
        run: None where the bytes are none of igbatch's.
        holding: whether the run holds the lock; else it requests it.
    """

    name: str
    data: bytes
    modified: float | None
    run: RunProcess | None
    holding: bool

    def __str__(self) -> str:
        return str(self.run) if self.run else f"an unknown process, {FOLDER}/{self.name}.json"


class Entries:
    """The entries below an output, one of which is that of this process."""

    def __init__(self, output: Output, name: str) -> None:
        self.output = output
        self.name = name
        self.run = RunProcess.here()
        self._beat = 0

    def put(self, *, holding: bool) -> None:
        """Write the own entry, with a beat more than before."""
        self._beat += 1
        content: dict[str, Any] = {**asdict(self.run), "holding": holding, "beat": self._beat}
        try:
            self.output.put_json(self._path(self.name), content)
        except FileNotFoundError:  # the holder has just swept the temporary file of a local write
            self.output.put_json(self._path(self.name), content)

    def read_all(self) -> tuple[Entry | None, list[Entry]]:
        """List the entries: the own one, None where it is not there, and those of others by name."""
        own, others = None, []
        for info in self.output.files(FOLDER):
            name = info.base_name.removesuffix(".json")
            if name == info.base_name or name.startswith("."):
                continue
            modified = info.mtime.timestamp() if isinstance(info.mtime, datetime) else info.mtime
            if name == self.name:
                own = Entry(name, b"", modified, self.run, False)
                continue
            data = self._read(info.path)
            if data is not None:
                others.append(Entry(name, data, modified, *_parse(data)))
        return own, others

    def remove(self, name: str) -> None:
        """Remove an entry that may be gone already."""
        with suppress(FileNotFoundError):
            self.output.delete(self._path(name))

    def _read(self, path: str) -> bytes | None:
        """Read an entry; None where it went after it was listed. Stores stumble if it changes meanwhile."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return self.output.read(path)
            except OSError:
                if not self.output.exists(path):
                    return None
                if attempt == READ_ATTEMPTS - 1:
                    raise
        return None

    def _path(self, name: str) -> str:
        return self.output.path(FOLDER, f"{name}.json")


def uptime() -> float:
    """Return seconds on a clock that nobody sets and that goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _parse(data: bytes) -> tuple[RunProcess | None, bool]:
    try:
        content = json.loads(data)
        values = {each.name: content[each.name] for each in fields(RunProcess)}
        return RunProcess(**values), bool(content["holding"])
    except (ValueError, LookupError, TypeError):
        return None, True
