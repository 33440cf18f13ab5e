"""The driver of the Ray stage: hands shards to actors, judges what was lost with them, and keeps no rows."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import ray
from ray.exceptions import (
    ActorUnavailableError,
    GetTimeoutError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)

from igbatch.errors import IgbatchError, UnfinishedError, WorkerError, one_line
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.crew import ASK_SECONDS, Crew, Seat
from igbatch.pipeline.devices import SHARDS_AT_ONCE
from igbatch.pipeline.losses import Deadline, Losses
from igbatch.pipeline.metrics import DriverMetrics
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.queue import ShardQueue
from igbatch.pipeline.reports import Fault, Hardware, Listener, RunSummary, Settled, ShardReport, settle_plan
from igbatch.pipeline.rows import quarantine_row
from igbatch.pipeline.visibility import Probe, refuse_blind
from igbatch.pipeline.worker import MakeComputer, actor_class, window
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output

TEND_SECONDS = 2.0
"""How often the driver looks after its workers while none of them has anything to say."""
LOOK_SECONDS = 2.0
"""How often workers are asked how far they are."""
SETTLE_SECONDS = 3600.0
_NAMING = ("class_name", "actor_id", "pid", "namespace", "ip", "name")


@dataclass(eq=False)
class Attribution:
    """Runs the shards of a plan over a crew of actors.

    An actor that dies is started again by Ray, on any node that has room; what becomes of its shards is
    judged by `Losses`. A fault of the program itself, or of the study, stops the run.

    Attributes:
        plan: what is left to compute.
        output: the study's.
        workers: how many, and what each of them holds.
        settled: what an earlier run settled; the first worker measures it where it is None.
        listener: is told of progress.
        make_computer: makes what computes shards, in each worker; None: `ShardComputer`.
        probe: what each worker has to see.
        check: is called now and then; raises what is to end the run.
        on_ready: is told of the hardware of each worker, and what all run with.
        say: takes a line about what was lost and what becomes of it.
    """

    plan: Plan
    output: Output
    workers: Workers
    settled: Settled | None
    listener: Listener = lambda summary: None
    _: KW_ONLY
    make_computer: MakeComputer | None = None
    probe: Probe | None = None
    check: Callable[[], None] = lambda: None
    on_ready: Callable[[Hardware, Settled | None], None] = lambda hardware, settled: None
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        run, workers = self.plan.resolved.study.run, self.workers
        self.summary = RunSummary(total=self.plan.missing_images)
        self._measured = self.settled is not None
        self._queue = ShardQueue(self.plan)
        self._losses = Losses(run.retries)
        self._refused: set[str] = set()
        self._looked = time.monotonic()
        self._deadline = Deadline(None if run.shard_seconds == "auto" else run.shard_seconds)
        self._metrics = DriverMetrics(self.plan.resolved.study.name)
        kind = actor_class(workers)
        held = (self.plan.resolved, self.output, workers.device, workers.threads)
        self.crew = Crew(lambda: kind.remote(*held, self.make_computer, self.probe), workers, self.say)
        self.crew.tend(len(self._queue))

    def run(self) -> RunSummary:
        """Compute every shard of the plan.

        Raises:
            InputError: a worker found the study to be wrong, or a node does not see what it must.
            WorkerError: a worker met a fault of the program; its traceback is in `error.txt` of the output.
            UnfinishedError: the cluster or the store was lost, or too few workers came.
        """
        self.listener(self.summary)
        try:
            while len(self._queue) or any(seat.work for seat in self.crew.seats):
                self.check()
                self.crew.tend(len(self._queue))
                self._metrics.workers(len(self.crew.awake))
                self._fill()
                self._wait()
        except RayTaskError as error:
            ours = isinstance(error.cause, IgbatchError)
            raise error.cause if ours else self._recorded(error) from None
        except RayError as error:
            raise UnfinishedError(f"the cluster was lost ({type(error).__name__}); run it again") from error
        finally:
            self.crew.close()
        return self.summary

    def _fill(self) -> None:
        for load in range(window(self.workers.device)):
            for seat in self.crew.awake:
                if len(seat.work) > load or not self._is_settled(seat):
                    continue
                if seat.work and self._queue.is_alone(seat.at_work_on):
                    continue
                elsewhere = {other.held for other in self.crew.seats if other is not seat and other.held}
                shard = self._queue.take(seat.held, elsewhere, idle=not seat.work)
                if shard is not None:
                    seat.give(seat.actor.compute.remote(shard, self.settled), shard)

    def _wait(self) -> None:
        asleep = {seat.waking: seat for seat in self.crew.seats if seat.waking is not None}
        working = {reference: seat for seat in self.crew.seats for reference in seat.work}
        if not asleep and not working:
            time.sleep(ASK_SECONDS)
            return
        self._look()
        patience = TEND_SECONDS if all(seat.awake or seat.waking for seat in self.crew.seats) else ASK_SECONDS
        done, _ = ray.wait([*working, *asleep], num_returns=1, timeout=patience)
        for reference in done:
            if reference in asleep:
                self._greet(asleep[reference])
            elif reference in working[reference].work:  # not lost meanwhile
                self._receive(working[reference], reference)
        self._end_hung()

    def _look(self) -> None:
        """Ask workers now and then how far they are within their shards, and tell what they answered."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self.summary.under_way = sum(seat.watch() for seat in self.crew.awake)
        self.listener(self.summary)

    def _greet(self, seat: Seat) -> None:
        try:
            hardware, seat.node, unseen = ray.get(seat.waking)
        except ActorUnavailableError:
            seat.ask_later()
            return
        except RayActorError as error:  # its constructor failed: Ray restarts an actor that was merely lost
            raise self._recorded(error) from None
        refuse_blind({f"{hardware.node} {seat.node[:8]}": unseen})
        seat.awake, seat.waking = True, None
        if self._is_settled(seat):
            self.on_ready(hardware, self.settled)

    def _is_settled(self, seat: Seat) -> bool:
        """Let the first worker measure what all workers run with; tell whether that is done."""
        if self._measured or not seat.awake:
            return self._measured

        def measure(shards: Any, ahead: int) -> Settled | None:
            found: Settled | None = ray.get(seat.actor.settle.remote(shards, ahead), timeout=SETTLE_SECONDS)
            return found

        try:
            self.settled = settle_plan(self.plan, measure)
        except (RayActorError, GetTimeoutError) as error:
            if isinstance(error, GetTimeoutError):
                ray.kill(seat.actor, no_restart=False)
            self._losses.blameless(self.plan.samples(1)[0], one_line(error, limit=160))
            seat.restart()
            return False
        self._measured = True  # also where no image can be used: all there is to do is to say so of each
        return True

    def _receive(self, seat: Seat, reference: Any) -> None:
        """Take the report of a shard, or judge what was lost."""
        try:
            report: ShardReport | Fault = ray.get(reference)
        except (RayActorError, OutOfMemoryError) as error:
            self._lost(seat, error)
            return
        shard = seat.finish(reference)
        if isinstance(report, Fault):
            self._fault(seat, shard, report)
            return
        self._deadline.learn(report.seconds, report.images)
        self.summary.add(report)
        if report.refused is not None and report.refused not in self._refused:
            self._refused.add(report.refused)
            self.say(f"warning: {report.refused}")
        self.listener(self.summary)

    def _fault(self, seat: Seat, shard: Shard, fault: Fault) -> None:
        if fault.kind == "full":
            raise UnfinishedError(
                f"{self.output.uri}: no room is left ({fault.message}); what is done is kept, "
                "free some space and run it again"
            )
        if fault.kind == "store":
            pause = self._losses.blameless(shard, fault.message)
            self._put_back(shard, [shard], fault.message, pause)
            return
        lacking = f"not enough memory: {fault.message}"
        self._put_back(shard, self._losses.blamed(shard), lacking, alone=True)
        ray.kill(seat.actor, no_restart=False)  # starts anew with memory in one piece
        for other in seat.restart():
            self._queue.put_back(other)

    def _lost(self, seat: Seat, error: RayError) -> None:
        """Put back the shards of an actor that died; where it had several, each has to show what it does."""
        reason = seat.killed or _reason(error)
        blameless = self._node_lost(seat, error)
        hung = seat.killed is not None
        first, *others = seat.restart()
        if others and not blameless and not (hung and SHARDS_AT_ONCE[self.workers.device] == 1):
            for shard in (first, *others):
                self._queue.put_back(shard, alone=True)
                self._count_retry()
            count = len(others) + 1
            self.say(f"{first.spec.variant_id}: {reason}; its {count} shards are tried one at a time")
            return
        if blameless:
            self._losses.blameless(first, reason)
            self._put_back(first, [first], reason)
        else:
            self._put_back(first, self._losses.blamed(first), reason, alone=True)
        for shard in others:
            self._queue.put_back(shard)

    def _node_lost(self, seat: Seat, error: RayError) -> bool:
        if seat.killed is not None:
            return False
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return "node has died" in str(error) or getattr(error, "preempted", False) or seat.node not in alive

    def _put_back(
        self, shard: Shard, again: Sequence[Shard], reason: str, pause: float = 0.0, *, alone: bool = False
    ) -> None:
        """Put back what is tried again of a shard that failed, or give its one image up, and say so."""
        for part in again:
            self._queue.put_back(part, pause, alone=alone)
        if again:
            self._count_retry()
        else:
            self._give_up(shard, reason)
        fate = "halved" if len(again) > 1 else "put back" if again else "put in quarantine"
        images = shard.images[0].image_id
        if len(shard.images) > 1:
            images = f"{len(shard.images)} images, {images} to {shard.images[-1].image_id},"
        self.say(f"{shard.spec.variant_id}: {images} failed: {reason}; {fate}")

    def _count_retry(self) -> None:
        self.summary.retries += 1
        self._metrics.retried()
        self.listener(self.summary)

    def _give_up(self, shard: Shard, reason: str) -> None:
        """Commit a shard of one image that nobody can compute, with nothing but its quarantine."""
        (image,) = shard.images
        whole = len(shard.targets) == len(self.plan.resolved.target_names)
        with ShardWriter(self.output, shard.spec.variant_id, shard.name, shard.fingerprint) as writer:
            for target in (None,) if whole else shard.targets:
                said = f"its workers were lost: {reason}"
                writer.add_quarantine([quarantine_row(image.image_id, image.etag, target, "worker", said)])
            writer.commit()
        self.summary.images += 1
        self.summary.quarantined += len(shard.targets)
        self.listener(self.summary)

    def _end_hung(self) -> None:
        """Kill the workers that take longer over a shard than they may; Ray starts them again."""
        now = time.monotonic()
        for seat in self.crew.awake:
            if seat.work and seat.killed is None:
                limit = self._deadline.limit(seat.at_work_on)
                if now - seat.since > limit:
                    seat.killed = f"it took more than {limit:.0f} s (run.shard_seconds)"
                    ray.kill(seat.actor, no_restart=False)

    def _recorded(self, error: RayError) -> WorkerError:
        """Keep the traceback of a worker's fault in a file of the output."""
        path = self.output.path("error.txt")
        self.output.put(path, "".join(traceback.format_exception(error)).encode())
        cause = getattr(error, "cause", error)
        said = [line.strip() for line in str(cause).splitlines() if line.strip()]
        last = said[-1][:200] if said else type(cause).__name__
        return WorkerError(f"a worker failed: {type(cause).__name__}: {last}; its traceback is in {path}")


def _reason(error: object) -> str:
    """Say in one line why an actor died: what Ray says after the lines that name the actor.

    Of one that is being started again Ray says no more than that it does not answer.
    """
    if isinstance(error, ActorUnavailableError):
        return "its worker died"
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    told = [line for line in lines if line.split(":")[0] not in _NAMING]
    return " ".join(told[:2])[:300] if told else type(error).__name__
