"""The crew: as many workers as there is work for, within what the study says, and none for nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igbatch.errors import UnfinishedError
from igbatch.pipeline import crew as crews
from igbatch.pipeline.cluster import LOOK_SECONDS, PATIENCE_SECONDS, Workers
from igbatch.pipeline.crew import ASK_SECONDS, FIRST_WORD_SECONDS, WORD_SECONDS, Crew, Seat
from igbatch.pipeline.plan import Plan, Shard

THREE = Workers(3, 1, "cpu")
PATIENT = Workers(4, 1, "cpu", minimum=2)
GROWING = Workers(1, 1, "cpu", follow=True)


class Actor:
    """Stands for an actor: it is asked, and it may be killed."""

    def __init__(self) -> None:
        self.asked = 0
        self.killed = False
        self.died: str | None = None
        self.ready = SimpleNamespace(remote=self._answer)

    def _answer(self) -> str:
        self.asked += 1
        return f"answer {self.asked}"


class World:
    """A clock that stands until it is moved, a cluster with some room, and the actors that were hired."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.room = 1
        self.looks = 0
        self.hired: list[Actor] = []
        self.said: list[str] = []

    def hire(self) -> Actor:
        self.hired.append(Actor())
        return self.hired[-1]

    def crew(self, workers: Workers) -> Crew:
        return Crew(self.hire, workers, self.said.append)

    def room_for_workers(self, workers: Workers) -> int:
        self.looks += 1
        return self.room

    def kill(self, actor: Actor) -> None:
        assert not actor.killed
        actor.killed = True


@contextmanager
def without_ray() -> Iterator[World]:
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crews, "time", SimpleNamespace(monotonic=lambda: world.now))
        patch.setattr(crews, "ray", SimpleNamespace(kill=world.kill))
        patch.setattr(crews, "room_for_workers", world.room_for_workers)
        patch.setattr(crews, "why_restarted", lambda actor: actor.died)
        patch.setattr(crews, "lacking", lambda cpus, gpus: f"no {cpus} CPU(s) and {gpus:g} GPU(s)")
        yield world


@pytest.fixture
def world() -> Iterator[World]:
    with without_ray() as world:
        yield world


@pytest.fixture(scope="session")
def shards(many_variants: Callable[..., Plan]) -> list[Shard]:
    return list(many_variants(3, 4, 1).shards())


def wake(seats: list[Seat]) -> None:
    for seat in seats:
        seat.awake, seat.waking = True, None


# How many there are


@pytest.mark.parametrize(("waiting", "hired"), [(0, 0), (1, 1), (3, 3), (100, 3)])
def test_no_more_are_asked_for_than_there_are_shards_or_than_the_study_allows(
    world: World, waiting: int, hired: int
) -> None:
    crew = world.crew(THREE)
    crew.tend(waiting)
    crew.tend(waiting)
    assert len(crew.seats) == len(world.hired) == hired
    assert crew.awake == []


def test_those_at_work_count_beside_those_that_shards_wait_for(world: World, shards: list[Shard]) -> None:
    crew = world.crew(THREE)
    crew.tend(1)
    crew.seats[0].give("r", shards[0])
    crew.tend(1)
    assert len(crew.seats) == 2
    crew.tend(1)
    assert len(crew.seats) == 2


def test_those_without_work_stay_while_shards_wait_and_go_when_none_does(
    world: World, shards: list[Shard]
) -> None:
    crew = world.crew(THREE)
    crew.tend(3)
    wake(crew.seats)
    busy = crew.seats[1]
    busy.give("r", shards[0])
    crew.tend(1)
    assert len(crew.seats) == 3
    crew.tend(0)
    assert crew.seats == [busy]
    assert [actor.killed for actor in world.hired] == [True, False, True]
    busy.finish("r")
    crew.tend(0)
    assert crew.seats == []


def test_one_that_was_sent_home_is_asked_for_again_where_shards_are_put_back(
    world: World, shards: list[Shard]
) -> None:
    crew = world.crew(THREE)
    crew.tend(2)
    crew.seats[0].give("r", shards[0])
    crew.tend(0)
    crew.tend(1)
    assert len(crew.seats) == 2
    assert len(world.hired) == 3


def test_a_closed_crew_is_empty_whatever_its_members_do(world: World, shards: list[Shard]) -> None:
    crew = world.crew(THREE)
    crew.tend(9)
    crew.seats[0].give("r", shards[0])
    wake(crew.seats[:2])
    crew.close()
    assert crew.seats == []
    assert all(actor.killed for actor in world.hired)
    crew.close()


