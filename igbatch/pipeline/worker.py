"""The Ray actor: holds a variant on a device, takes a whole shard at a time, and commits it itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from igbatch.pipeline.compute import ShardComputer, ShardReport, device_name
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.settle import Settled
from igbatch.store.output import Output


@dataclass(frozen=True)
class Hardware:
    """What a worker runs on."""

    node: str
    device: str
    processor: str
    threads: int


class Worker:
    """Computes shards, one after the other; `actor_class` makes it an actor with its resources."""

    def __init__(self, resolved: ResolvedStudy, output: Output, device: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.threads = threads
        self.computer = ShardComputer(resolved, output, self.device)

    @ray.method(max_task_retries=-1)  # asked again by Ray for as long as the actor is being started elsewhere
    def ready(self) -> Hardware:
        """Answer once the worker can take shards."""
        return Hardware(platform.node(), device_name(self.device), _processor(), self.threads)

    @ray.method(max_task_retries=2)
    def settle(self, shards: Sequence[Shard]) -> Settled | None:
        """Measure what the study leaves open on this device; None where no image can be used."""
        return self.computer.settle(shards)

    def compute(self, shard: Shard, settled: Settled) -> ShardReport:
        """Compute and commit one shard."""
        return self.computer.compute(shard, settled)

    def process_id(self) -> int:
        """Return the operating system's id of the worker's process."""
        return os.getpid()


def actor_class(device: str, threads: int) -> Any:
    """Return the actor class; Ray starts a dead actor again, and the driver puts its shards back."""
    return ray.remote(
        num_cpus=threads, num_gpus=1 if device == "cuda" else 0, max_restarts=-1, max_task_retries=0
    )(Worker)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} x {len(names)}" if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
