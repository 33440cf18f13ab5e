"""One run at a time on an output, on a local disk and on any object store alike.

It needs no conditional put and no rename, only that a listing shows what was put before it (local disks, S3,
GCS and Azure do so). A run that wants the lock puts an entry of its own below `locks/`, then lists. It has
the lock if no other entry is there; it then says so in its entry and lists once more.

Two runs never hold it. Each puts its entry before it lists, so the one that lists last sees the other and
does not go on. An entry is removed by its run, or by others once that process is gone or the entry has not
changed for longer than `expiry`. A run that could not renew its entry for so long (it was stopped, its
machine slept, the store was away) treats the lock as lost, by a clock that goes on in sleep. One that is
stopped between reading that clock and putting may put its entry late: it lists after every put, as does a run
that has just taken over, so that again one of the two sees the other.

The age of an entry is measured by the store's own clock, against the own entry just put, so that clocks of
machines do not matter; where the store has no times, by watching the entry for `expiry`.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from igbatch.errors import InputError, UnfinishedError, one_line
from igbatch.store.lock_entry import Entries, Entry, uptime
from igbatch.store.output import Output

HEARTBEAT_SECONDS = 5.0
EXPIRY_SECONDS = 30.0
CONTEST_SECONDS = 10.0
"""A run that finds others requesting it at the same moment tries again for so long."""
STORE_TICK_SECONDS = 1.0
"""Object stores keep times in whole seconds."""


class Lock:
    """The lock of an output, held until its `with` block ends or another run has taken it over.

    Args:
        output: what no other run may write to.
        name: of this run's entry; "" where it only watches others.
        heartbeat, expiry: see `output_lock`.
    """

    def __init__(self, output: Output, name: str, heartbeat: float, expiry: float) -> None:
        self._output = output
        self._entries = Entries(output, name)
        self._heartbeat = heartbeat
        self._expiry = expiry
        self._seen: dict[str, tuple[bytes, float]] = {}  # of others: bytes, and since when they are so
        self._contest_end: float | None = None
        self._last_beat = uptime()
        self._lost = False
        self._lost_to: str | None = None
        self._ended = threading.Event()

    @property
    def lost(self) -> bool:
        """Tell whether the lock is gone: another run took it over, or may do so as no beat got through."""
        return self._lost or uptime() - self._last_beat > self._expiry

    def check(self) -> None:
        """Refuse to go on without the lock.

        Raises:
            UnfinishedError: it is lost; the message says to whom.
        """
        if self.lost:
            silent = f": it could give no sign for {self._expiry:g} s"
            how = f" to {self._lost_to}" if self._lost_to else silent
            raise UnfinishedError(f"{self._output.uri}: this run lost its lock{how}; run it again")

    def _take(self) -> None:
        """Wait until no other run has the lock or requests it before this one, and take it."""
        while True:
            self._last_beat = uptime()
            self._entries.put(holding=False)
            own, others = self._entries.read_all()
            if own is None:
                continue  # this process was stopped for so long that another removed its entry
            alive = {entry.name: self._alive(entry, own.modified) for entry in others}
            dead = [name for name in alive if alive[name] is False]
            for name in dead:
                self._entries.remove(name)
            if dead:
                continue  # an entry that comes back belongs to a run that is alive
            if others:
                self._yield_to(others, alive)
            elif self._hold():
                return

    def _hold(self) -> bool:
        """Say in the entry that the lock is held, and check for a run that was taken for dead but lives."""
        self._entries.put(holding=True)
        own, others = self._entries.read_all()
        return own is not None and not any(entry.holding for entry in others)

    def _yield_to(self, others: list[Entry], alive: dict[str, bool | None]) -> None:
        """Wait a while for others to go, to fall silent or to give a sign; of those waiting, one stays."""
        for entry in others:
            if entry.holding and alive[entry.name]:
                raise UnfinishedError(
                    f"{self._output.uri}: another run is at work on it ({entry}); "
                    "wait for its end, then run again"
                )
        before = [entry for entry in others if not entry.holding and entry.name < self._entries.name]
        if not before:
            self._contest_end = None
            time.sleep(min(1.0, self._heartbeat / 5) * random.uniform(0.5, 1.0))
            return
        self._entries.remove(self._entries.name)
        self._contest_end = self._contest_end or uptime() + CONTEST_SECONDS
        if uptime() > self._contest_end and alive[before[0].name]:
            raise UnfinishedError(
                f"{self._output.uri}: another run is about to begin on it ({before[0]}); "
                "wait for its end, then run again"
            )
        time.sleep(random.uniform(0.1, 0.5))

    def _alive(self, entry: Entry, clock: float | None) -> bool | None:
        """Tell whether the run of an entry is alive; None where nothing is known yet.

        It is dead where its process is gone, or where it was silent for too long: by the store's `clock`, if
        there is one.
        """
        present = entry.run.present(self._entries.run) if entry.run else None
        if present is False:
            return False
        now = uptime()
        data, since = self._seen.setdefault(entry.name, (entry.data, now))
        if data != entry.data:
            self._seen[entry.name] = (entry.data, now)
            return True
        if clock is None or entry.modified is None:
            silent = now - since
        else:
            silent = clock - entry.modified
            if present and silent < 2 * self._heartbeat:
                return True
        return False if silent > self._expiry + STORE_TICK_SECONDS else None

    def _keep(self) -> None:
        while not self._ended.wait(self._heartbeat) and not self._lost:
            with suppress(Exception):  # the store is away; the next beat may get through
                self._beat()

    def _beat(self) -> None:
        """Put the entry again, unless it was taken away."""
        start = uptime()
        own, others = self._entries.read_all()
        if own is not None and not self.lost and self._hold():
            self._last_beat = start
            return
        self._lost = True
        own, others = self._entries.read_all()
        others = [entry for entry in others if entry.holding] or others
        self._lost_to = str(others[0]) if others else "another run" if own is None else None
        self._entries.remove(self._entries.name)


@contextmanager
def output_lock(
    output: Output, *, heartbeat: float = HEARTBEAT_SECONDS, expiry: float = EXPIRY_SECONDS
) -> Iterator[Lock]:
    """Hold the lock of an output; the lock that is yielded tells whether it was lost meanwhile.

    Args:
        output: what no other run may write to.
        heartbeat: seconds between two signs of life.
        expiry: seconds of silence after which another run takes over; the same for all runs.

    Raises:
        UnfinishedError: another run holds it; the message says which process on which machine, since when.
        InputError: the output cannot be written to.
    """
    lock = Lock(output, secrets.token_hex(8), heartbeat, expiry)
    thread = threading.Thread(target=lock._keep, name="igbatch-lock", daemon=True)
    try:
        try:
            lock._take()
        except OSError as error:
            raise InputError(
                f"{output.uri}: cannot be written to ({one_line(error, 300)}); "
                "check the address and the permissions"
            ) from error
        thread.start()
        yield lock
    finally:
        lock._ended.set()
        if thread.is_alive():
            thread.join(timeout=expiry)
        with suppress(Exception):  # what is left is taken for dead by the next run
            lock._entries.remove(lock._entries.name)


def holder(
    output: Output, *, heartbeat: float = HEARTBEAT_SECONDS, expiry: float = EXPIRY_SECONDS
) -> str | None:
    """Say which process holds the lock of an output, None where none does; nothing is written.

    An entry of another machine is watched until it gives a sign or was silent for longer than `expiry`.
    """
    watch = Lock(output, "", heartbeat, expiry)
    while True:
        waiting = False
        for entry in watch._entries.read_all()[1]:
            alive = entry.holding and watch._alive(entry, None)  # without an own entry no clock is known
            seen = alive is None and entry.run and entry.run.present(watch._entries.run)
            if alive or seen:
                return str(entry)
            waiting = waiting or alive is None
        if not waiting:
            return None
        time.sleep(min(1.0, heartbeat / 5))