@given(
    most=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(["give", "finish", "wake"]), st.integers(0, 9)), max_size=40),
)
@settings(deadline=None)
def test_whatever_happens_the_crew_fits_the_work(
    shards: list[Shard], most: int, steps: list[tuple[str, int]]
) -> None:
    """Never more than allowed, never one at work sent home, nobody idle where nothing waits."""
    with without_ray() as world:
        crew = world.crew(Workers(most, 1, "cpu"))
        for number, (step, place) in enumerate(steps):
            seats = crew.seats[place : place + 1]
            if step == "wake":
                wake(seats)
            elif step == "give" and seats:
                seats[0].give(f"r{number}", shards[place % len(shards)])
            elif step == "finish" and seats and seats[0].work:
                seats[0].finish(next(iter(seats[0].work)))
            working = [seat for seat in crew.seats if seat.work]
            waiting = place % 4
            crew.tend(waiting)
            assert set(working) <= set(crew.seats)
            assert not any(seat.actor.killed for seat in crew.seats)
            assert min(most, len(working) + waiting) <= len(crew.seats) <= most
            if not waiting:
                assert crew.seats == working


# A cluster that grows


def test_a_cluster_that_grows_is_followed_once_in_a_while(world: World) -> None:
    crew = world.crew(GROWING)
    world.room = 4
    crew.tend(9)
    assert (len(crew.seats), world.looks) == (1, 0)
    world.now += LOOK_SECONDS + 1
    crew.tend(9)
    crew.tend(9)
    assert (len(crew.seats), world.looks) == (4, 1)
    world.room = 6
    world.now += LOOK_SECONDS + 1
    crew.tend(5)
    assert (len(crew.seats), world.looks) == (5, 2)


def test_a_cluster_that_shrinks_sends_nobody_home_and_hires_nobody(world: World) -> None:
    crew = world.crew(GROWING)
    world.room = 3
    world.now += LOOK_SECONDS + 1
    crew.tend(9)
    world.room = 0
    world.now += LOOK_SECONDS + 1
    crew.tend(9)
    assert len(crew.seats) == 3
    crew.close()
    crew.tend(9)
    assert len(crew.seats) == 1  # what the study began with is always asked for


@pytest.mark.parametrize("workers", [THREE, PATIENT])
def test_a_number_that_the_study_says_is_not_exceeded_on_larger_clusters(
    world: World, workers: Workers
) -> None:
    crew = world.crew(workers)
    world.room = 100
    world.now += LOOK_SECONDS + 1
    crew.tend(100)
    assert (len(crew.seats), world.looks) == (workers.count, 0)


# Patience


def pass_seconds(world: World, crew: Crew, seconds: float, step: float = 2.0) -> None:
    """Let the driver look after its crew every now and then for a while."""
    for _ in range(int(seconds / step)):
        world.now += step
        crew.tend(9)


def test_too_few_workers_for_too_long_end_the_run_unfinished(world: World) -> None:
    crew = world.crew(PATIENT)
    crew.tend(9)
    wake(crew.seats[:1])
    pass_seconds(world, crew, PATIENCE_SECONDS - 10)
    with pytest.raises(UnfinishedError) as caught:
        pass_seconds(world, crew, 20)
    assert str(caught.value) == (
        "1 worker(s) for 300 s where 2 are the least: no 1 CPU(s) and 0 GPU(s); when that is mended, "
        "run it again"
    )


def test_what_is_waited_for_is_said_soon_and_now_and_then(world: World) -> None:
    crew = world.crew(Workers(2, 3, "cuda"))
    crew.tend(9)
    pass_seconds(world, crew, FIRST_WORD_SECONDS)
    assert world.said == []
    pass_seconds(world, crew, 2)
    (line,) = world.said
    assert line.startswith(
        "waiting for workers since 22 s (0 are ready, 1 are the least): no 3 CPU(s) and 1 GPU"
    )
    assert "the run ends after 300 s" in line
    pass_seconds(world, crew, 2 * WORD_SECONDS)
    assert len(world.said) == 3
    wake(crew.seats[:1])
    pass_seconds(world, crew, 2 * WORD_SECONDS)
    assert len(world.said) == 3


def test_as_many_as_the_minimum_will_do_for_ever(world: World) -> None:
    crew = world.crew(PATIENT)
    crew.tend(9)
    wake(crew.seats[:2])
    pass_seconds(world, crew, 3 * PATIENCE_SECONDS)
    assert len(crew.awake) == 2


