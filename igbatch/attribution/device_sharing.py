"""Share one device between several streams: one launches work at a time, and busy time is measured."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class HostCopy:
    """Numbers on their way from a device to the host; nothing waits for them before `wait`."""

    def __init__(self, numbers: Tensor) -> None:
        self._copied: Callable[[], None] = lambda: None
        if numbers.device.type == "cuda":
            self._there = numbers.to("cpu", non_blocking=True)  # torch pins what it copies to
            event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(numbers.device))
            self._copied = event.synchronize
        else:
            self._there = numbers.cpu()

    def wait(self) -> NDArray[np.float64]:
        """Return the numbers as soon as they are there."""
        self._copied()
        return np.asarray(self._there.numpy())


class DeviceLock:
    """DeviceLock on a device, for threads that each attribute a stream.

    What a thread launches may change switches that are the process's own (TF32) and buffers that graphs read,
    so one launches at a time. While it waits for its numbers and thinks about them, others launch.

    Attributes:
        launch: held by the one that launches.
        busy_seconds: in which some round was under way on the device, so far.
    """

    def __init__(self) -> None:
        self.launch = threading.Lock()
        self.busy_seconds = 0.0
        self._pass_seconds = 0.0
        self._timed: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()
        self._counts = threading.Lock()
        self._rounds = 0
        self._since = 0.0

    @contextmanager
    def round(self) -> Iterator[None]:
        """Count the block as time in which the device has work."""
        with self._counts:
            if not self._rounds:
                self._since = time.perf_counter()
            self._rounds += 1
        try:
            yield
        finally:
            with self._counts:
                self._rounds -= 1
                if not self._rounds:
                    self.busy_seconds += time.perf_counter() - self._since

    @contextmanager
    def passes(self, device: torch.device) -> Iterator[None]:
        """Count the block as passes: by the device's own clock where it works by itself."""
        if device.type == "cuda":
            event: Any = torch.cuda.Event  # whose constructor has no types
            begun, ended = event(enable_timing=True), event(enable_timing=True)
            stream = torch.cuda.current_stream(device)
            begun.record(stream)
            yield
            ended.record(stream)
            self._timed.append((begun, ended))
            return
        start = time.perf_counter()
        yield
        self._pass_seconds += time.perf_counter() - start

    @property
    def pass_seconds(self) -> float:
        """What passes took so far, forward and backward; a device is waited for."""
        while self._timed:
            begun, ended = self._timed.popleft()
            ended.synchronize()
            self._pass_seconds += begun.elapsed_time(ended) / 1e3
        return self._pass_seconds
