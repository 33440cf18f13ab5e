"""Plain tasks on the cluster, and how many workers there are to be."""

import os

import pytest

from igbatch.errors import InputError
from igbatch.pipeline.cluster import (
    Workers,
    map_shards,
    room_for_workers,
    size_workers,
    tasks_in_flight,
    threads_per_worker,
)
from igbatch.study import WorkerRange

pytestmark = pytest.mark.usefixtures("local_ray")


def square(value: int) -> int:
    return value * value


def fail_on_three(value: int) -> int:
    if value == 3:
        raise InputError("three: not allowed; take another")
    return value


def process_of(_: int) -> int:
    return os.getpid()


def test_map_shards_equals_map_in_order() -> None:
    assert list(map_shards(square, range(20), in_flight=3)) == list(map(square, range(20)))


def test_tasks_in_flight_grow_with_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tasks_in_flight() == 16
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 512.0, "GPU": 8.0})
    assert tasks_in_flight() == 1024


def test_map_shards_runs_outside_this_process() -> None:
    assert os.getpid() not in set(map_shards(process_of, range(3)))


def test_an_error_of_ours_comes_through_as_itself() -> None:
    with pytest.raises(InputError, match="three: not allowed"):
        list(map_shards(fail_on_three, range(5)))


def test_workers_fill_the_cpus() -> None:
    one = size_workers("cpu", "auto", 1)
    two = size_workers("cpu", "auto", 2)
    assert one == Workers(one.count, 1, "cpu", follow=True)
    assert two.count == max(1, one.count // 2)
    assert room_for_workers(two) == two.count


def test_a_number_or_a_range_of_workers_holds_whatever_the_cluster_has() -> None:
    assert size_workers("cpu", 300, 1) == Workers(300, 1, "cpu")
    assert size_workers("cuda", WorkerRange(minimum=2, maximum=9), 1) == Workers(9, 1, "cuda", minimum=2)


def test_threads_are_the_studys_or_as_the_cpus_allow() -> None:
    assert threads_per_worker(3, 64) == 3
    for cpus in (1, 2, 4, 8, 64):
        threads = threads_per_worker("auto", cpus)
        assert 1 <= threads <= cpus
        assert size_workers("cpu", 1, threads).threads == threads


def test_a_gpu_that_is_not_there_is_refused() -> None:
    import ray

    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    assert size_workers("auto", "auto", 1).device == "cpu"
    with pytest.raises(InputError, match=r"run\.device: cuda: the cluster has no GPU"):
        size_workers("cuda", "auto", 1)
