"""Lets a worker decode, attribute and write different shards at a time, and measures how long each waits.

The next shard is decoded while one is attributed, and a shard is encoded and committed while the next one is
attributed. On a GPU two shards of a variant are attributed at a time: one launches while the other waits for
its numbers and judges them. Shards share no micro-batch, so that the bits of one do not depend on another.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from igbatch.attribution.device_sharing import DeviceLock
from igbatch.pipeline.messages import Times

WaitReason = Literal["images", "models", "writing"]


class Occupancy:
    """Slots for shards on one device, which are given in the order in which shards come.

    So many shards are attributed at a time, all of one variant. `turns` are of their launches on the device.
    """

    def __init__(self, slots: int) -> None:
        self.device_lock = DeviceLock()
        self._slots = slots
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._variants: list[str] = []  # of the shards that are attributed
        self._shards = 0
        self._counted = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._busy = self._passes = 0.0  # of the device at the last `times`

    @contextmanager
    def shard(self) -> Iterator[None]:
        """Count the block as time in which the worker has something to do."""
        with self._changed:
            self._count()
            self._shards += 1
        try:
            yield
        finally:
            with self._changed:
                self._count()
                self._shards -= 1

    @contextmanager
    def slot(self, variant: str) -> Iterator[None]:
        """Wait until the shard's turn has come, and hold a slot for the block."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._is_free(variant))
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
            self._count()
            self._variants.append(variant)
        try:
            yield
        finally:
            with self._changed:
                self._count()
                self._variants.remove(variant)
                self._changed.notify_all()

    @contextmanager
    def waiting(self, part: WaitReason) -> Iterator[None]:
        """Count the block as time in which a shard that holds a slot waits for a part of the worker."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._changed:
                self._seconds[part] += time.perf_counter() - start

    def times(self) -> Times:
        """Return where the worker's time went since the last call."""
        with self._changed:
            self._count()
            busy, passes = self.device_lock.busy_seconds, self.device_lock.pass_seconds
            seconds, self._seconds = self._seconds, defaultdict(float)
            times = Times(**seconds, busy=busy - self._busy, passes=passes - self._passes)
            self._busy, self._passes = busy, passes
            return times

    def _is_free(self, variant: str) -> bool:
        held = self._variants  # all the same
        return not held or (len(held) < self._slots and held[0] == variant)

    def _count(self) -> None:
        """Add the time since the last change to what went on in it."""
        now = time.perf_counter()
        if self._shards:
            self._seconds["seconds"] += now - self._counted
            if not self._variants:  # nothing is attributed: what is there is being committed
                self._seconds["store"] += now - self._counted
        self._counted = now
