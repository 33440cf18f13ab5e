"""The Ray cluster: one that is there, or one of our own while the run lasts; and plain tasks on it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from igbatch.errors import InputError, UnfinishedError, one_line
from igbatch.signals import end_on_sigterm
from igbatch.study import WorkerRange

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray

Item = TypeVar("Item")
Result = TypeVar("Result")
OBJECT_STORE_BYTES = 256 * 1024 * 1024
"""Shared memory of an embedded Ray: shards and reports are small, and maps never pass through it."""

FEWEST_IN_FLIGHT = 16
"""Tasks that wait at least, however small the cluster."""


@dataclass(frozen=True)
class Workers:
    """How many workers there are to be and what each holds.

    Attributes:
        count: the most there are to be.
        threads: CPUs and torch threads of each.
        device: a type of torch's, cpu or cuda.
        minimum: fewer than these do not do for long.
        follow: there may be more than `count` as the cluster grows.
    """

    count: int
    threads: int
    device: str
    minimum: int = 1
    follow: bool = False


@contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Connect to the cluster at `address` or RAY_ADDRESS, or start an embedded one and stop it afterwards.

    Inside a process that is connected already, that connection is used and left open.

    Raises:
        InputError: no cluster answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "igbatch"}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **quiet
            )
    except (ConnectionError, ValueError) as error:
        reason = one_line(error, limit=160)
        raise InputError(
            f"--address {address}: no Ray cluster answers ({reason}); start one, leave it out, or set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH where it asks for a token"
        ) from None
    end_on_sigterm()
    try:
        yield
    finally:
        ray.shutdown()


def size_workers(device: str, count: int | str | WorkerRange, threads: int | str) -> Workers:
    """Settle `auto`: a worker for each GPU where there are any, and otherwise one for every `threads` CPUs.

    Where threads are not said, they are 1 on machines of up to 4 CPUs and 2 on larger ones: a small Swin
    gains little from more, and workers side by side keep all CPUs busy.

    Raises:
        InputError: `cuda` is asked for, the cluster has no GPU, and the number of workers is left to it.
    """
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
    if device == "cuda" and not gpus and count == "auto":
        raise InputError(
            "run.device: cuda: the cluster has no GPU; use auto or cpu, or say run.workers where the cluster "
            "starts GPUs on demand"
        )
    chosen = "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
    per_worker = threads_per_worker(threads, cpus)
    if isinstance(count, WorkerRange):
        return Workers(count.maximum, per_worker, chosen, count.minimum)
    if count == "auto":
        fitting = Workers(1, per_worker, chosen, follow=True)
        return replace(fitting, count=room_for_workers(fitting))
    return Workers(int(count), per_worker, chosen)


def room_for_workers(workers: Workers) -> int:
    """Return how many workers of this kind the cluster could hold if nothing else ran on it, 1 at least."""
    resources = ray.cluster_resources()
    if workers.device == "cuda":
        return max(1, int(resources.get("GPU", 0)))
    return max(1, int(resources.get("CPU", 1)) // workers.threads)


def threads_per_worker(threads: int | str, cpus: int) -> int:
    """Return the threads of a worker on a machine or cluster of so many CPUs."""
    return int(threads) if threads != "auto" else (1 if cpus <= 4 else 2)


def tasks_in_flight() -> int:
    """Return how many tasks keep all CPUs of the cluster busy while results are taken in order."""
    return max(FEWEST_IN_FLIGHT, 2 * int(ray.cluster_resources().get("CPU", 1)))


def map_shards(
    function: Callable[[Item], Result],
    shards: Iterable[Item],
    in_flight: int | None = None,
    *,
    cpus: int = 1,
    gpus: int = 0,
) -> Iterator[Result]:
    """Apply a pure function to each shard in Ray tasks, near free CPUs, and yield the results in order.

    This is the door through which reducing and statistics reach the cluster. At most `in_flight` tasks wait,
    by default what `tasks_in_flight` says when the first one is started. Each takes `cpus` and `gpus`.

    Raises:
        UnfinishedError: the cluster was lost.
    """
    task = ray.remote(num_cpus=cpus, num_gpus=gpus)(function)
    most = in_flight or tasks_in_flight()
    waiting: list[Any] = []
    try:
        for shard in shards:
            waiting.append(task.remote(shard))
            if len(waiting) >= most:
                yield ray.get(waiting.pop(0))
        for reference in waiting:
            yield ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.as_instanceof_cause() from None
    except ray.exceptions.RayError as error:
        raise UnfinishedError(f"the cluster was lost ({type(error).__name__}); run it again") from error
