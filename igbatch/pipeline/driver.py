"""The driver of the Ray stage: assigns shards to workers, and retries those whose workers failed.

Workers commit the shards themselves; the driver holds counts and no rows.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, cast

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
from igbatch.pipeline.devices import SHARDS_AT_ONCE
from igbatch.pipeline.messages import (
    Calibration,
    Fault,
    Hardware,
    Listener,
    RunSummary,
    ShardReport,
    calibrate_plan,
)
from igbatch.pipeline.metrics import DriverMetrics
from igbatch.pipeline.node_checks import Probe, require_node_access
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.queue import ShardQueue
from igbatch.pipeline.retry import Deadline, RetryPolicy
from igbatch.pipeline.rows import quarantine_row
from igbatch.pipeline.worker import MakeComputer, SharedStudy, actor_class, window
from igbatch.pipeline.worker_pool import POLL_SECONDS, WorkerPool, WorkerSlot, kill_worker
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output

SCALE_SECONDS = 2.0
"""How often the driver scales its pool while no worker answers."""
PROGRESS_SECONDS = 2.0
"""How often workers are asked how many images they have attributed."""
CALIBRATION_SECONDS = 3600.0
_NAMING = ("class_name", "actor_id", "pid", "namespace", "ip", "name")


@dataclass(eq=False)
class AttributionDriver:
    """Runs the shards of a plan over a pool of actors.

    An actor that dies is started again by Ray, on any node where it fits; `RetryPolicy` decides which of its
    shards are tried again. A fault of the program itself, or of the study, stops the run.

    Attributes:
        plan: what is left to compute.
        output: the study's.
        workers: how many, and what each of them holds.
        calibration: that of an earlier run; the first worker measures it where it is None.
        listener: is called with the progress.
        make_computer: makes what computes shards, in each worker; None: `ShardComputer`.
        probe: what each worker has to see.
        check: is called in every round of the loop; raises what is to end the run.
        on_ready: is called with the hardware of each worker, and what all run with.
        say: takes a line about a failure and what is done about it.
    """

    plan: Plan
    output: Output
    workers: Workers
    calibration: Calibration | None
    listener: Listener = lambda summary: None
    _: KW_ONLY
    make_computer: MakeComputer | None = None
    probe: Probe | None = None
    check: Callable[[], None] = lambda: None
    on_ready: Callable[[Hardware, Calibration | None], None] = lambda hardware, calibration: None
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        run, workers = self.plan.resolved.study.run, self.workers
        self.summary = RunSummary(total=self.plan.missing_images)
        self._measured = self.calibration is not None
        self._queue = ShardQueue(self.plan)
        self._retry_policy = RetryPolicy(run.retries)
        self._refused: set[str] = set()
        self._polled = time.monotonic()
        self._deadline = Deadline(None if run.shard_seconds == "auto" else run.shard_seconds)
        self._metrics = DriverMetrics(self.plan.resolved.study.name)
        kind = actor_class(workers)
        held = (SharedStudy(self.plan.resolved), self.output, workers.device, workers.threads)
        start = partial(kind.remote, *held, self.make_computer, self.probe)
        self.pool = WorkerPool(start, kill_worker, workers, self.say)
        self.pool.scale(len(self._queue))

    def run(self) -> RunSummary:
        """Compute every shard of the plan.

        Raises:
            InputError: a worker found the study to be wrong, or a node does not see what it must.
            WorkerError: a worker met a fault of the program; its traceback is in `error.txt` of the output.
            UnfinishedError: the cluster or the store was lost, or too few workers came.
        """
        self.listener(self.summary)
        try:
            while len(self._queue) or any(slot.work for slot in self.pool.slots):
                self.check()
                self.pool.scale(len(self._queue))
                self._metrics.workers(len(self.pool.ready))
                self._fill()
                self._wait()
        except RayTaskError as error:
            ours = isinstance(error.cause, IgbatchError)
            raise error.cause if ours else self._recorded(error) from None
        except RayError as error:
            raise UnfinishedError(f"the cluster was lost ({type(error).__name__}); run it again") from error
        finally:
            self.pool.close()
        return self.summary

    def _fill(self) -> None:
        for load in range(window(self.workers.device)):
            for slot in self.pool.ready:
                if len(slot.work) > load or not self._is_calibrated(slot):
                    continue
                if slot.work and self._queue.is_alone(slot.current_shard):
                    continue
                elsewhere = {other.held for other in self.pool.slots if other is not slot and other.held}
                shard = self._queue.take(slot.held, elsewhere, idle=not slot.work)
                if shard is not None:
                    slot.assign(slot.actor.compute.remote(shard, self.calibration), shard)

    def _wait(self) -> None:
        starting = {slot.pending_ready: slot for slot in self.pool.slots if slot.pending_ready is not None}
        working = {reference: slot for slot in self.pool.slots for reference in slot.work}
        if not starting and not working:
            time.sleep(POLL_SECONDS)
            return
        self._poll_progress()
        answering = all(slot.ready or slot.pending_ready for slot in self.pool.slots)
        timeout = SCALE_SECONDS if answering else POLL_SECONDS
        done, _ = ray.wait([*working, *starting], num_returns=1, timeout=timeout)
        for reference in done:
            if reference in starting:
                self._on_worker_ready(starting[reference])
            elif reference in working[reference].work:  # not lost meanwhile
                self._receive(working[reference], reference)
        self._end_hung()

    def _poll_progress(self) -> None:
        """Ask workers for their progress within shards, if that is due, and pass it to the listener."""
        now = time.monotonic()
        if now - self._polled < PROGRESS_SECONDS:
            return
        self._polled = now
        self.summary.under_way = sum(slot.poll_progress() for slot in self.pool.ready)
        self.listener(self.summary)

    def _on_worker_ready(self, slot: WorkerSlot) -> None:
        try:
            hardware, slot.node, unseen = ray.get(slot.pending_ready)
        except ActorUnavailableError:
            slot.poll_later()
            return
        except RayActorError as error:  # its constructor failed: Ray restarts an actor that was merely lost
            raise self._recorded(error) from None
        require_node_access({f"{hardware.node} {slot.node[:8]}": unseen})
        slot.ready, slot.pending_ready = True, None
        if self._is_calibrated(slot):
            self.on_ready(hardware, self.calibration)

    def _is_calibrated(self, slot: WorkerSlot) -> bool:
        """Let the first worker measure what all workers run with; return whether that is done."""
        if self._measured or not slot.ready:
            return self._measured

        def measure(shards: Any, ahead: int) -> Calibration | None:
            reference = slot.actor.calibrate.remote(shards, ahead)
            return cast(Calibration | None, ray.get(reference, timeout=CALIBRATION_SECONDS))

        try:
            self.calibration = calibrate_plan(self.plan, measure)
        except (RayActorError, GetTimeoutError) as error:
            if isinstance(error, GetTimeoutError):
                ray.kill(slot.actor, no_restart=False)
            self._retry_policy.not_at_fault(self.plan.samples(1)[0], one_line(error, limit=160))
            slot.restart()
            return False
        self._measured = True  # also where no image can be used: all there is to do is to say so of each
        return True

    def _receive(self, slot: WorkerSlot, reference: Any) -> None:
        """Take the report of a shard, or retry what failed."""
        try:
            report: ShardReport | Fault = ray.get(reference)
        except (RayActorError, OutOfMemoryError) as error:
            self._lost(slot, error)
            return
        shard = slot.finish(reference)
        if isinstance(report, Fault):
            self._fault(slot, shard, report)
            return
        self._deadline.learn(report.seconds, report.images)
        self.summary.add(report)
        if report.refused is not None and report.refused not in self._refused:
            self._refused.add(report.refused)
            self.say(f"warning: {report.refused}")
        self.listener(self.summary)

    def _fault(self, slot: WorkerSlot, shard: Shard, fault: Fault) -> None:
        if fault.kind == "full":
            raise UnfinishedError(
                f"{self.output.uri}: no space is left ({fault.message}); what is done is kept, "
                "free some space and run it again"
            )
        if fault.kind == "store":
            pause = self._retry_policy.not_at_fault(shard, fault.message)
            self._put_back(shard, [shard], fault.message, pause)
            return
        lacking = f"not enough memory: {fault.message}"
        self._put_back(shard, self._retry_policy.at_fault(shard), lacking, alone=True)
        ray.kill(slot.actor, no_restart=False)  # starts anew with memory in one piece
        for other in slot.restart():
            self._queue.put_back(other)

    def _lost(self, slot: WorkerSlot, error: RayError) -> None:
        """Put back the shards of an actor that died, several of them to be tried one at a time."""
        reason = slot.killed or _reason(error)
        not_at_fault = self._node_lost(slot, error)
        hung = slot.killed is not None
        first, *others = slot.restart()
        if others and not not_at_fault and not (hung and SHARDS_AT_ONCE[self.workers.device] == 1):
            for shard in (first, *others):
                self._queue.put_back(shard, alone=True)
                self._count_retry()
            count = len(others) + 1
            self.say(f"{first.spec.variant_id}: {reason}; its {count} shards are tried one at a time")
            return
        if not_at_fault:
            self._retry_policy.not_at_fault(first, reason)
            self._put_back(first, [first], reason)
        else:
            self._put_back(first, self._retry_policy.at_fault(first), reason, alone=True)
        for shard in others:
            self._queue.put_back(shard)

    def _node_lost(self, slot: WorkerSlot, error: RayError) -> bool:
        if slot.killed is not None:
            return False
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return "node has died" in str(error) or getattr(error, "preempted", False) or slot.node not in alive

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
        """Commit a shard whose one image kills its worker, with nothing but rows of quarantine."""
        (image,) = shard.images
        whole = len(shard.targets) == len(self.plan.resolved.target_names)
        with ShardWriter(self.output, shard.spec.variant_id, shard.name, shard.fingerprint) as writer:
            for target in (None,) if whole else shard.targets:
                error = f"its workers were lost: {reason}"
                writer.add_quarantine([quarantine_row(image.image_id, image.etag, target, "worker", error)])
            writer.commit()
        self.summary.add(ShardReport(shard.name, 1, quarantined=len(shard.targets)))
        self.listener(self.summary)

    def _end_hung(self) -> None:
        """Kill the workers that take longer over a shard than they may; Ray starts them again."""
        now = time.monotonic()
        for slot in self.pool.ready:
            if slot.work and slot.killed is None:
                limit = self._deadline.limit(slot.current_shard)
                if now - slot.since > limit:
                    slot.killed = f"it took more than {limit:.0f} s (run.shard_seconds)"
                    ray.kill(slot.actor, no_restart=False)

    def _recorded(self, error: RayError) -> WorkerError:
        """Keep the traceback of a worker's fault in a file of the output."""
        path = self.output.path("error.txt")
        self.output.put(path, "".join(traceback.format_exception(error)).encode())
        cause = getattr(error, "cause", error)
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        last = lines[-1][:200] if lines else type(cause).__name__
        return WorkerError(f"a worker failed: {type(cause).__name__}: {last}; its traceback is in {path}")


def _reason(error: object) -> str:
    """Return in one line why an actor died: Ray's message without the lines that name the actor.

    Of one that is being started again, Ray's message is no more than that it does not answer.
    """
    if isinstance(error, ActorUnavailableError):
        return "its worker died"
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    reasons = [line for line in lines if line.split(":")[0] not in _NAMING]
    return " ".join(reasons[:2])[:300] if reasons else type(error).__name__
