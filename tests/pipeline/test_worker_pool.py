"""The pool: as many workers as there are shards for, within what the study says, and none without work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import UnfinishedError
from igbatch.pipeline import worker_pool
from igbatch.pipeline.cluster import CLUSTER_POLL_SECONDS, MAX_WAIT_SECONDS, Workers
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.worker_pool import (
    FIRST_NOTICE_SECONDS,
    NOTICE_SECONDS,
    POLL_SECONDS,
    WorkerPool,
    WorkerSlot,
)

THREE = Workers(3, 1, "cpu")
PATIENT = Workers(4, 1, "cpu", minimum=2)
GROWING = Workers(1, 1, "cpu", follow=True)


class Actor:
    """Stands for an actor: it is asked whether it is ready, and it may be killed."""

    def __init__(self) -> None:
        self.polls = 0
        self.killed = False
        self.died: str | None = None
        self.ready = SimpleNamespace(remote=self._answer)

    def _answer(self) -> str:
        self.polls += 1
        return f"answer {self.polls}"


class World:
    """A clock that stands until it is moved, a cluster's capacity, and the actors that were started."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.capacity = 1
        self.capacity_calls = 0
        self.started: list[Actor] = []
        self.messages: list[str] = []

    def start(self) -> Actor:
        self.started.append(Actor())
        return self.started[-1]

    def pool(self, workers: Workers) -> WorkerPool:
        return WorkerPool(self.start, self.kill, workers, self.messages.append)

    def worker_capacity(self, workers: Workers) -> int:
        self.capacity_calls += 1
        return self.capacity

    def kill(self, slot: WorkerSlot) -> None:
        assert not slot.actor.killed
        slot.actor.killed = True


@contextmanager
def without_ray() -> Iterator[World]:
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_pool, "time", SimpleNamespace(monotonic=lambda: world.now))
        patch.setattr(worker_pool, "worker_capacity", world.worker_capacity)
        patch.setattr(worker_pool, "why_restarted", lambda actor: actor.died)
        patch.setattr(worker_pool, "lacking", lambda cpus, gpus: f"no {cpus} CPU(s) and {gpus:g} GPU(s)")
        yield world


@pytest.fixture
def world() -> Iterator[World]:
    with without_ray() as world:
        yield world


@pytest.fixture(scope="session")
def shards(many_variants: Callable[..., Plan]) -> list[Shard]:
    return list(many_variants(3, 4, 1).shards())


def make_ready(slots: list[WorkerSlot]) -> None:
    for slot in slots:
        slot.ready, slot.pending_ready = True, None


# How many there are


@pytest.mark.parametrize(("waiting", "started"), [(0, 0), (1, 1), (3, 3), (100, 3)])
def test_no_more_are_started_than_there_are_shards_or_than_the_study_allows(
    world: World, waiting: int, started: int
) -> None:
    pool = world.pool(THREE)
    pool.scale(waiting)
    pool.scale(waiting)
    assert len(pool.slots) == len(world.started) == started
    assert pool.ready == []


def test_those_at_work_count_beside_those_that_shards_wait_for(world: World, shards: list[Shard]) -> None:
    pool = world.pool(THREE)
    pool.scale(1)
    pool.slots[0].assign("r", shards[0])
    pool.scale(1)
    assert len(pool.slots) == 2
    pool.scale(1)
    assert len(pool.slots) == 2


def test_those_without_work_stay_while_shards_wait_and_go_when_none_does(
    world: World, shards: list[Shard]
) -> None:
    pool = world.pool(THREE)
    pool.scale(3)
    make_ready(pool.slots)
    busy = pool.slots[1]
    busy.assign("r", shards[0])
    pool.scale(1)
    assert len(pool.slots) == 3
    pool.scale(0)
    assert pool.slots == [busy]
    assert [actor.killed for actor in world.started] == [True, False, True]
    busy.finish("r")
    pool.scale(0)
    assert pool.slots == []


def test_one_that_was_stopped_is_started_again_where_shards_are_put_back(
    world: World, shards: list[Shard]
) -> None:
    pool = world.pool(THREE)
    pool.scale(2)
    pool.slots[0].assign("r", shards[0])
    pool.scale(0)
    pool.scale(1)
    assert len(pool.slots) == 2
    assert len(world.started) == 3


def test_a_closed_pool_is_empty_whatever_its_workers_do(world: World, shards: list[Shard]) -> None:
    pool = world.pool(THREE)
    pool.scale(9)
    pool.slots[0].assign("r", shards[0])
    make_ready(pool.slots[:2])
    pool.close()
    assert pool.slots == []
    assert all(actor.killed for actor in world.started)
    pool.close()


