"""Ray actors that tests use again: a new process imports torch and timm first, which takes it 5 s.

Take cold ones (fixture `cold_workers`) where it matters how a worker starts, dies or holds resources.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import ray
from ray import cloudpickle

from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.worker import Worker, window
from igbatch.pipeline.worker_pool import WorkerSlot, kill_worker

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers find the installed packages alone

SECONDS = 20.0
THREADS = ("weights", "write", "decode")
"""What the names of a computer's own threads begin with."""


class WarmWorker(Worker):
    """A worker that may end its work and begin another, as a new one would."""

    def end(self) -> bool:
        """Forget the study; return whether nothing of it is left."""
        del self.computer, self._metrics
        gc.collect()
        left = [thread for thread in threading.enumerate() if thread.name.startswith(THREADS)]
        for thread in left:
            thread.join(timeout=1.0)
        return not any(thread.is_alive() for thread in left)

    def begin(self, *arguments: Any) -> None:
        """Become what `Worker(*arguments)` is."""
        Worker.__init__(self, *arguments)


class WarmWorkers:
    """Starts and stops workers as the driver asks, and keeps those that may begin again."""

    def __init__(self) -> None:
        self._free: list[Any] = []

    def actor_class(self, workers: Workers) -> Any:
        """Stand for `worker.actor_class`: no CPU is held while nobody uses them, and each dies but once."""
        kind = ray.remote(
            num_cpus=0, max_concurrency=window(workers.device), concurrency_groups={"watching": 1}
        )(WarmWorker)
        return SimpleNamespace(remote=partial(self._start, kind))

    def _start(self, kind: Any, *arguments: Any) -> Any:
        while self._free:
            actor = self._free.pop()
            with suppress(ray.exceptions.RayError):
                ray.get(actor.begin.remote(*arguments), timeout=SECONDS)
                return actor
            ray.kill(actor)  # it was lost, or cannot begin: a new one says why, as any other
        return kind.remote(*arguments)

    def stop(self, slot: WorkerSlot) -> None:
        """Stand for `worker_pool.kill_worker`: let a worker end what it has begun, and keep it."""
        with suppress(ray.exceptions.RayError):
            begun = list(slot.work)
            done, _ = ray.wait(begun, num_returns=len(begun), timeout=SECONDS) if begun else ([], [])
            if len(done) == len(begun) and ray.get(slot.actor.end.remote(), timeout=SECONDS):
                self._free.append(slot.actor)
                return
        kill_worker(slot)
