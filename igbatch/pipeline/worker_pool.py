"""The pool of Ray actors that compute shards: started while shards wait, stopped when none is left for them.

It holds no results, only handles, and the shards that each worker has at the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from igbatch.errors import UnfinishedError
from igbatch.pipeline.cluster import (
    CLUSTER_POLL_SECONDS,
    MAX_WAIT_SECONDS,
    Workers,
    lacking,
    why_restarted,
    worker_capacity,
)
from igbatch.pipeline.plan import Shard

POLL_SECONDS = 0.5
"""How long after a failed answer a worker is asked again whether it is ready."""
FIRST_NOTICE_SECONDS = 20.0
"""After so many seconds with too few workers a run says what it waits for,"""
NOTICE_SECONDS = 60.0
"""and again as often."""


@dataclass(eq=False)
class WorkerSlot:
    """An actor and the shards that it has.

    Attributes:
        actor: Ray's handle.
        pending_ready: the reference of its answer to `ready`, for which it is asked at first and after every
            restart; None where it is not asked.
        poll_at: when it is to be asked next (monotonic seconds).
        ready: it has answered, and can take shards.
        node: id of the node that it answered from.
        work: the references of reports, with their shards in their order; it works on the first.
        since: when it began that one (monotonic seconds).
        held: the variant of the last shard that it was given.
        killed: why the driver killed it, None where it did not.
        pending_progress: the reference of its answer to `under_way`, None where it is not asked.
        under_way: images that it had attributed of its shards when it answered last.
    """

    actor: Any
    pending_ready: Any = None
    poll_at: float = 0.0
    ready: bool = False
    node: str = ""
    work: dict[Any, Shard] = field(default_factory=dict)
    since: float = 0.0
    held: str | None = None
    killed: str | None = None
    pending_progress: Any = None
    under_way: int = 0

    def poll_progress(self) -> int:
        """Return how many images of its shards the actor has attributed by its last answer; ask again."""
        if not self.work:
            self.pending_progress, self.under_way = None, 0
            return 0
        if self.pending_progress is not None:
            if not ray.wait([self.pending_progress], timeout=0)[0]:
                return self.under_way
            with suppress(ray.exceptions.RayError):  # its shards are retried by their reports
                self.under_way = ray.get(self.pending_progress)
        self.pending_progress = self.actor.under_way.remote()
        return self.under_way

    def poll(self) -> None:
        """Ask the actor whether it is ready, if that is due."""
        if not self.ready and self.pending_ready is None and time.monotonic() >= self.poll_at:
            self.pending_ready = self.actor.ready.remote()

    def poll_later(self) -> None:
        """Ask the actor again in a while: it is being started elsewhere, or waits for resources."""
        self.pending_ready, self.poll_at = None, time.monotonic() + POLL_SECONDS

    def assign(self, reference: Any, shard: Shard) -> None:
        """Record a shard that the actor was sent."""
        if not self.work:
            self.since = time.monotonic()
        self.work[reference] = shard
        self.held = shard.spec.variant_id

    @property
    def current_shard(self) -> Shard:
        """The first of its shards, of which it has one at least."""
        return next(iter(self.work.values()))

    def finish(self, reference: Any) -> Shard:
        """Remove and return the shard whose report has come."""
        if reference == next(iter(self.work)):
            self.since = time.monotonic()
        return self.work.pop(reference)

    def restart(self) -> list[Shard]:
        """Wait for the actor to be started again; return the shards that it had, the one at work first."""
        shards = list(self.work.values())
        self.work.clear()
        self.ready, self.held, self.killed = False, None, None
        self.pending_progress, self.under_way = None, 0
        self.poll_later()
        return shards


def kill_worker(slot: WorkerSlot) -> None:
    """End the actor and its process at once; what it has not committed is lost."""
    ray.kill(slot.actor)


class WorkerPool:
    """The workers of a run: as many as there are shards for, within the study's minimum and maximum.

    All are requested from Ray at once. It starts those that fit, and the others are a demand that an
    autoscaling cluster can see.

    `start` returns the handle of a new actor; `stop` ends one, whatever it does at the moment.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        stop: Callable[[WorkerSlot], None],
        workers: Workers,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.slots: list[WorkerSlot] = []
        self._start, self._stop_one, self._say, self._workers = start, stop, say, workers
        self._limit = workers.count
        self._polled = self._scaled = time.monotonic()
        self._short = 0.0
        self._next_notice = FIRST_NOTICE_SECONDS
        self._death_reported = False

    @property
    def ready(self) -> list[WorkerSlot]:
        """The slots whose actors can take shards."""
        return [slot for slot in self.slots if slot.ready]

    def scale(self, shards_waiting: int) -> None:
        """Start workers that are missing, and stop those that no shard is left for.

        Raises:
            UnfinishedError: for too long there were fewer workers than the study's minimum.
        """
        now = time.monotonic()
        if self._workers.follow and now - self._polled > CLUSTER_POLL_SECONDS:
            self._limit, self._polled = max(self._workers.count, worker_capacity(self._workers)), now
        busy = sum(1 for slot in self.slots if slot.work)
        required = min(self._limit, busy + shards_waiting)
        while len(self.slots) < required:
            self.slots.append(WorkerSlot(self._start()))
        for slot in self.slots:
            slot.poll()
        if not shards_waiting:
            self._stop([slot for slot in self.slots if not slot.work])
        self._report_death()
        waited = min(now - self._scaled, CLUSTER_POLL_SECONDS)  # in a longer gap the driver took no answers
        enough = len(self.ready) >= min(self._workers.minimum, len(self.slots))
        self._short, self._scaled = 0.0 if enough else self._short + waited, now
        if enough:
            self._next_notice = FIRST_NOTICE_SECONDS
        elif self._short > MAX_WAIT_SECONDS:
            raise UnfinishedError(
                f"{len(self.ready)} worker(s) for {MAX_WAIT_SECONDS:.0f} s where {self._workers.minimum} are "
                f"the least: {self._missing_resources()}; when that is mended, run it again"
            )
        elif self._short > self._next_notice:
            self._next_notice += NOTICE_SECONDS
            self._say(
                f"waiting for workers since {self._short:.0f} s ({len(self.ready)} are ready, "
                f"{self._workers.minimum} are the least): {self._missing_resources()}; "
                f"the run ends after {MAX_WAIT_SECONDS:.0f} s"
            )

    def _report_death(self) -> None:
        """Report once that a worker died before it was ever ready, of which Ray raises nothing."""
        for slot in self.slots if not self._death_reported else ():
            reason = None if slot.ready or slot.node else why_restarted(slot.actor)
            if reason is not None:
                self._death_reported = True
                self._say(
                    f"a worker died while it was being started: {reason}; Ray starts it again, and the run "
                    f"ends where fewer than {self._workers.minimum} are ready for {MAX_WAIT_SECONDS:.0f} s"
                )
                return

    def _missing_resources(self) -> str:
        return lacking(self._workers.threads, self._workers.gpus)

    def close(self) -> None:
        """Stop all workers."""
        self._stop(list(self.slots))

    def _stop(self, slots: Sequence[WorkerSlot]) -> None:
        for slot in slots:
            self._stop_one(slot)
            self.slots.remove(slot)
