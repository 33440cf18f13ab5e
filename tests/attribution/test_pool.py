"""The packing of many paths' nodes into micro-batches, with an integrand that says who asked for what."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.integrand import NodeValue, Row
from igbatch.attribution.pool import Path, Pool, allowed_rows, out_of_memory, whole_rows
from igbatch.attribution.rules import Quadrature

WAVES = st.lists(st.integers(1, 11), min_size=1, max_size=4)


class Scripted:
    """An integral that wants so many nodes, wave after wave, and checks that what it gets is its own."""

    map_error = np.zeros(1)
    converged = np.ones(1, dtype=bool)
    scores = (np.zeros(1), np.zeros(1))
    quadrature = Quadrature(np.zeros(1), np.ones(1))

    def __init__(self, example: int, waves: list[int], ends: int = 0) -> None:
        self.example = example
        self.steps = 0
        self.scored = tuple(np.linspace(0, 1, ends).tolist())
        self.ends = 0
        self._waves = [tuple(wave + np.linspace(0.1, 0.9, size)) for wave, size in enumerate(waves)]
        self._arrived = 0

    @property
    def wanted(self) -> tuple[float, ...]:
        return self._waves[0] if self._waves else ()

    @property
    def done(self) -> bool:
        return not self._waves and self.ends == len(self.scored)

    def add(self, node: float, value: NodeValue) -> None:
        assert (value.score.item(), value.slope.item()) == (self.example, node)
        assert node == self._waves[0][self._arrived]
        self._arrived += 1
        self.steps += 1
        if self._arrived == len(self._waves[0]):
            del self._waves[0]
            self._arrived = 0

    def add_score(self, score: NDArray[np.float64]) -> None:
        assert score.item() == self.example + self.scored[self.ends] / 2
        self.ends += 1

    def result(self) -> Tensor:
        return torch.zeros(1)


@dataclass
class Recorder:
    """An integrand whose values say which row they belong to; fails above a number of rows."""

    limit: int = 10_000
    error: Callable[[], BaseException] = torch.OutOfMemoryError
    batches: list[list[Row]] = field(default_factory=list)
    ends: list[list[Row]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def values(self, rows: list[Row]) -> list[NodeValue]:
        self._fit(rows)
        self.batches.append(rows)
        return [
            NodeValue(np.array([row.example]), torch.zeros(1), np.ones(1), np.zeros(1), np.array([row.node]))
            for row in rows
        ]

    def scores(self, rows: list[Row]) -> NDArray[np.float64]:
        self._fit(rows)
        self.ends.append(rows)
        return np.array([[row.example + row.node / 2] for row in rows])

    def _fit(self, rows: list[Row]) -> None:
        if len(rows) > self.limit:
            self.refused.append(len(rows))
            raise self.error()


def path(example: int, waves: list[int], ends: int = 0) -> Path:
    nothing = torch.zeros(1, dtype=torch.float64)
    return Path(example, nothing, nothing, torch.zeros(1, dtype=torch.int64), Scripted(example, waves, ends))


def pool(integrand: Recorder, rows: int, **how: Any) -> Pool:
    return Pool(integrand, rows, **how)  # type: ignore[arg-type]  # it stands in for an Integrand


def distinct(batches: list[list[Row]]) -> Counter[tuple[int, float]]:
    """How often each place was evaluated, the rows that fill a micro-batch up left out."""
    found: Counter[tuple[int, float]] = Counter()
    for batch in batches:
        found.update({(row.example, row.node) for row in batch})
    return found


# --- every row to its own path


@settings(deadline=None)
@given(
    waves=st.lists(WAVES, max_size=12),
    rows=st.integers(1, 20),
    ends=st.integers(0, 2),
    mixed=st.booleans(),
    short=st.booleans(),
)
def test_every_value_reaches_its_own_path_in_the_order_in_which_it_was_wanted(
    waves: list[list[int]], rows: int, ends: int, mixed: bool, short: bool
) -> None:
    integrand = Recorder()
    packed = pool(integrand, rows, mixed=mixed, short=short)
    paths = [path(example, each, ends) for example, each in enumerate(waves)]
    found = list(packed.run(paths))
    assert sorted(each.example for each in found) == list(range(len(waves)))
    assert all(each.integral.done for each in found)
    assert [each.integral.steps for each in paths] == [sum(each) for each in waves]
    nodes, scores = distinct(integrand.batches), distinct(integrand.ends)
    assert set(nodes.values()) | set(scores.values()) <= {1}
    assert (nodes.total(), scores.total()) == (sum(map(sum, waves)), ends * len(waves))
    assert packed.evaluated == sum(map(len, integrand.batches))
    assert packed.scored == sum(map(len, integrand.ends))
    sizes = {len(batch) for batch in integrand.batches + integrand.ends}
    assert sizes <= set(allowed_rows(whole_rows(rows), short))


def test_rows_that_fill_a_micro_batch_up_are_as_few_as_can_be() -> None:
    integrand = Recorder()
    list(pool(integrand, 16).run([path(0, [5])]))
    assert [len(batch) for batch in integrand.batches] == [8]
    assert len({row.node for row in integrand.batches[0][4:]}) == 1


def test_micro_batches_are_full_while_there_is_work() -> None:
    integrand = Recorder()
    list(pool(integrand, 8).run(path(example, [5, 3, 1, 2]) for example in range(40)))
    assert all(len({(row.example, row.node) for row in batch}) == 8 for batch in integrand.batches[:-10])


def test_paths_that_must_not_mix_do_not() -> None:
    integrand = Recorder()
    list(pool(integrand, 8, mixed=False).run(path(example, [5, 3], ends=2) for example in range(5)))
    assert all(len({row.example for row in batch}) == 1 for batch in integrand.batches + integrand.ends)


# --- paths come late and leave early


@pytest.mark.parametrize("waves", [[9], [5, 1, 1], [5, 4, 4, 2], [50]])
@pytest.mark.parametrize("ends", [0, 2])
def test_a_thousand_paths_are_opened_as_others_leave(waves: list[int], ends: int) -> None:
    alive: weakref.WeakSet[Path] = weakref.WeakSet()
    most = 0

    def source() -> Iterator[Path]:
        nonlocal most
        for example in range(1000):
            each = path(example, waves, ends)
            alive.add(each)
            most = max(most, len(alive))
            yield each
            del each

    order = [each.example for each in pool(Recorder(), 8).run(source())]
    assert most <= 2 * 8 + 2  # each open path waits for one row at least
    assert max(abs(place - example) for place, example in enumerate(order)) <= 8


def test_nothing_is_opened_before_it_is_needed() -> None:
    opened = []

    def source() -> Iterator[Path]:
        for example in range(1000):
            opened.append(example)
            yield path(example, [5, 4])

    stream = pool(Recorder(), 8).run(source())
    assert opened == []
    assert next(stream).example == 0
    assert len(opened) <= 3


def test_what_older_paths_want_goes_first() -> None:
    integrand = Recorder()
    for _ in pool(integrand, 8).run(path(example, [9]) for example in range(30)):
        pass
    owners = [row.example for batch in integrand.batches for row in batch]
    assert owners == sorted(owners)


def test_a_path_of_many_waves_leaves_before_younger_ones_are_begun() -> None:
    integrand = Recorder()
    list(pool(integrand, 4).run(path(example, [4] * 5) for example in range(3)))
    owners = [row.example for batch in integrand.batches for row in batch]
    assert owners == sorted(owners)


def test_the_next_wave_of_an_older_path_goes_before_what_younger_ones_want() -> None:
    integrand = Recorder()
    first = next(pool(integrand, 4).run(path(example, [5, 4, 4, 4, 4]) for example in range(9)))
    assert first.example == 0
    assert len(integrand.batches) == 2 + 4  # a micro-batch a wave, once its first five nodes are in


def test_no_paths_are_no_work() -> None:
    integrand = Recorder()
    assert list(pool(integrand, 8).run([])) == []
    assert integrand.batches == integrand.ends == []


# --- memory


@settings(deadline=None)
@given(waves=st.lists(WAVES, min_size=1, max_size=8), limit=st.integers(1, 20), ends=st.integers(0, 2))
def test_a_micro_batch_that_does_not_fit_is_halved_until_it_does(
    waves: list[list[int]], limit: int, ends: int
) -> None:
    integrand = Recorder(limit=limit)
    packed = pool(integrand, 16)
    found = list(packed.run(path(example, each, ends) for example, each in enumerate(waves)))
    assert all(each.integral.done for each in found)
    assert len(found) == len(waves)
    assert set(distinct(integrand.batches).values()) == {1}
    assert max(map(len, integrand.batches)) <= limit
    if integrand.refused:
        assert packed.rows in (16 // 2, 16 // 4, 16 // 8, 1)
        assert min(integrand.refused) <= 2 * packed.rows


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError("no memory"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_one_row_that_does_not_fit_is_refused_with_the_fix(error: Exception) -> None:
    assert out_of_memory(error)
    integrand = Recorder(limit=0, error=lambda: error)
    with pytest.raises(
        AttributionError, match=r"one row does not fit in memory \(.*memory.*\): give a device"
    ):
        list(pool(integrand, 8).run([path(0, [20])]))
    assert integrand.refused == [8, 4, 2, 1]


@pytest.mark.parametrize("ends", [0, 2])
def test_other_errors_pass_through(ends: int) -> None:
    integrand = Recorder(limit=0, error=lambda: RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(pool(integrand, 8).run([path(0, [5], ends)]))
    assert len(integrand.refused) == 1


def test_a_message_of_memory_that_did_not_run_out_is_another_error() -> None:
    assert not out_of_memory(RuntimeError("shared memory is not available"))
    assert not out_of_memory(ValueError("not enough memory"))


# --- sizes


@given(rows=st.integers(1, 1000))
def test_whole_rows_are_a_multiple_of_four_or_fewer_than_four(rows: int) -> None:
    whole = whole_rows(rows)
    assert rows - 4 < whole <= rows
    assert whole % 4 == 0 if rows >= 4 else whole == rows
    assert whole_rows(whole) == whole
    assert set(allowed_rows(whole, short=False)) == {whole}
    assert all(size == whole or size % 4 == 0 for size in allowed_rows(whole, short=True))
    assert max(allowed_rows(whole, short=True)) == whole


@pytest.mark.parametrize("rows", [0, -4, 2.0, True, None, "8"])
def test_what_is_no_number_of_rows_is_refused_with_the_fix(rows: Any) -> None:
    with pytest.raises(AttributionError, match=r"micro_batch=.*: give a whole number of 1 or more"):
        whole_rows(rows)
