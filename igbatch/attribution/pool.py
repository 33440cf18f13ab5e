"""Packs (image, node) pairs of many paths into micro-batches, so that the device is always full.

Paths tell which nodes they want next; the pool evaluates them together with those of other paths and hands
each its own values, in the order in which they were wanted. New paths are opened only while the micro-batch
is not full, so that the number of open paths, and with it the memory, is bounded.

A path's numbers must not depend on its neighbours. In a matrix product a row's bits do not depend on what
other rows hold, but they may depend on where the row stands and on how many rows there are: on an AMD EPYC
with two threads, MKL gave the last rows of 5 to 7 and of 9 to 11 other last bits than the first ones (a
Swin's head of 1,000 classes); with multiples of 4 rows all were alike. So micro-batches have such a number of
rows, and are filled up with rows whose values are thrown away. `probe.rows_are_alike` tells whether that is
enough on a machine; where it is not, `mixed=False` keeps paths apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import AttributionError
from .integrand import Integrand, NodeValue, Row
from .rules import Quadrature

__all__ = ["Integral", "Path", "Pool", "allowed_rows", "whole_rows"]

Value = TypeVar("Value")
ROW_MULTIPLE = 4
"""Micro-batches of so many rows, or a multiple: what keeps a row's bits from depending on its place."""


class Integral(Protocol):
    """An integral along a path that asks for nodes, wave after wave, until it is done."""

    steps: int
    map_error: NDArray[np.float64]

    @property
    def wanted(self) -> tuple[float, ...]: ...
    @property
    def scored(self) -> tuple[float, ...]: ...
    @property
    def done(self) -> bool: ...
    @property
    def scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    @property
    def converged(self) -> NDArray[np.bool_]: ...
    @property
    def quadrature(self) -> Quadrature: ...
    def add(self, node: float, value: NodeValue) -> None: ...
    def add_score(self, score: NDArray[np.float64]) -> None: ...
    def result(self) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Path:
    """The straight line to one image, and the integral along it.

    Attributes:
        example: the index of the image in the call.
        start: [...], the baseline, of any floating type.
        direction: float64 [...], from the baseline to the image.
        targets: int64 [K].
        integral: what is computed of it.
        part, parts: which group of the image's targets this is, and how many there are.
        count: targets of the group; what `targets` holds beyond them is there for the shape's sake.
    """

    example: int
    start: Tensor
    direction: Tensor
    targets: Tensor
    integral: Integral
    part: int = 0
    parts: int = 1
    count: int = 0

    def row(self, node: float) -> Row:
        """Return the place `node` on the path."""
        return Row(self.example, self.start, self.direction, self.targets, node)


