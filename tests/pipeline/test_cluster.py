"""Plain tasks on the cluster, how many workers there are to be, and what could never be."""

import os
from dataclasses import replace
from typing import Any

import pytest
import ray

from igbatch.errors import InputError, UnfinishedError
from igbatch.pipeline import cluster
from igbatch.pipeline.cluster import (
    Workers,
    lacking,
    map_shards,
    size_workers,
    tasks_in_flight,
    threads_per_worker,
    worker_capacity,
)
from igbatch.pipeline.packages import imported_packages
from igbatch.study import Run, WorkerRange

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray")]


def sized(
    device: Any, workers: Any, threads: Any, per_gpu: Any = "auto", recorded_threads: int | None = None
) -> Workers:
    run = Run(device=device, workers=workers, threads=threads, workers_per_gpu=per_gpu)
    return size_workers(run, {"cpu": {"threads": recorded_threads}} if recorded_threads else {})


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
    with pytest.raises(InputError) as caught:
        list(map_shards(fail_on_three, range(5)))
    assert str(caught.value) == "three: not allowed; take another"


def test_workers_fill_the_cpus() -> None:
    one = sized("cpu", "auto", 1)
    two = sized("cpu", "auto", 2)
    assert one == Workers(one.count, 1, "cpu", follow=True)
    assert two.count == max(1, one.count // 2)
    assert worker_capacity(two) == two.count


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the Ray of these tests for a cluster that others started, to which nodes may come."""
    monkeypatch.setattr(cluster, "is_embedded", lambda: False)


@pytest.mark.usefixtures("joined")
def test_a_number_or_a_range_of_workers_holds_whatever_the_cluster_has() -> None:
    assert sized("cpu", 300, 1) == Workers(300, 1, "cpu")
    assert sized("cuda", WorkerRange(minimum=2, maximum=9), 1) == Workers(9, 1, "cuda", minimum=2)


def test_threads_are_the_studys_or_as_the_cpus_allow() -> None:
    assert threads_per_worker(3, 64) == 3
    for cpus in (1, 2, 4, 8, 64):
        threads = threads_per_worker("auto", cpus)
        assert 1 <= threads <= cpus
    assert sized("cpu", 1, 1).threads == 1


@pytest.mark.usefixtures("joined")
def test_threads_of_an_earlier_run_take_the_place_of_auto_alone() -> None:
    assert sized("cpu", 1, "auto", recorded_threads=5).threads == 5
    assert sized("cpu", 1, 3, recorded_threads=5).threads == 3


@pytest.mark.usefixtures("joined")
def test_a_gpu_that_is_not_there_is_refused_unless_the_cluster_may_start_one() -> None:
    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    assert sized("auto", "auto", 1).device == "cpu"
    with pytest.raises(InputError, match=r"run\.device: cuda: the cluster has no GPU"):
        sized("cuda", "auto", 1)
    assert sized("cuda", 2, 1) == Workers(2, 1, "cuda")


# An embedded Ray, to which nothing comes


@pytest.mark.parametrize("count", ["auto", 2, WorkerRange(minimum=1, maximum=2)], ids=str)
def test_an_embedded_ray_will_never_have_a_gpu(count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0})
    monkeypatch.setattr("igbatch.pipeline.devices.why_no_gpu", lambda: "there is none")
    with pytest.raises(
        InputError, match=r"^run\.device: cuda: no GPU on .* \(there is none\): use run\.device"
    ):
        sized("cuda", count, 1)
    monkeypatch.setattr("igbatch.pipeline.devices.why_no_gpu", lambda: None)
    with pytest.raises(InputError, match="Ray counts no GPU"):
        sized("cuda", count, 1)


def test_an_embedded_ray_will_never_have_more_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    with pytest.raises(InputError, match=r"^run\.threads: 5: this machine has 4 CPU"):
        sized("cpu", 1, 5)
    with pytest.raises(
        InputError, match=r"^run\.threads: auto: .* had 5 threads before, this machine has 4 CPU"
    ):
        sized("cpu", 1, "auto", recorded_threads=5)
    for device, threads, fits in (("cpu", 1, 4), ("cpu", 2, 2), ("cuda", 1, 1)):
        fitting = WorkerRange(minimum=fits, maximum=9)
        assert sized(device, fitting, threads) == Workers(9, threads, device, fits)
        with pytest.raises(
            InputError, match=rf"^run\.workers\.minimum: {fits + 1}: .* room for {fits} worker"
        ):
            sized(device, WorkerRange(minimum=fits + 1, maximum=9), threads)


# Waiting


def test_what_is_lacking_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4.0})
    monkeypatch.setattr("ray.available_resources", lambda: {"CPU": 1.0})
    assert lacking(1, 1) == "each takes 1 GPU(s), and the whole cluster has 0"
    assert lacking(8, 0) == "each takes 8 CPU(s), and the whole cluster has 4"
    assert lacking(2, 0) == "each takes 2 CPU(s), and 1 of the cluster's 4 are free"
    assert "being started" in lacking(1, 0)


def test_a_task_that_no_node_could_run_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MAX_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(cluster, "CLUSTER_POLL_SECONDS", 0.1)
    with pytest.raises(UnfinishedError, match=r"each takes 1 GPU\(s\), and the whole cluster has 0"):
        list(map_shards(square, [1], gpus=1))


def test_a_task_of_another_igbatch_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(imported_packages(), code="of another clone")
    monkeypatch.setattr(cluster, "imported_packages", lambda: other)
    with pytest.raises(InputError, match=r"a worker on .* imports igbatch") as caught:
        list(map_shards(square, [1]))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("joined")
def test_workers_that_share_a_gpu_hold_a_part_of_it() -> None:
    for per_gpu, part in ((1, 1), (4, 0.25), ("auto", 1)):
        workers = sized("cuda", 8, 1, per_gpu)
        assert (workers.count, workers.gpus) == (8, part)
    assert sized("cpu", 8, 1, 4).gpus == 0


def test_as_many_workers_fit_as_gpus_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 2.0, "CPU": 32.0})
    assert sized("auto", "auto", 1, 4) == Workers(8, 1, "cuda", follow=True, per_gpu=4)
    assert sized("auto", "auto", 1).count == 2
