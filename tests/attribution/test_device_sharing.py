"""Streams in threads that share a device: each as if it were alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from igbatch.attribution import Example, Settings
from igbatch.attribution.device_sharing import DeviceLock, HostCopy
from igbatch.attribution.engine import attribute_forward

CPU = torch.device("cpu")


def examples(seed: int, count: int = 6) -> list[Example]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Example(torch.randn(3, 8, 8, generator=generator), torch.zeros(3, 8, 8), torch.tensor([0, 1]))
        for _ in range(count)
    ]


def maps(precision: str, seed: int, device_lock: DeviceLock, seen: set[str]) -> dict[int, Tensor]:
    weights = torch.randn(192, 3, generator=torch.Generator().manual_seed(7))

    def forward(points: Tensor, example_indices: Tensor) -> Tensor:
        before = torch.backends.mkldnn.matmul.fp32_precision
        time.sleep(0.002)  # another thread would come in between
        assert torch.backends.mkldnn.matmul.fp32_precision == before
        seen.add(before)
        return torch.tanh(points.flatten(1) @ weights)

    settings = Settings(steps="auto", precision=precision, micro_batch=4)
    done = attribute_forward(forward, examples(seed), settings, device_lock=device_lock)
    return {each.index: each.attributions for each in done}


def test_streams_in_threads_have_the_bits_and_the_switches_of_streams_alone() -> None:
    switches: dict[str, set[str]] = {"float32": set(), "tensorfloat32": set()}
    alone = {name: maps(name, seed, DeviceLock(), set()) for seed, name in enumerate(switches)}
    device_lock = DeviceLock()
    with ThreadPoolExecutor(2) as pool:
        found = {
            name: pool.submit(maps, name, seed, device_lock, seen)
            for seed, (name, seen) in enumerate(switches.items())
        }
    for name, future in found.items():
        assert all(torch.equal(each, alone[name][index]) for index, each in future.result().items())
    assert switches == {"float32": {"ieee"}, "tensorfloat32": {"tf32"}}


def test_one_launches_at_a_time_and_rounds_that_overlap_count_once() -> None:
    device_lock, launching, peak = DeviceLock(), [0], [0]
    barrier = threading.Barrier(3)

    def rounds() -> None:
        barrier.wait()
        for _ in range(5):
            with device_lock.round():
                with device_lock.launch:
                    launching[0] += 1
                    peak[0] = max(peak[0], launching[0])
                    with device_lock.passes(CPU):
                        time.sleep(0.005)
                    launching[0] -= 1
                time.sleep(0.005)

    start = time.perf_counter()
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(rounds) for _ in range(3)]:
            future.result()
    elapsed = time.perf_counter() - start
    assert peak == [1]
    assert 0.075 <= device_lock.pass_seconds <= device_lock.busy_seconds <= elapsed
    idle = device_lock.busy_seconds
    time.sleep(0.02)
    assert device_lock.busy_seconds == idle


def test_a_round_that_fails_gives_the_turn_back() -> None:
    device_lock = DeviceLock()
    for _ in range(2):
        with pytest.raises(RuntimeError), device_lock.round(), device_lock.launch, device_lock.passes(CPU):
            raise RuntimeError
    with device_lock.launch:
        pass


def test_numbers_come_as_they_are() -> None:
    numbers = torch.tensor([1.0, float("nan"), -0.0], dtype=torch.float64)
    copied = HostCopy(numbers).wait()
    assert copied.tobytes() == numbers.numpy().tobytes()
