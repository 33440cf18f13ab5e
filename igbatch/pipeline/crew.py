"""The workers of a run: asked for while there is work and room for them, sent home when there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from igbatch.errors import UnfinishedError
from igbatch.pipeline.cluster import (
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    Workers,
    lacking,
    room_for_workers,
    why_restarted,
)
from igbatch.pipeline.plan import Shard

ASK_SECONDS = 0.5
"""How long a worker that is not there is left alone before it is asked again."""
FIRST_WORD_SECONDS = 20.0
"""After so many seconds with too few workers a run says what it waits for,"""
WORD_SECONDS = 60.0
"""and again as often."""


@dataclass(eq=False)
class Seat:
    """An actor and what it has to do.

    Attributes:
        actor: Ray's handle.
        waking: its answer to `ready`, which it owes at first and again after every restart; None while it is
            not worth asking.
        ask_at: when it is to be asked next (monotonic seconds).
        awake: it has answered.
        node: id of the node that it answered from.
        work: the references of reports, with their shards in their order; it works on the first.
        since: when it began that one (monotonic seconds).
        held: the variant of the last shard that it was given.
        killed: why the driver killed it, None where it did not.
        watching: its answer to `under_way`, None where it owes none.
        under_way: images that it had attributed of its shards when it answered last.
    """

    actor: Any
    waking: Any = None
    ask_at: float = 0.0
    awake: bool = False
    node: str = ""
    work: dict[Any, Shard] = field(default_factory=dict)
    since: float = 0.0
    held: str | None = None
    killed: str | None = None
    watching: Any = None
    under_way: int = 0

    def watch(self) -> int:
        """Return how many images of its shards the actor has attributed, as last heard, and ask it again."""
        if not self.work:
            self.watching, self.under_way = None, 0
            return 0
        if self.watching is not None:
            if not ray.wait([self.watching], timeout=0)[0]:
                return self.under_way
            with suppress(ray.exceptions.RayError):  # what becomes of its shards, their reports tell
                self.under_way = ray.get(self.watching)
        self.watching = self.actor.under_way.remote()
        return self.under_way

    def ask(self) -> None:
        """Ask the actor whether it is ready, if that is due."""
        if not self.awake and self.waking is None and time.monotonic() >= self.ask_at:
            self.waking = self.actor.ready.remote()

    def ask_later(self) -> None:
        """Ask the actor again in a while: it is being started elsewhere, or waits for room."""
        self.waking, self.ask_at = None, time.monotonic() + ASK_SECONDS

    def give(self, reference: Any, shard: Shard) -> None:
        """Take note of a shard that the actor was sent."""
        if not self.work:
            self.since = time.monotonic()
        self.work[reference] = shard
        self.held = shard.spec.variant_id

    @property
    def at_work_on(self) -> Shard:
        """The first of its shards, of which it has one at least."""
        return next(iter(self.work.values()))

    def finish(self, reference: Any) -> Shard:
        """Take a shard from the list whose report is here."""
        if reference == next(iter(self.work)):
            self.since = time.monotonic()
        return self.work.pop(reference)

    def restart(self) -> list[Shard]:
        """Wait for the actor to be started again; return the shards that it had, the one at work first."""
        shards = list(self.work.values())
        self.work.clear()
        self.awake, self.held, self.killed = False, None, None
        self.watching, self.under_way = None, 0
        self.ask_later()
        return shards


class Crew:
    """The seats of a run: as many as there are shards for, within the study's minimum and maximum.

    All that are wanted are asked for at once. Ray starts those that there is room for, and the others are a
    demand that an autoscaling cluster can see.
    """

    def __init__(
        self, hire: Callable[[], Any], workers: Workers, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.seats: list[Seat] = []
        self._hire, self._say, self._workers = hire, say, workers
        self._most = workers.count
        self._looked = self._tended = time.monotonic()
        self._short = 0.0
        self._next_word = FIRST_WORD_SECONDS
        self._death_reported = False

    @property
    def awake(self) -> list[Seat]:
        """The seats whose actors can take shards."""
        return [seat for seat in self.seats if seat.awake]

    def tend(self, shards_waiting: int) -> None:
        """Ask for workers that are wanting, and send home those that nothing is left for.

        Raises:
            UnfinishedError: for too long there were fewer workers than the study's minimum.
        """
        now = time.monotonic()
        if self._workers.follow and now - self._looked > LOOK_SECONDS:
            self._most, self._looked = max(self._workers.count, room_for_workers(self._workers)), now
        busy = sum(1 for seat in self.seats if seat.work)
        wanted = min(self._most, busy + shards_waiting)
        while len(self.seats) < wanted:
            self.seats.append(Seat(self._hire()))
        for seat in self.seats:
            seat.ask()
        if not shards_waiting:
            self._dismiss([seat for seat in self.seats if not seat.work])
        self._report_death()
        waited = min(now - self._tended, LOOK_SECONDS)  # in a longer gap the driver greeted nobody
        enough = len(self.awake) >= min(self._workers.minimum, len(self.seats))
        self._short, self._tended = 0.0 if enough else self._short + waited, now
        if enough:
            self._next_word = FIRST_WORD_SECONDS
        elif self._short > PATIENCE_SECONDS:
            raise UnfinishedError(
                f"{len(self.awake)} worker(s) for {PATIENCE_SECONDS:.0f} s where {self._workers.minimum} are "
                f"the least: {self._lack()}; when that is mended, run it again"
            )
        elif self._short > self._next_word:
            self._next_word += WORD_SECONDS
            self._say(
                f"waiting for workers since {self._short:.0f} s ({len(self.awake)} are ready, "
                f"{self._workers.minimum} are the least): {self._lack()}; "
                f"the run ends after {PATIENCE_SECONDS:.0f} s"
            )

    def _report_death(self) -> None:
        """Say once that a worker died before it was ever ready, which no answer of its tells."""
        for seat in self.seats if not self._death_reported else ():
            reason = None if seat.awake or seat.node else why_restarted(seat.actor)
            if reason is not None:
                self._death_reported = True
                self._say(
                    f"a worker died while it was being started: {reason}; Ray starts it again, and the run "
                    f"ends where fewer than {self._workers.minimum} are ready for {PATIENCE_SECONDS:.0f} s"
                )
                return

    def _lack(self) -> str:
        return lacking(self._workers.threads, self._workers.gpus)

    def close(self) -> None:
        """Send all home."""
        self._dismiss(list(self.seats))

    def _dismiss(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            ray.kill(seat.actor)
            self.seats.remove(seat)
