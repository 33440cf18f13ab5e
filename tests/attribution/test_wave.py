"""Waves: the nodes of many paths in full micro-batches, with an integrand that records who requested what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution.device_sharing import HostCopy
from igbatch.attribution.errors import AttributionError
from igbatch.attribution.integral import Integral, Node
from igbatch.attribution.passes import Batch, Values
from igbatch.attribution.rules import Quadrature
from igbatch.attribution.wave import MicroBatchLimit, Path, Wave, out_of_memory

pytestmark = pytest.mark.slow

ROUNDS = st.lists(st.integers(1, 11), min_size=1, max_size=4)
Row = tuple[int, float]
"""An example and a place on its path."""


class Scripted:
    """Integrals that ask for so many nodes, round after round, and check that what they get is their own."""

    def __init__(self, rounds: Sequence[Sequence[int]], ends: int = 0) -> None:
        self._scripts = iter(rounds)
        self._examples = iter(range(len(rounds)))
        self._nodes_of_ends = [Node(*each) for each in enumerate(np.linspace(0, 1, ends).tolist())]
        self._rounds: dict[int, list[list[Node]]] = {}
        self._arrived: dict[int, list[Node]] = {}
        self._ends: dict[int, list[Node]] = {}
        self._example: dict[int, int] = {}
        self.max_open = 0

    def open(self, row: int) -> tuple[Sequence[Node], Sequence[Node]]:
        assert row not in self._rounds
        self._rounds[row], slot = [], 0
        for number, size in enumerate(next(self._scripts)):
            places = number + np.linspace(0.1, 0.9, size)
            self._rounds[row].append([Node(slot + at, float(place)) for at, place in enumerate(places)])
            slot += size
        self._arrived[row], self._ends[row], self._example[row] = [], [], next(self._examples)
        self.max_open = max(self.max_open, len(self._rounds))
        return self._rounds[row][0], self._nodes_of_ends

    def add(self, rows: Sequence[int], nodes: Sequence[Node], values: Values) -> None:
        for row, node, score, slope in zip(rows, nodes, values.scores, values.slopes, strict=True):
            assert (score.item(), slope.item()) == (self._example[row], pytest.approx(node.place))
            self._arrived[row].append(node)

    def add_scores(self, rows: Sequence[int], ends: Sequence[Node], found: tuple[Tensor, Tensor]) -> None:
        for row, end, score in zip(rows, ends, found[0], strict=True):
            assert score.item() == self._example[row] + end.place / 2
            self._ends[row].append(end)

    def launch(self, rows: Sequence[int]) -> HostCopy:
        return HostCopy(torch.tensor(rows, dtype=torch.float64))

    def advance(self, rows: Sequence[int], numbers: NDArray[np.float64]) -> list[Sequence[Node]]:
        assert numbers.tolist() == rows
        requests: list[Sequence[Node]] = []
        for row in rows:
            assert self._arrived[row] == self._rounds[row].pop(0)
            assert self._ends[row] == self._nodes_of_ends
            self._arrived[row] = []
            requests.append(self._rounds[row][0] if self._rounds[row] else ())
        return requests

    def result(self, row: int) -> Integral:
        assert self._rounds.pop(row) == []
        one = np.ones(1)
        return Integral(
            attributions=torch.full((1,), self._example[row]),
            scores=one,
            baseline_scores=one,
            convergence_delta=one,
            steps=one.astype(int),
            map_error=one,
            converged=one > 0,
            quadrature=Quadrature(one, one),
            logits=torch.zeros(1),
        )


@dataclass
class Recorder:
    """Passes whose values say which row they belong to; they fail above a number of rows."""

    limit: int = 10_000
    error: Callable[[], BaseException] = torch.OutOfMemoryError
    batches: list[list[Row]] = field(default_factory=list)
    ends: list[list[Row]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def values(self, batch: Batch) -> Values:
        self._check(batch)
        self.batches.append(self._rows(batch))
        examples = batch.example_indices.double()[:, None]
        one = torch.ones_like(examples)
        return Values(one, examples, one, batch.nodes[:, None], one)

    def scores(self, batch: Batch) -> tuple[Tensor, Tensor]:
        self._check(batch)
        self.ends.append(self._rows(batch))
        scores = (batch.example_indices + batch.nodes / 2)[:, None]
        return scores, scores

    def _check(self, batch: Batch) -> None:
        if len(batch.nodes) > self.limit:
            self.refused.append(len(batch.nodes))
            raise self.error()
        examples = batch.example_indices.double()
        assert torch.equal(batch.start[:, 0], -examples)  # of each row its own path
        assert torch.equal(batch.image[:, 0], examples)
        assert torch.equal(batch.targets[:, 0], batch.example_indices)
        assert batch.highest == int(batch.example_indices.max())

    @staticmethod
    def _rows(batch: Batch) -> list[Row]:
        return list(zip(batch.example_indices.tolist(), batch.nodes.tolist(), strict=True))


def path(example: int) -> Path:
    image = torch.full((1,), float(example), dtype=torch.float64)
    return Path(example, 0, 1, -image, image, torch.tensor([example]), example)


def run(wave: Wave, paths: Iterable[Path]) -> Iterator[int]:
    """Fill a wave as a stream does, and yield the examples whose paths are done."""
    source = iter(paths)
    exhausted = False
    while not exhausted or wave.busy:
        while not exhausted and not wave.full:
            each = next(source, None)
            if each is None:
                exhausted = True
            else:
                wave.open(each)
        for done, integral in wave.round():
            assert integral.attributions.item() == done.example
            yield done.example


def explain(
    passes: Recorder, rounds: Sequence[Sequence[int]], rows: int, ends: int = 0, batches: int = 1
) -> tuple[list[int], MicroBatchLimit, Scripted]:
    """The order in which paths with these rounds are done, the limit afterwards, and the integrals."""
    limit, integrals = MicroBatchLimit(rows), Scripted(rounds, ends)
    wave = Wave(passes, integrals, limit, round_batches=batches)  # type: ignore[arg-type]  # it stands in for Passes
    return list(run(wave, map(path, range(len(rounds))))), limit, integrals


def counted(batches: list[list[Row]]) -> Counter[Row]:
    """How often each place was evaluated."""
    return Counter(row for batch in batches for row in batch)


# --- every row to its own path


@given(rounds=st.lists(ROUNDS, max_size=12), rows=st.integers(1, 20), ends=st.integers(0, 2))
def test_every_value_reaches_its_own_path_in_the_order_in_which_it_was_asked_for(
    rounds: list[list[int]], rows: int, ends: int
) -> None:
    passes = Recorder()
    done, limit, _ = explain(passes, rounds, rows, ends)
    assert sorted(done) == list(range(len(rounds)))
    nodes, scores = counted(passes.batches), counted(passes.ends)
    assert set(nodes.values()) | set(scores.values()) <= {1}
    assert (nodes.total(), scores.total()) == (sum(map(sum, rounds)), ends * len(rounds))
    assert limit.batches == [(len(batch), rows) for batch in passes.batches]
    assert max(map(len, passes.batches + passes.ends), default=0) <= rows


def test_micro_batches_are_full_while_there_is_work() -> None:
    passes = Recorder()
    explain(passes, [[5, 3, 1, 2]] * 40, 8, ends=2)
    assert all(len(batch) == 8 for batch in passes.batches[:-10])
    assert all(len(batch) == 8 for batch in passes.ends[:-1])


def test_a_micro_batch_has_as_many_rows_as_are_asked_for() -> None:
    passes = Recorder()
    explain(passes, [[5]], 16)
    assert [len(batch) for batch in passes.batches] == [5]


# --- paths come late and leave early


@pytest.mark.parametrize("rounds", [[1], [2], [9], [5, 1, 1], [5, 4, 4, 2], [50]])
@pytest.mark.parametrize("ends", [0, 2])
@pytest.mark.parametrize("batches", [1, 4])
def test_hundreds_of_paths_are_opened_as_others_leave(rounds: list[int], ends: int, batches: int) -> None:
    order, _, integrals = explain(Recorder(), [rounds] * 250, 8, ends, batches)
    assert integrals.max_open <= (1 + batches) * 8 + 2  # each open path waits for one row at least
    assert max(abs(place - example) for place, example in enumerate(order)) <= 8 * batches


def test_nothing_is_evaluated_before_a_micro_batch_is_full() -> None:
    opened = []

    def source() -> Iterator[Path]:
        for example in range(1000):
            opened.append(example)
            yield path(example)

    wave = Wave(Recorder(), Scripted([[5, 4]] * 1000), MicroBatchLimit(8))  # type: ignore[arg-type]
    stream = run(wave, source())
    assert opened == []
    assert next(stream) == 0
    assert len(opened) <= 4


@pytest.mark.parametrize("rounds", [[9], [4] * 5])
def test_what_older_paths_ask_for_goes_first(rounds: list[int]) -> None:
    passes = Recorder()
    explain(passes, [rounds] * 30, 4)
    example_indices = [example for batch in passes.batches for example, _ in batch]
    assert example_indices == sorted(example_indices)


def test_the_next_round_of_an_older_path_goes_before_what_younger_ones_ask_for() -> None:
    passes = Recorder()
    wave = Wave(passes, Scripted([[5, 4, 4, 4, 4]] * 9), MicroBatchLimit(4))  # type: ignore[arg-type]
    assert next(run(wave, map(path, range(9)))) == 0
    assert len(passes.batches) == 2 + 4  # a micro-batch a round, once its first five nodes are in


def test_as_many_whole_micro_batches_as_there_are_go_into_a_round() -> None:
    passes = Recorder()
    limit = MicroBatchLimit(4)
    wave = Wave(passes, Scripted([[7], [7]]), limit)  # type: ignore[arg-type]
    for example in range(2):
        wave.open(path(example))
    assert [done.example for done, _ in wave.round()] == [0]
    assert limit.batches == [(4, 4)] * 3
    assert [done.example for done, _ in wave.round()] == [1]
    assert limit.batches[3:] == [(2, 4)]
    assert not wave.busy


def test_rows_of_paths_that_have_left_are_taken_by_others() -> None:
    wave = Wave(Recorder(), Scripted([[8]] * 500), MicroBatchLimit(8))  # type: ignore[arg-type]
    assert list(run(wave, map(path, range(500)))) == list(range(500))
    assert len(wave._paths) <= 2
    assert len(wave._start) <= 4


def test_no_paths_are_no_work() -> None:
    passes = Recorder()
    assert explain(passes, [], 8)[0] == []
    assert passes.batches == passes.ends == []


# --- memory


@given(rounds=st.lists(ROUNDS, min_size=1, max_size=8), limit=st.integers(1, 20), ends=st.integers(0, 2))
def test_a_micro_batch_that_does_not_fit_is_halved_until_it_does(
    rounds: list[list[int]], limit: int, ends: int
) -> None:
    passes = Recorder(limit=limit)
    done, found, _ = explain(passes, rounds, 16, ends)
    assert sorted(done) == list(range(len(rounds)))
    assert set(counted(passes.batches).values()) == {1}
    assert max(map(len, passes.batches)) <= limit
    assert found.size in (16, 8, 4, 2, 1)
    if passes.refused:
        assert found.size < 16
        assert min(passes.refused) <= 2 * found.size


def test_memory_that_runs_out_in_the_middle_of_a_round_loses_and_repeats_nothing() -> None:
    class Filling(Recorder):
        def values(self, batch: Batch) -> Values:
            self.limit = 16 if len(self.batches) < 3 else 5
            return super().values(batch)

    passes = Filling()
    rounds = [[11, 30], [40, 7, 7], [25]]
    done, limit, _ = explain(passes, rounds, 16, ends=2)
    assert sorted(done) == [0, 1, 2]
    nodes = counted(passes.batches)
    assert set(nodes.values()) == {1}
    assert nodes.total() == sum(map(sum, rounds))
    assert passes.refused == [16, 8]
    assert limit.size == 4
    assert [rows for _, rows in limit.batches] == [16] * 3 + [4] * (len(limit.batches) - 3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError("no memory"),
        MemoryError(),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:9]}",
)
@pytest.mark.parametrize("ends", [0, 2])
def test_one_row_that_does_not_fit_is_refused_with_the_fix(error: Exception, ends: int) -> None:
    assert out_of_memory(error)
    passes = Recorder(limit=0, error=lambda: error)
    with pytest.raises(
        AttributionError, match=r"one batch row does not fit in memory \(.*[mM]emory.*\): give a device"
    ):
        explain(passes, [[20]], 8, ends)
    assert passes.refused == [8, 4, 2, 1]


@pytest.mark.parametrize("ends", [0, 2])
def test_other_errors_pass_through(ends: int) -> None:
    passes = Recorder(limit=0, error=lambda: RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        explain(passes, [[5]], 8, ends)
    assert len(passes.refused) == 1


def test_a_message_of_memory_that_did_not_run_out_is_another_error() -> None:
    assert not out_of_memory(RuntimeError("shared memory is not available"))
    assert not out_of_memory(ValueError("not enough memory"))


# --- sizes


@pytest.mark.parametrize("rows", [0, -4, 2.0, True, None, "8"])
def test_what_is_no_number_of_rows_is_refused_with_the_fix(rows: Any) -> None:
    with pytest.raises(AttributionError, match=r"micro_batch=.*: give a whole number of 1 or more"):
        MicroBatchLimit(rows)


def test_any_whole_number_of_rows_is_taken_as_it_is() -> None:
    assert [MicroBatchLimit(size).size for size in (1, 3, 9, np.int64(7))] == [1, 3, 9, 7]