@given(
    most=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(["assign", "finish", "ready"]), st.integers(0, 9)), max_size=40),
)
def test_whatever_happens_the_pool_fits_the_work(
    shards: list[Shard], most: int, steps: list[tuple[str, int]]
) -> None:
    """Never more than allowed, never one at work stopped, none idle where nothing waits."""
    with without_ray() as world:
        pool = world.pool(Workers(most, 1, "cpu"))
        for number, (step, place) in enumerate(steps):
            slots = pool.slots[place : place + 1]
            if step == "ready":
                make_ready(slots)
            elif step == "assign" and slots:
                slots[0].assign(f"r{number}", shards[place % len(shards)])
            elif step == "finish" and slots and slots[0].work:
                slots[0].finish(next(iter(slots[0].work)))
            working = [slot for slot in pool.slots if slot.work]
            waiting = place % 4
            pool.scale(waiting)
            assert set(working) <= set(pool.slots)
            assert not any(slot.actor.killed for slot in pool.slots)
            assert min(most, len(working) + waiting) <= len(pool.slots) <= most
            if not waiting:
                assert pool.slots == working


# A cluster that grows


def test_a_cluster_that_grows_is_followed_once_in_a_while(world: World) -> None:
    pool = world.pool(GROWING)
    world.capacity = 4
    pool.scale(9)
    assert (len(pool.slots), world.capacity_calls) == (1, 0)
    world.now += CLUSTER_POLL_SECONDS + 1
    pool.scale(9)
    pool.scale(9)
    assert (len(pool.slots), world.capacity_calls) == (4, 1)
    world.capacity = 6
    world.now += CLUSTER_POLL_SECONDS + 1
    pool.scale(5)
    assert (len(pool.slots), world.capacity_calls) == (5, 2)


def test_a_cluster_that_shrinks_stops_and_starts_no_worker(world: World) -> None:
    pool = world.pool(GROWING)
    world.capacity = 3
    world.now += CLUSTER_POLL_SECONDS + 1
    pool.scale(9)
    world.capacity = 0
    world.now += CLUSTER_POLL_SECONDS + 1
    pool.scale(9)
    assert len(pool.slots) == 3
    pool.close()
    pool.scale(9)
    assert len(pool.slots) == 1  # what the study began with is always polls for


@pytest.mark.parametrize("workers", [THREE, PATIENT])
def test_a_number_that_the_study_says_is_not_exceeded_on_larger_clusters(
    world: World, workers: Workers
) -> None:
    pool = world.pool(workers)
    world.capacity = 100
    world.now += CLUSTER_POLL_SECONDS + 1
    pool.scale(100)
    assert (len(pool.slots), world.capacity_calls) == (workers.count, 0)


# Too few workers


def pass_seconds(world: World, pool: WorkerPool, seconds: float, step: float = 2.0) -> None:
    """Let the driver scale its pool at intervals for a while."""
    for _ in range(int(seconds / step)):
        world.now += step
        pool.scale(9)


def test_too_few_workers_for_too_long_end_the_run_unfinished(world: World) -> None:
    pool = world.pool(PATIENT)
    pool.scale(9)
    make_ready(pool.slots[:1])
    pass_seconds(world, pool, MAX_WAIT_SECONDS - 10)
    with pytest.raises(UnfinishedError) as caught:
        pass_seconds(world, pool, 20)
    assert str(caught.value) == (
        "1 worker(s) for 300 s where 2 are the least: no 1 CPU(s) and 0 GPU(s); when that is mended, "
        "run it again"
    )


def test_what_a_run_waits_for_is_reported_soon_and_at_intervals(world: World) -> None:
    pool = world.pool(Workers(2, 3, "cuda"))
    pool.scale(9)
    pass_seconds(world, pool, FIRST_NOTICE_SECONDS)
    assert world.messages == []
    pass_seconds(world, pool, 2)
    (line,) = world.messages
    assert line.startswith(
        "waiting for workers since 22 s (0 are ready, 1 are the least): no 3 CPU(s) and 1 GPU"
    )
    assert "the run ends after 300 s" in line
    pass_seconds(world, pool, 2 * NOTICE_SECONDS)
    assert len(world.messages) == 3
    make_ready(pool.slots[:1])
    pass_seconds(world, pool, 2 * NOTICE_SECONDS)
    assert len(world.messages) == 3


def test_as_many_as_the_minimum_will_do_for_ever(world: World) -> None:
    pool = world.pool(PATIENT)
    pool.scale(9)
    make_ready(pool.slots[:2])
    pass_seconds(world, pool, 3 * MAX_WAIT_SECONDS)
    assert len(pool.ready) == 2


