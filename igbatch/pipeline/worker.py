"""The Ray actor: holds a variant on a device, computes whole shards, and commits them itself."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ray

from igbatch.errors import ImageError, InputError, one_line
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.devices import SHARDS_AT_ONCE, refuse_missing_gpu
from igbatch.pipeline.messages import Calibration, Fault, Hardware, ShardReport
from igbatch.pipeline.metrics import WorkerMetrics
from igbatch.pipeline.node_checks import Probe
from igbatch.pipeline.packages import refuse_other_packages
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.store.output import Output

if TYPE_CHECKING:
    from igbatch.pipeline.compute import ShardComputer

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


MakeComputer = Callable[[ResolvedStudy, Output, str], "ShardComputer"]
"""Makes what computes shards on a device: a stand-in for `ShardComputer`, or one that does more."""


class SharedStudy:
    """A resolved study in Ray's object store, where it stays as long as the process of its driver.

    It may have thousands of classes, and Ray drops large arguments of a constructor once their actor has died
    twice (ray-project/ray#53727). So workers are given where the study lies, in bytes that Ray takes for no
    reference.
    """

    def __init__(self, resolved: ResolvedStudy) -> None:
        self._place: bytes = ray.cloudpickle.dumps(ray.put(resolved))

    def get(self) -> ResolvedStudy:
        """Return the study."""
        resolved: ResolvedStudy = ray.get(ray.cloudpickle.loads(self._place))
        return resolved


class Worker:
    """Computes shards, a thread for each; `actor_class` makes it an actor with its resources."""

    def __init__(
        self,
        study: SharedStudy,
        output: Output,
        device: str,
        threads: int,
        make_computer: MakeComputer | None = None,
        probe: Probe | None = None,
    ) -> None:
        self.threads, self.probe = threads, probe
        self._refusal: InputError | None = None
        try:  # what a constructor raises, Ray hands on as text only
            if probe is not None:
                refuse_other_packages(probe.packages)  # before any of them is imported
            refuse_missing_gpu(device, "use run.device: cpu")
        except InputError as error:
            self._refusal = error
            return
        resolved = study.get()
        self._device_name, self.computer = self._start(resolved, output, device, make_computer)
        self._metrics = WorkerMetrics(resolved.study.name, self._device_name)

    def _start(
        self, resolved: ResolvedStudy, output: Output, device: str, make_computer: MakeComputer | None
    ) -> tuple[str, ShardComputer]:
        """Import torch, once nothing is refused; return the name of the device and what computes on it."""
        import torch

        from igbatch.pipeline.compute import ShardComputer, device_name

        torch.set_num_threads(self.threads)
        name = device_name(torch.device(device))
        return name, (make_computer or ShardComputer)(resolved, output, device)

    def ready(self) -> tuple[Hardware, str, list[str]]:
        """Answer once the worker can take shards: its hardware, its node's id, and what it does not see.

        Raises:
            InputError: it imports other packages than the driver, or has not the device.
        """
        if self._refusal is not None:
            raise self._refusal
        hardware = Hardware(platform.node(), self._device_name, _processor(), self.threads)
        node: str = ray.get_runtime_context().get_node_id()
        return hardware, node, self.probe.unseen() if self.probe else []

    @ray.method(max_task_retries=2)
    def calibrate(self, shards: Sequence[Shard], ahead: int) -> Calibration | None:
        """Measure what the study leaves open on this device; None where no image can be used."""
        return self.computer.calibrate(shards, ahead)

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport | Fault:
        """Compute and commit one shard; faults of the program are raised."""
        try:
            report = self.computer.compute(shard, calibration)
        except (MemoryError, RuntimeError, OSError) as error:
            fault = fault_of(error)
            if fault is None:
                raise
            return fault
        self._metrics.shard(report)
        return report

    @ray.method(concurrency_group="watching")
    def under_way(self) -> int:
        """Return how many images are attributed of shards that are not committed yet."""
        return self.computer.under_way()

    @ray.method(concurrency_group="watching")
    def process_id(self) -> int:
        """Return the operating system's id of the worker's process."""
        return os.getpid()


def fault_of(error: BaseException) -> Fault | None:
    """Return what of the machine failed, None where it was the program, the image or the study."""
    text = one_line(error, limit=300)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _says_out_of_memory(error)):
        return Fault("memory", text or "MemoryError")
    if isinstance(error, OSError) and not isinstance(error, ImageError):
        full = error.errno in _FULL or "No space left" in text
        return Fault("full" if full else "store", text)
    return None


def _says_out_of_memory(error: RuntimeError) -> bool:
    from igbatch.attribution.wave import out_of_memory  # a driver does without torch

    return out_of_memory(error)


def window(device: str) -> int:
    """Return how many shards a worker has at a time: those that it attributes and the next."""
    return SHARDS_AT_ONCE[device] + 1


def actor_class(workers: Workers) -> Any:
    """Return the actor class; Ray starts a dead actor again, and the driver puts its shards back."""
    options: dict[str, Any] = {
        "num_cpus": workers.threads, "num_gpus": workers.gpus, "max_restarts": -1, "max_task_retries": 0,
        "max_concurrency": window(workers.device), "concurrency_groups": {"watching": 1},
    }  # fmt: skip
    return ray.remote(**options)(Worker)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} x {len(names)}" if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
