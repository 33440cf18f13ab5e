"""The driver of the Ray stage: hands shards to actors, puts back those of lost actors, and keeps no rows."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from igbatch.errors import IgbatchError, UnfinishedError, WorkerError
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.compute import ShardReport
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.progress import Listener
from igbatch.pipeline.settle import Settled, settle_plan, unmeasured
from igbatch.pipeline.worker import Hardware, actor_class
from igbatch.store.output import Output

WINDOW = 2
"""Shards that an actor has at a time: the one it works on and the next."""
READY_SECONDS = 300.0
"""How long the driver waits while no actor answers; they have to load torch and the model."""


@dataclass
class Summary:
    """What a run of the stage did."""

    shards: int = 0
    images: int = 0
    rows: int = 0
    quarantined: int = 0
    retries: int = 0


@dataclass(eq=False)
class _Seat:
    """An actor and its load; `waking` is its answer to `ready`, which a restarted actor owes again."""

    actor: Any
    waking: Any
    awake: bool = False
    load: int = 0


class Attribution:
    """Runs the shards of a plan over a pool of actors.

    An actor that dies is started again by Ray, on any node that has room; its shards are put back here, up to
    `retries` times each. A fault of the program itself, or of the study, stops the run.
    """

    def __init__(
        self, plan: Plan, output: Output, workers: Workers, settled: Settled | None, listener: Listener
    ):
        self.plan = plan
        self.output = output
        self.listener = listener
        self.retries = plan.resolved.study.run.retries
        self.summary = Summary()
        self.settled = settled
        self.on_ready: Callable[[Hardware, Settled | None], None] = lambda hardware, settled: None
        self._unmeasured: Settled | None = None
        self._shards: Iterator[Shard] = plan.shards()
        self._back: deque[Shard] = deque()
        self._failures: dict[str, int] = {}
        self._flight: dict[Any, tuple[_Seat, Shard]] = {}
        count = min(workers.count, max(1, plan.shard_count()))
        kind = actor_class(workers.device, workers.threads)
        actors = [kind.remote(plan.resolved, output, workers.device, workers.threads) for _ in range(count)]
        self._seats = [_Seat(actor, actor.ready.remote()) for actor in actors]

    def run(self) -> Summary:
        """Compute every shard of the plan.

        Raises:
            InputError: a worker found the study to be wrong.
            WorkerError: a worker met a fault of the program; its traceback is in `error.txt` of the output.
            UnfinishedError: the cluster was lost, or a shard lost its worker too often.
        """
        self.listener.start(self.plan.missing_images)
        try:
            self._fill()
            while self._flight or any(not seat.awake for seat in self._seats if self._more()):
                self._wait()
                self._fill()
        except RayTaskError as error:
            raise self._explained(error) from None
        except RayError as error:
            raise UnfinishedError(f"the cluster was lost ({type(error).__name__}); run it again") from error
        finally:
            for seat in self._seats:
                ray.kill(seat.actor)
        return self.summary

    def _more(self) -> bool:
        """Tell whether a shard is left to hand out, taking it from the plan if need be."""
        if not self._back:
            following = next(self._shards, None)
            if following is not None:
                self._back.append(following)
        return bool(self._back)

    def _fill(self) -> None:
        for load in range(WINDOW):
            for seat in self._seats:
                if seat.awake and seat.load <= load and self._more():
                    shard = self._back.popleft()
                    self._flight[seat.actor.compute.remote(shard, self._settled(seat))] = (seat, shard)
                    seat.load += 1

    def _wait(self) -> None:
        waking = {seat.waking: seat for seat in self._seats if not seat.awake}
        done, _ = ray.wait([*self._flight, *waking], num_returns=1, timeout=READY_SECONDS)
        if not done and not self._flight:
            raise UnfinishedError(
                f"no worker started within {READY_SECONDS:.0f} s; the cluster lacks free CPUs or GPUs, "
                "run it again"
            )
        for reference in done:
            if reference in waking:
                self._greet(waking[reference])
            else:
                self._settle(reference)

    def _greet(self, seat: _Seat) -> None:
        try:
            hardware: Hardware = ray.get(seat.waking)
        except RayActorError as error:  # its constructor failed: Ray restarts an actor that was merely lost
            raise self._recorded(error) from None
        seat.awake = True
        self._settled(seat)
        self.on_ready(hardware, self.settled)

    def _settled(self, seat: _Seat) -> Settled:
        """Return what all workers run with; the first one to be asked measures it."""
        if self.settled is None and self._unmeasured is None:
            self.settled = settle_plan(self.plan, lambda shards: ray.get(seat.actor.settle.remote(shards)))
            if self.settled is None:  # no image can be used: all there is to do is to say so of each
                self._unmeasured = unmeasured(self.plan.resolved.study.attribution)
        settled = self.settled or self._unmeasured
        assert settled is not None
        return settled

    def _settle(self, reference: Any) -> None:
        seat, shard = self._flight.pop(reference)
        seat.load -= 1
        try:
            report: ShardReport = ray.get(reference)
        except RayActorError as error:
            self._put_back(seat, shard, error)
            return
        self.summary.shards += 1
        self.summary.images += report.images
        self.summary.rows += report.rows
        self.summary.quarantined += report.quarantined
        self.listener.advance(report.images, report.quarantined)

    def _put_back(self, seat: _Seat, shard: Shard, error: RayActorError) -> None:
        failures = self._failures[shard.name] = self._failures.get(shard.name, 0) + 1
        if failures > self.retries:
            raise UnfinishedError(
                f"shard {shard.name} of variant {shard.spec.variant_id} lost its worker {failures} times "
                f"(images {shard.images[0].image_id} to {shard.images[-1].image_id}; {_first_line(error)}); "
                "what is done is kept, run it again"
            )
        self._back.appendleft(shard)
        self.summary.retries += 1
        self.listener.retried()
        if seat.awake:
            seat.awake = False
            seat.waking = seat.actor.ready.remote()

    def _explained(self, error: RayTaskError) -> IgbatchError:
        """Turn what a worker raised into errors of ours: the study's as they are, others with a file."""
        return error.cause if isinstance(error.cause, IgbatchError) else self._recorded(error)

    def _recorded(self, error: RayError) -> WorkerError:
        """Keep the traceback of a worker's fault in a file of the output."""
        path = self.output.path("error.txt")
        self.output.put(path, "".join(traceback.format_exception(error)).encode())
        cause = getattr(error, "cause", error)
        return WorkerError(
            f"a worker failed: {type(cause).__name__}: {_last_line(cause)}; its traceback is in {path}"
        )


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _last_line(error: object) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else type(error).__name__
