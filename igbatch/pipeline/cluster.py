"""How many workers fit into a Ray cluster, what it lacks, and `map_shards`: plain tasks on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import ray

from igbatch.errors import IgbatchError, InputError, UnfinishedError, one_line
from igbatch.pipeline.devices import refuse_missing_gpu, workers_on_one
from igbatch.pipeline.packages import imported_packages, refuse_other_packages
from igbatch.pipeline.session import is_embedded
from igbatch.study import Run, WorkerRange

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_WAIT_SECONDS = 300.0
"""How long a run waits for what a cluster lacks: nodes have to start, workers to load torch and the model."""
MIN_IN_FLIGHT = 16
"""Tasks that wait at least, however small the cluster."""
CLUSTER_POLL_SECONDS = 5.0
"""How often a run checks whether the cluster has grown."""


@dataclass(frozen=True)
class Workers:
    """How many workers there are to be and what each holds.

    Attributes:
        count: the most there are to be.
        threads: CPUs and torch threads of each.
        device: a type of torch's, cpu or cuda.
        minimum: fewer than these do not do for long.
        follow: there may be more than `count` as the cluster grows.
        per_gpu: workers that share a GPU.
    """

    count: int
    threads: int
    device: str
    minimum: int = 1
    follow: bool = False
    per_gpu: int = 1

    @property
    def gpus(self) -> float:
        """The part of a GPU that each holds."""
        return 1 / self.per_gpu if self.device == "cuda" else 0


def size_workers(run: Run, recorded: Mapping[str, Mapping[str, Any]] | None = None) -> Workers:
    """Resolve `auto`: `per_gpu` workers for each GPU where there are any, else one for every `threads` CPUs.

    Where the study leaves threads open, they are those of an earlier run (`recorded` is `calibrations` of its
    `study.json`), else 1 on machines of up to 4 CPUs and 2 on larger ones: a small Swin gains little from
    more, and workers side by side keep all CPUs busy.

    Raises:
        InputError: no worker could ever start: an embedded Ray has fewer GPUs or CPUs than are requested, or
            `cuda` is requested on a cluster without a GPU and the number of workers is left to it.
    """
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
    if run.device == "cuda" and not gpus:
        _refuse_cuda(run.workers)
    device = "cuda" if run.device == "cuda" or (run.device == "auto" and gpus) else "cpu"
    known = (recorded or {}).get(device, {}).get("threads") if run.threads == "auto" else None
    threads = known or threads_per_worker(run.threads, cpus)
    workers = Workers(1, threads, device, per_gpu=workers_on_one(device, run.workers_per_gpu))
    if is_embedded():
        _refuse_unfitting(workers, run.workers, cpus, gpus, recorded=known is not None)
    if isinstance(run.workers, WorkerRange):
        return replace(workers, count=run.workers.maximum, minimum=run.workers.minimum)
    if run.workers == "auto":
        return replace(workers, count=worker_capacity(workers), follow=True)
    return replace(workers, count=run.workers)


def _refuse_cuda(count: int | str | WorkerRange) -> None:
    """Refuse a GPU where none is and none can come: a cluster may start some where workers are named."""
    if is_embedded():
        refuse_missing_gpu("cuda", "use run.device: auto or cpu, or --address of a cluster that has some")
        raise InputError(
            "run.device: cuda: Ray counts no GPU on this machine, though torch sees one; look at "
            "CUDA_VISIBLE_DEVICES, or use run.device: cpu"
        )
    if count == "auto":
        raise InputError(
            "run.device: cuda: the cluster has no GPU; use auto or cpu, or say run.workers where the cluster "
            "starts GPUs on demand"
        )


def _refuse_unfitting(
    workers: Workers, count: int | str | WorkerRange, cpus: int, gpus: int, recorded: bool
) -> None:
    """Refuse workers that will never fit on this machine."""
    threads = workers.threads
    if threads > cpus and not recorded:
        raise InputError(f"run.threads: {threads}: this machine has {cpus} CPU(s); say {cpus} at most")
    if threads > cpus:
        raise InputError(
            f"run.threads: auto: workers of this output had {threads} threads before, this machine has "
            f"{cpus} CPU(s); take a larger one, or say run.threads={cpus} (last digits of maps then differ)"
        )
    fitting = cpus // threads
    if workers.device == "cuda":
        fitting = min(fitting, gpus * workers.per_gpu)
    if isinstance(count, WorkerRange) and count.minimum > fitting:
        raise InputError(
            f"run.workers.minimum: {count.minimum}: this machine has room for {fitting} worker(s) of "
            f"{threads} thread(s); say fewer of either"
        )


def worker_capacity(workers: Workers) -> int:
    """Return how many workers of this kind the cluster could hold if nothing else ran on it, 1 at least."""
    resources = ray.cluster_resources()
    if workers.device == "cuda":
        return max(1, int(resources.get("GPU", 0)) * workers.per_gpu)
    return max(1, int(resources.get("CPU", 1)) // workers.threads)


def lacking(cpus: int, gpus: float) -> str:
    """Return in words what the cluster lacks for a worker or task of this size, or that it lacks nothing."""
    whole, free = ray.cluster_resources(), ray.available_resources()
    for name, count in (("GPU", gpus), ("CPU", cpus)):
        has, left = whole.get(name, 0.0), free.get(name, 0.0)
        if has < count:
            return f"each takes {count:g} {name}(s), and the whole cluster has {has:.0f}"
        if left < count:
            return f"each takes {count:g} {name}(s), and {left:g} of the cluster's {has:.0f} are free"
    return "the cluster has room, and they are being started"


def why_restarted(actor: Any) -> str | None:
    """Return the last line of a process that Ray started an actor again after, None where it did not.

    Without a dashboard only Ray's own modules know, and only of workers on this machine: elsewhere no reason
    is known.
    """
    with suppress(Exception):
        if int(ray._private.state.actors(actor._actor_id.hex())["NumRestarts"]) > 0:
            return _last_words() or "it left no message here"
    return None


def _last_words() -> str | None:
    """Return what a process of this job that is gone wrote last to its standard error."""
    node: Any = ray._private.worker._global_node
    job = f":job_id:{ray.get_runtime_context().get_job_id()}"
    files = Path(node.get_logs_dir_path()).glob("worker-*.err")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        lines = file.read_text("utf-8", errors="replace").splitlines()
        message = [line for line in lines if line.strip() and not line.startswith(":")]  # Ray's own marks
        if message and job in lines and not _is_alive(int(file.stem.rpartition("-")[2])):
            return one_line(message[-1], limit=300)
    return None


def _is_alive(process_id: int) -> bool:
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def threads_per_worker(threads: int | str, cpus: int) -> int:
    """Return the threads of a worker on a machine or cluster of so many CPUs."""
    return int(threads) if threads != "auto" else (1 if cpus <= 4 else 2)


def tasks_in_flight() -> int:
    """Return how many tasks keep all CPUs of the cluster busy while results are taken in order."""
    return max(MIN_IN_FLIGHT, 2 * int(ray.cluster_resources().get("CPU", 1)))


def map_shards(
    function: Callable[[Item], Result],
    shards: Iterable[Item],
    in_flight: int | None = None,
    *,
    cpus: int = 1,
    gpus: float = 0,
) -> Iterator[Result]:
    """Apply a pure function to each shard in Ray tasks, near free CPUs, and yield the results in order.

    Reducing and statistics reach the cluster through this function alone. At most `in_flight` tasks wait,
    by default `tasks_in_flight` as of the first one. Each takes `cpus` and `gpus`.

    Raises:
        InputError: a node imports other packages than the driver.
        UnfinishedError: the cluster was lost, or cannot run such a task for `MAX_WAIT_SECONDS`.
    """
    driver = imported_packages()

    def checked(shard: Item) -> Result:
        refuse_other_packages(driver)
        return function(shard)

    task = ray.remote(num_cpus=cpus, num_gpus=gpus)(checked)
    limit = in_flight or tasks_in_flight()
    waiting: list[Any] = []
    try:
        for shard in shards:
            waiting.append(task.remote(shard))
            if len(waiting) >= limit:
                yield _result(waiting.pop(0), cpus, gpus)
        for reference in waiting:
            yield _result(reference, cpus, gpus)
    except ray.exceptions.RayTaskError as error:
        ours = isinstance(error.cause, IgbatchError | OSError)  # Ray's twin of it has a traceback for text
        raise error.cause if ours else error.as_instanceof_cause() from None
    except ray.exceptions.RayError as error:
        raise UnfinishedError(f"the cluster was lost ({type(error).__name__}); run it again") from error


def _result(reference: Any, cpus: int, gpus: float) -> Any:
    """Return the result of a task, and do not wait for ever on a cluster that could never run it."""
    short = time.monotonic()
    while not ray.wait([reference], timeout=CLUSTER_POLL_SECONDS)[0]:
        whole = ray.cluster_resources()
        if whole.get("CPU", 0.0) >= cpus and whole.get("GPU", 0.0) >= gpus:
            short = time.monotonic()
        elif time.monotonic() - short > MAX_WAIT_SECONDS:
            raise UnfinishedError(
                f"no task could run for {MAX_WAIT_SECONDS:.0f} s: {lacking(cpus, gpus)}; when that is "
                "mended, run it again"
            )
    return ray.get(reference)
