"""A wave: the paths that are open at a time, whose nodes go through the model in full micro-batches.

Paths request their next nodes. Whole micro-batches are taken from the requests of all paths of the wave. New
paths are opened until the requests fill one round of micro-batches, and a path that is done leaves. So the
number of open paths, and with it the memory, is bounded, and micro-batches are full except for the last
images of a stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import torch
from torch import Tensor

from .adaptive_integrals import AdaptiveIntegrals
from .contrasts import Differences
from .device_sharing import DeviceLock
from .errors import AttributionError, is_whole
from .fixed_integrals import FixedIntegrals
from .graphs import Graphs
from .integral import Integral, Node
from .passes import Batch, Passes, Values

Integrals = AdaptiveIntegrals | FixedIntegrals
"""What becomes of the values at nodes. A path has a row to itself until its result is taken."""
Value = TypeVar("Value")
Queue = deque[tuple[int, Node]]
"""Requested nodes, each with the row of its path."""


@dataclass(frozen=True, eq=False)
class Path:
    """The straight line to one image, for some of its targets.

    Attributes:
        example: the index of the image in the stream.
        part, parts: which group of the image's targets this is, and how many there are.
        start, image: [...], its ends, on the device in the type of the passes.
        targets: int64 [K], or [K, 2] with contrasts, on the device.
        highest: the largest of the targets.
        differences: as those of `Batch`.
    """

    example: int
    part: int
    parts: int
    start: Tensor
    image: Tensor
    targets: Tensor
    highest: int
    differences: Differences = ()


class MicroBatchLimit:
    """The most batch rows that go through the model together; halved where memory runs out.

    Attributes:
        size: at present.
        batches: (batch rows, limit) of every pass forward and backward, to tell how full they were.
    """

    def __init__(self, size: int) -> None:
        if not is_whole(size) or size < 1:
            raise AttributionError(f"micro_batch={size!r}: give a whole number of 1 or more")
        self.size = int(size)
        self.batches: list[tuple[int, int]] = []

    def halve(self, error: Exception) -> None:
        """Halve the limit after an error that says that memory ran out; raise any other one."""
        if not out_of_memory(error):
            raise error
        if self.size == 1:
            first_line = str(error).partition("\n")[0]
            raise AttributionError(
                f"one batch row does not fit in memory ({first_line or type(error).__name__}):"
                " give a device with more memory, or a smaller model"
            ) from error
        self.size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class Wave:
    """Paths with the same number of targets and the same differences, and the nodes that they ask for.

    Args:
        passes: the integrand.
        integrals: what becomes of the nodes' values.
        limit: of batch rows, shared by all waves of a stream.
        graphs: what full micro-batches go through; None: eager passes.
        round_batches: micro-batches of a round. The more paths are judged at once, the less each costs.
        device_lock: on the device, where other threads use it too.
    """

    def __init__(
        self,
        passes: Passes,
        integrals: Integrals,
        limit: MicroBatchLimit,
        graphs: Graphs | None = None,
        round_batches: int = 1,
        device_lock: DeviceLock | None = None,
    ) -> None:
        self._passes = passes
        self._graphs = graphs or Graphs("eager")
        self._device_lock = device_lock or DeviceLock()
        self._rows = limit.size  # of a graph, also where memory runs out later
        self._integrals = integrals
        self._limit = limit
        self._round_batches = round_batches
        self._paths: dict[int, Path] = {}  # by row, the oldest first
        self._awaited: dict[int, int] = {}  # of each row, how many requested nodes have not come
        self._start = self._image = self._targets = torch.zeros(0)  # by row
        self._nodes: Queue = deque()
        self._ends: Queue = deque()

    @property
    def busy(self) -> bool:
        """Whether some path is open."""
        return bool(self._nodes or self._ends)

    @property
    def full(self) -> bool:
        """Whether the requested nodes fill the micro-batches of a round."""
        return len(self._nodes) >= self._round_batches * self._limit.size

    def open(self, path: Path) -> None:
        """Take a path in."""
        row = next(row for row in count() if row not in self._paths)
        self._reserve(row, path)
        self._paths[row] = path
        self._start[row], self._image[row], self._targets[row] = path.start, path.image, path.targets
        nodes, ends = self._integrals.open(row)
        self._awaited[row] = len(nodes) + len(ends)
        self._nodes.extend((row, node) for node in nodes)
        self._ends.extend((row, end) for end in ends)

    def round(self) -> Iterator[tuple[Path, Integral]]:
        """Evaluate as many whole micro-batches as are requested, one at least; yield paths that are done.

        Raises:
            AttributionError: the model's logits are not as they must be, or memory holds no batch row.
        """
        with self._device_lock.round():
            with self._device_lock.launch:
                with self._device_lock.passes(self._image.device):
                    self._evaluate()
                complete = [row for row in self._paths if not self._awaited[row]]
                if not complete:
                    return
                copy = self._integrals.launch(complete)
            numbers = copy.wait()
        requested = self._integrals.advance(complete, numbers)
        for row, nodes in reversed(list(zip(complete, requested, strict=True))):
            self._awaited[row] = len(nodes)
            self._nodes.extendleft((row, node) for node in reversed(nodes))  # before what younger paths ask
        for row, nodes in zip(complete, requested, strict=True):
            if not nodes:
                yield self._paths.pop(row), self._integrals.result(row)

    def _evaluate(self) -> None:
        """Evaluate the micro-batches of a round."""

        def values(batch: Batch) -> Values:
            found = self._graphs.values(self._passes, batch, self._rows)
            self._limit.batches.append((len(batch.nodes), self._limit.size))
            return found

        for _ in range(max(1, len(self._nodes) // self._limit.size)):
            self._through(self._nodes, values, self._integrals.add)
        while self._ends and (len(self._ends) >= self._limit.size or not self._nodes):
            self._through(self._ends, self._passes.scores, self._integrals.add_scores)

    def _through(
        self,
        queue: Queue,
        evaluate: Callable[[Batch], Value],
        take: Callable[[Sequence[int], Sequence[Node], Value], None],
    ) -> None:
        """Evaluate a micro-batch from a queue; give it back where memory ran out."""
        requests = [queue.popleft() for _ in range(min(self._limit.size, len(queue)))]
        if not requests:
            return
        rows, nodes = [row for row, _ in requests], [node for _, node in requests]
        try:
            values = evaluate(self._batch(rows, nodes))
        except Exception as error:
            self._limit.halve(error)
            queue.extendleft(reversed(requests))
            return
        take(rows, nodes, values)
        for row in rows:
            self._awaited[row] -= 1

    def _batch(self, rows: Sequence[int], nodes: Sequence[Node]) -> Batch:
        device = self._image.device
        paths = [self._paths[row] for row in rows]
        numbers = torch.tensor([rows, [path.example for path in paths]]).to(device)
        places = torch.tensor([node.place for node in nodes], dtype=torch.float64).to(device)
        index = numbers[0]
        return Batch(
            self._start[index], self._image[index], places, self._targets[index], numbers[1],
            max(path.highest for path in paths), paths[0].differences,
        )  # fmt: skip

    def _reserve(self, row: int, path: Path) -> None:
        """Extend the tensors on the device to hold a row; what they hold stays."""
        if row < len(self._start):
            return
        rows = max(4, 2 * len(self._start))
        held = [self._start, self._image, self._targets]
        fresh = [each.new_zeros(rows, *each.shape) for each in (path.start, path.image, path.targets)]
        for new, old in zip(fresh, held, strict=True):
            if len(old):
                new[: len(old)] = old
        self._start, self._image, self._targets = fresh


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's or the machine's memory ran out."""
    words = "out of memory", "not enough memory", "can't allocate memory"
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(each in str(error).lower() for each in words)
    )