def test_the_wait_begins_anew_whenever_there_were_enough(world: World) -> None:
    pool = world.pool(PATIENT)
    pool.scale(9)
    for _ in range(3):
        pass_seconds(world, pool, MAX_WAIT_SECONDS - 10)
        make_ready(pool.slots[:2])
        pool.scale(9)
        pool.slots[0].restart()
    with pytest.raises(UnfinishedError):
        pass_seconds(world, pool, MAX_WAIT_SECONDS + 10)


def test_fewer_than_the_minimum_will_do_for_fewer_shards(world: World, shards: list[Shard]) -> None:
    pool = world.pool(PATIENT)
    pool.scale(1)
    make_ready(pool.slots)
    pool.slots[0].assign("r", shards[0])
    for _ in range(200):
        world.now += 3
        pool.scale(0)
    assert len(pool.ready) == 1


def test_time_in_which_the_driver_was_busy_and_took_no_answers_does_not_count(world: World) -> None:
    """It waits while the first worker measures what all run with; the others have answered meanwhile."""
    pool = world.pool(PATIENT)
    pool.scale(9)
    make_ready(pool.slots[:1])
    world.now += 10 * MAX_WAIT_SECONDS
    pool.scale(9)
    make_ready(pool.slots)
    pool.scale(9)
    assert len(pool.ready) == 4


# A slot


def test_an_actor_is_polled_once_until_it_is_to_be_polled_again(world: World) -> None:
    slot = WorkerSlot(world.start())
    for _ in range(3):
        slot.poll()
    assert (slot.pending_ready, world.started[0].polls) == ("answer 1", 1)
    slot.poll_later()
    slot.poll()
    assert (slot.pending_ready, world.started[0].polls) == (None, 1)
    world.now += POLL_SECONDS
    slot.poll()
    assert (slot.pending_ready, world.started[0].polls) == ("answer 2", 2)
    make_ready([slot])
    world.now += POLL_SECONDS
    slot.poll()
    assert world.started[0].polls == 2


def with_three(world: World, shards: list[Shard]) -> WorkerSlot:
    """A slot with shards 0, 1 and 2 of which the first began at 1000."""
    slot = WorkerSlot(world.start(), ready=True)
    for number in range(3):
        slot.assign(f"r{number}", shards[number])
        world.now += 10
    return slot


def test_the_clock_runs_from_the_first_of_several_shards(world: World, shards: list[Shard]) -> None:
    slot = with_three(world, shards)
    assert slot.since == 1000.0
    assert list(slot.work.values()) == shards[:3]
    assert slot.current_shard == shards[0]
    assert slot.held == shards[2].spec.variant_id


def test_the_shard_whose_report_is_here_leaves_and_the_next_begins(world: World, shards: list[Shard]) -> None:
    slot = with_three(world, shards)
    assert slot.finish("r0") == shards[0]
    assert slot.since == world.now == 1030.0
    assert list(slot.work) == ["r1", "r2"]


@pytest.mark.parametrize("reference", ["r1", "r2"])
def test_a_report_out_of_turn_leaves_the_clock_of_the_one_at_work(
    world: World, shards: list[Shard], reference: str
) -> None:
    slot = with_three(world, shards)
    assert slot.finish(reference) == shards[int(reference[1])]
    assert slot.since == 1000.0
    assert list(slot.work) == [name for name in ("r0", "r1", "r2") if name != reference]


def test_a_restart_gives_the_shards_back_the_one_at_work_first(world: World, shards: list[Shard]) -> None:
    slot = with_three(world, shards)
    slot.killed, slot.node = "it took too long", "n"
    assert slot.restart() == shards[:3]
    assert not slot.work
    assert (slot.ready, slot.held, slot.killed, slot.pending_ready) == (False, None, None, None)
    slot.poll()
    assert slot.pending_ready is None  # it is just being started
    world.now += POLL_SECONDS
    slot.poll()
    assert slot.pending_ready is not None
    assert slot.restart() == []


def test_slots_are_distinct_however_alike(world: World) -> None:
    actor: Any = world.start()
    first, second = WorkerSlot(actor), WorkerSlot(actor)
    assert first != second
    assert [first, second].index(second) == 1


def test_the_first_death_of_a_worker_that_was_never_ready_is_reported(world: World) -> None:
    pool = world.pool(THREE)
    pool.scale(3)
    pool.slots[0].node = "n"  # it was ready before: what it had is judged elsewhere
    world.started[0].died = "out of luck"
    pool.scale(3)
    assert world.messages == []
    world.started[1].died = "no such library"
    world.started[2].died = "another"
    for _ in range(3):
        pool.scale(3)
    (line,) = world.messages
    assert line.startswith("a worker died while it was being started: no such library; Ray starts it again")