def test_patience_begins_anew_whenever_there_were_enough(world: World) -> None:
    crew = world.crew(PATIENT)
    crew.tend(9)
    for _ in range(3):
        pass_seconds(world, crew, PATIENCE_SECONDS - 10)
        wake(crew.seats[:2])
        crew.tend(9)
        crew.seats[0].restart()
    with pytest.raises(UnfinishedError):
        pass_seconds(world, crew, PATIENCE_SECONDS + 10)


def test_fewer_than_the_minimum_will_do_for_fewer_shards(world: World, shards: list[Shard]) -> None:
    crew = world.crew(PATIENT)
    crew.tend(1)
    wake(crew.seats)
    crew.seats[0].give("r", shards[0])
    for _ in range(200):
        world.now += 3
        crew.tend(0)
    assert len(crew.awake) == 1


def test_time_in_which_the_driver_was_busy_and_greeted_nobody_does_not_count(world: World) -> None:
    """It waits while the first worker measures what all run with; the others have answered meanwhile."""
    crew = world.crew(PATIENT)
    crew.tend(9)
    wake(crew.seats[:1])
    world.now += 10 * PATIENCE_SECONDS
    crew.tend(9)
    wake(crew.seats)
    crew.tend(9)
    assert len(crew.awake) == 4


# A seat


def test_an_actor_is_asked_once_until_it_is_asked_for_again(world: World) -> None:
    seat = Seat(world.hire())
    for _ in range(3):
        seat.ask()
    assert (seat.waking, world.hired[0].asked) == ("answer 1", 1)
    seat.ask_later()
    seat.ask()
    assert (seat.waking, world.hired[0].asked) == (None, 1)
    world.now += ASK_SECONDS
    seat.ask()
    assert (seat.waking, world.hired[0].asked) == ("answer 2", 2)
    wake([seat])
    world.now += ASK_SECONDS
    seat.ask()
    assert world.hired[0].asked == 2


def given_three(world: World, shards: list[Shard]) -> Seat:
    """A seat with shards 0, 1 and 2 of which the first began at 1000."""
    seat = Seat(world.hire(), awake=True)
    for number in range(3):
        seat.give(f"r{number}", shards[number])
        world.now += 10
    return seat


def test_the_clock_runs_from_the_first_of_several_shards(world: World, shards: list[Shard]) -> None:
    seat = given_three(world, shards)
    assert seat.since == 1000.0
    assert list(seat.work.values()) == shards[:3]
    assert seat.at_work_on == shards[0]
    assert seat.held == shards[2].spec.variant_id


def test_the_shard_whose_report_is_here_leaves_and_the_next_begins(world: World, shards: list[Shard]) -> None:
    seat = given_three(world, shards)
    assert seat.finish("r0") == shards[0]
    assert seat.since == world.now == 1030.0
    assert list(seat.work) == ["r1", "r2"]


@pytest.mark.parametrize("reference", ["r1", "r2"])
def test_a_report_out_of_turn_leaves_the_clock_of_the_one_at_work(
    world: World, shards: list[Shard], reference: str
) -> None:
    seat = given_three(world, shards)
    assert seat.finish(reference) == shards[int(reference[1])]
    assert seat.since == 1000.0
    assert list(seat.work) == [name for name in ("r0", "r1", "r2") if name != reference]


def test_a_restart_gives_the_shards_back_the_one_at_work_first(world: World, shards: list[Shard]) -> None:
    seat = given_three(world, shards)
    seat.killed, seat.node = "it took too long", "n"
    assert seat.restart() == shards[:3]
    assert not seat.work
    assert (seat.awake, seat.held, seat.killed, seat.waking) == (False, None, None, None)
    seat.ask()
    assert seat.waking is None  # it is just being started
    world.now += ASK_SECONDS
    seat.ask()
    assert seat.waking is not None
    assert seat.restart() == []


def test_seats_are_told_apart_however_alike(world: World) -> None:
    actor: Any = world.hire()
    first, second = Seat(actor), Seat(actor)
    assert first != second
    assert [first, second].index(second) == 1


def test_the_first_death_of_a_worker_that_was_never_ready_is_told(world: World) -> None:
    crew = world.crew(THREE)
    crew.tend(3)
    crew.seats[0].node = "n"  # it was ready before: what it had is judged elsewhere
    world.hired[0].died = "out of luck"
    crew.tend(3)
    assert world.said == []
    world.hired[1].died = "no such library"
    world.hired[2].died = "another"
    for _ in range(3):
        crew.tend(3)
    (line,) = world.said
    assert line.startswith("a worker died while it was being started: no such library; Ray starts it again")
