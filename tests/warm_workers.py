"""Ray actors that tests use again: a new process imports torch and timm first, which takes it 5 s.

One that dies is started again by Ray as any other. Take cold ones (fixture `cold_workers`) where it matters
how a worker starts or holds resources.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import ray
from ray import cloudpickle

from igbatch.pipeline import cluster, driver, worker, worker_pool
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.worker import Worker
from igbatch.pipeline.worker_pool import WorkerSlot, kill_worker

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers find the installed packages alone

SECONDS = 20.0
THREADS = ("weights", "write", "decode")
"""What the names of a computer's own threads begin with."""


def warm(base: type[Worker]) -> type[Worker]:
    """Return a class of workers that may end their work and begin another, as new ones would.

    They are made with a file, which has the arguments for `base`: Ray starts an actor again with those of its
    first start, but the file has those of its last beginning.
    """

    class WarmWorker(base):  # type: ignore[misc, valid-type]
        def __init__(self, arguments: str) -> None:
            self.begin(arguments)

        def begin(self, arguments: str) -> None:
            """Become what a new worker is."""
            base.__init__(self, *cloudpickle.loads(Path(arguments).read_bytes()))

        def end(self) -> bool:
            """Forget the study; return whether nothing of it is left."""
            del self.computer, self._metrics
            gc.collect()
            left = [thread for thread in threading.enumerate() if thread.name.startswith(THREADS)]
            for thread in left:
                thread.join(timeout=1.0)
            return not any(thread.is_alive() for thread in left)

    return WarmWorker


class WarmWorkers:
    """Starts and stops workers as the driver asks, and keeps those that may begin again.

    `folder` is for their arguments.
    """

    def __init__(self, base: type[Worker], folder: Path) -> None:
        self._kind, self._folder = warm(base), folder
        self._arguments: dict[Any, Path] = {}
        """By the actors' ids."""
        self._free: list[Any] = []
        self._kept: set[Any] = set()
        """Ids of those that were free once."""

    def stand_in(self, patch: pytest.MonkeyPatch) -> None:
        """Let drivers start and stop their workers here."""
        patch.setattr(driver, "actor_class", self.actor_class)
        patch.setattr(driver, "kill_worker", self.stop)
        patch.setattr(worker_pool, "why_restarted", self.why_restarted)

    def actor_class(self, workers: Workers) -> Any:
        """Stand for `worker.actor_class`: no CPU is held while nobody uses them."""
        with mock.patch.object(worker, "Worker", self._kind):
            kind = worker.actor_class(workers).options(num_cpus=0)
        return SimpleNamespace(remote=partial(self._start, kind))

    def _start(self, kind: Any, *arguments: Any) -> Any:
        content = cloudpickle.dumps(arguments)
        while self._free:
            actor = self._free.pop()
            file = self._arguments[actor._actor_id]
            file.write_bytes(content)
            with suppress(ray.exceptions.RayError):
                ray.get(actor.begin.remote(str(file)), timeout=SECONDS)
                return actor
            ray.kill(actor)  # it was lost, or cannot begin: a new one says why, as any other
        file = self._folder / f"{len(self._arguments)}.pickle"
        file.write_bytes(content)
        actor = kind.remote(str(file))
        self._arguments[actor._actor_id] = file
        return actor

    def why_restarted(self, actor: Any) -> str | None:
        """Stand for `cluster.why_restarted`, but for deaths in an earlier run."""
        return None if actor._actor_id in self._kept else cluster.why_restarted(actor)

    def stop(self, slot: WorkerSlot) -> None:
        """Stand for `worker_pool.kill_worker`: let a worker end what it has begun, and keep it."""
        with suppress(ray.exceptions.RayError):
            begun = list(slot.work)
            done, _ = ray.wait(begun, num_returns=len(begun), timeout=SECONDS) if begun else ([], [])
            if len(done) == len(begun) and ray.get(slot.actor.end.remote(), timeout=SECONDS):
                self._free.append(slot.actor)
                self._kept.add(slot.actor._actor_id)
                return
        kill_worker(slot)