class Pool:
    """Evaluates the nodes of many paths in micro-batches of up to `rows` rows.

    Attributes:
        rows: the most rows that go through the model together; halved when memory runs out.
        evaluated: rows that went through forward and backward passes, those thrown away included.
        scored: rows that went through a forward pass alone.
    """

    def __init__(self, integrand: Integrand, rows: int, *, mixed: bool = True, short: bool = True) -> None:
        self.integrand = integrand
        self.rows = whole_rows(rows)
        self.evaluated = 0
        self.scored = 0
        self._mixed = mixed
        self._short = short
        self._nodes: deque[tuple[Path, float]] = deque()
        self._ends: deque[tuple[Path, float]] = deque()
        self._pending: dict[int, int] = {}

    def run(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Compute the integrals along paths and yield each path as soon as its integral is done.

        Raises:
            AttributionError: the model's logits are not as they must be, or one row does not fit in memory.
        """
        source = iter(paths)
        exhausted = False
        while True:
            while not exhausted and len(self._nodes) < self.rows and (self._mixed or not self._busy):
                path = next(source, None)
                if path is None:
                    exhausted = True
                else:
                    self._open(path)
            if self._ends and (len(self._ends) >= self.rows or not self._nodes):
                yield from self._evaluate_ends()
            elif self._nodes:
                yield from self._evaluate_nodes()
            elif exhausted:
                return

    @property
    def _busy(self) -> bool:
        return bool(self._nodes or self._ends)

    def _open(self, path: Path) -> None:
        wave = path.integral.wanted
        self._pending[id(path)] = len(wave)
        self._ends.extend((path, node) for node in path.integral.scored)
        self._nodes.extend((path, node) for node in wave)

    def _go_on(self, paths: Sequence[Path]) -> None:
        """Put the paths' next waves before what younger paths want, so that they are done and leave."""
        for path in reversed(paths):
            wave = path.integral.wanted
            self._pending[id(path)] = len(wave)
            self._nodes.extendleft((path, node) for node in reversed(wave))

    def _evaluate_nodes(self) -> Iterator[Path]:
        batch, values = self._through(self._nodes, self.integrand.values)
        self.evaluated += len(values)
        complete = []
        for (path, node), value in zip(batch, values, strict=False):
            path.integral.add(node, value)
            self._pending[id(path)] -= 1
            if self._pending[id(path)] == 0:
                complete.append(path)
        del values
        self._go_on(complete)
        yield from self._finished(batch)

    def _evaluate_ends(self) -> Iterator[Path]:
        batch, scores = self._through(self._ends, self.integrand.scores)
        self.scored += len(scores)
        for (path, _), score in zip(batch, scores, strict=False):
            path.integral.add_score(score)
        yield from self._finished(batch)

    def _finished(self, batch: Sequence[tuple[Path, float]]) -> Iterator[Path]:
        for path in {id(path): path for path, _ in batch}.values():
            if path.integral.done:
                self._pending.pop(id(path), None)
                yield path

    def _through(
        self, queue: deque[tuple[Path, float]], evaluate: Callable[[list[Row]], Iterable[Value]]
    ) -> tuple[list[tuple[Path, float]], list[Value]]:
        """Take a micro-batch from a queue and evaluate it; both are empty where memory ran out instead."""
        batch = [queue.popleft() for _ in range(min(self.rows, len(queue)))]
        try:
            return batch, list(evaluate(self._padded(batch)))
        except Exception as error:
            self._give_back(queue, batch, error)
            return [], []

    def _padded(self, batch: Sequence[tuple[Path, float]]) -> list[Row]:
        rows = [path.row(node) for path, node in batch]
        size = next(size for size in allowed_rows(self.rows, self._short) if size >= len(rows))
        return rows + rows[-1:] * (size - len(rows))

    def _give_back(
        self, queue: deque[tuple[Path, float]], batch: Sequence[tuple[Path, float]], error: Exception
    ) -> None:
        """Halve the micro-batch where memory ran out, and put back what did not fit; else raise."""
        if not out_of_memory(error):
            raise error
        if self.rows == 1:
            raise AttributionError(
                f"one row does not fit in memory ({str(error).splitlines()[0]}):"
                " give a device with more memory, or a smaller model"
            ) from error
        queue.extendleft(reversed(batch))
        self.rows = whole_rows(max(1, self.rows // 2))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def whole_rows(rows: int) -> int:
    """Return the largest number of rows up to `rows` in which a row's place does not matter.

    Raises:
        AttributionError: ``rows`` is not a whole number of 1 or more.
    """
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 1:
        raise AttributionError(f"micro_batch={rows!r}: give a whole number of 1 or more")
    return int(rows) if rows < ROW_MULTIPLE else int(rows) // ROW_MULTIPLE * ROW_MULTIPLE


def allowed_rows(rows: int, short: bool) -> Sequence[int]:
    """Return the sizes that a micro-batch of up to `rows` rows may have, ascending."""
    if not short or rows < ROW_MULTIPLE:
        return [rows]
    return range(ROW_MULTIPLE, rows + 1, ROW_MULTIPLE)


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's or the machine's memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "not enough memory" in text or "can't allocate memory" in text
    )
