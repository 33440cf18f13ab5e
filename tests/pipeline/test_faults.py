"""Machines that die, fill up, hang or run out of memory: in the end the same rows as if nothing had been."""

import os
import pickle
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from quick_worker import QuickWorker, Replayed, write_committed
from warm_workers import WarmWorkers

from igbatch import open_study
from igbatch.errors import UnfinishedError
from igbatch.pipeline import driver, retry, worker, worker_pool
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.driver import AttributionDriver, RunSummary
from igbatch.pipeline.messages import Calibration, ShardReport
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.pipeline.study_output import open_output
from igbatch.store.output import Output
from igbatch.study_file import load_study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_workers")]
KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
CALIBRATION = Calibration("float32", 0.0, micro_batch=4)
FATAL_IMAGE = "double-00002"


# Computers with faults: what they do once, they do where their mark is not there yet


class Faulty(ShardComputer):
    """The real computer, but for what `fault` does before a shard."""

    def __init__(self, *arguments: Any, fault: Callable[[Shard], None]) -> None:
        super().__init__(*arguments)
        self.fault = fault

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        self.fault(shard)
        return super().compute(shard, calibration)


def faulty(
    resolved: ResolvedStudy, output: Output, device: str, fault: Callable[[Shard], None]
) -> ShardComputer:
    return Faulty(resolved, output, torch.device(device), fault=fault)


@pytest.fixture
def new_quick_workers(cold_workers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's runs start quick workers of their own, as any run does."""
    monkeypatch.setattr(worker, "Worker", QuickWorker)


@pytest.fixture(scope="module")
def kept_quick_workers(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> WarmWorkers:
    return WarmWorkers(QuickWorker, tmp_path_factory.mktemp("quick_workers"))


@pytest.fixture
def quick_workers(kept_quick_workers: WarmWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's runs take quick workers that another test has left."""
    kept_quick_workers.stand_in(monkeypatch)


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few workers die of a shard: each is followed by a new one."""
    monkeypatch.setattr(retry, "WHOLE_TRIES", 1)
    monkeypatch.setattr(retry, "ALONE_TRIES", 2)


def die_of_fatal_image(shard: Shard) -> None:
    if any(image.image_id == FATAL_IMAGE for image in shard.images):
        os.kill(os.getpid(), signal.SIGKILL)


def need_memory(shard: Shard) -> None:
    """Take 4 GiB an image, of which this process gets 6."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 6 * 2**30, resource.RLIM_INFINITY))
    try:
        np.zeros(4 * 2**30 * len(shard.images), dtype=np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def no_fault(shard: Shard) -> None:
    pass


def hang_once(shard: Shard, mark: str) -> None:
    if not os.path.exists(mark):
        Path(mark).touch()
        time.sleep(3600)


def die_twice(shard: Shard, mark: str) -> None:
    with open(mark, "a+") as file:
        file.seek(0)
        if len(file.read()) < 2:
            file.write("x")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def lose_the_store(shard: Shard, mark: str, times: int) -> None:
    with open(mark, "a+") as file:
        file.seek(0)
        if len(file.read()) < times:
            file.write("x")
            raise OSError("When completing: AWS Error NETWORK_CONNECTION during PutObject")


@pytest.fixture(autouse=True)
def watchful_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the driver look at workers that do not answer every moment, not every two seconds."""
    monkeypatch.setattr(driver, "SCALE_SECONDS", 0.2)
    for module in (driver, worker_pool):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.1)


@pytest.fixture
def study(tmp_path: Path, small_content: dict[str, Any]) -> Path:
    """The small study's trained variant, three images in one shard."""
    path = tmp_path / "small.yaml"
    content = small_content | {"variants": [{"kind": "trained"}], "run": {"shard_images": 3, "workers": 1}}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def small_computed(
    small_content: dict[str, Any],
    compute_study: Callable[..., Output],
    tmp_path_factory: pytest.TempPathFactory,
) -> Output:
    """The small study's trained variant, computed and reduced."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(small_content | {"variants": [{"kind": "trained"}]}))
    return compute_study(path, folder / "out")


@pytest.fixture(scope="module")
def undisturbed(small_computed: Output) -> pd.DataFrame:
    """The rows of the small study's trained variant as they should be."""
    return numbers(small_computed.uri)


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)


def assert_as_if_nothing_had_been(output: Output, undisturbed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(numbers(output.uri), undisturbed, check_exact=True)
    from igbatch.store.verify import verify

    assert not [p for p in verify(output).problems if p.kind != "ranges"]


def stage_of(
    study: Path, out: Path, *overrides: str, make_computer: Any = None, **how: Any
) -> AttributionDriver:
    """A stage of one worker over a study."""
    output = Output(str(out))
    plan = plan_study(load_study(study, overrides), output, **how)
    open_output(output, plan.resolved, plan.images)
    return AttributionDriver(plan, output, Workers(1, 1, "cpu"), CALIBRATION, make_computer=make_computer)


def run_with(
    fault: Callable[[Shard], None], study: Path, out: Path, *overrides: str, **how: Any
) -> RunSummary:
    """Run a stage of one worker whose computer has a fault."""
    return stage_of(study, out, *overrides, make_computer=partial(faulty, fault=fault), **how).run()


@pytest.fixture
def replay_with(small_computed: Output, tmp_path: Path) -> Callable[..., RunSummary]:
    """Run a stage of one worker that commits the small study's own rows, and has a fault: as `run_with`."""
    path = tmp_path / "committed.pickle"
    write_committed(small_computed, path)
    committed = str(path)

    def run(
        fault: Callable[[Shard], None], study: Path, out: Path, *overrides: str, **how: Any
    ) -> RunSummary:
        def replayed(resolved: ResolvedStudy, output: Output, device: str) -> Replayed:
            return Replayed(output, committed, fault)

        return stage_of(study, out, *overrides, make_computer=replayed, **how).run()

    return run


def test_a_killed_worker_costs_nothing(study: Path, tmp_path: Path, undisturbed: pd.DataFrame) -> None:
    import ray

    stage = stage_of(study, tmp_path / "out", "run.shard_images=1")
    process = ray.get(stage.pool.slots[0].actor.process_id.remote())

    def kill_in_the_middle() -> None:
        while not list((tmp_path / "out").glob("attributions/*/*.parquet")):
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    summary = stage.run()
    killer.join()
    assert 1 <= summary.retries <= 2  # with the next shard, if it had that one already
    assert_as_if_nothing_had_been(stage.output, undisturbed)


def dying(resolved: ResolvedStudy, output: Output, device: str) -> Any:  # a computer's name imports torch
    os.write(2, b"libtorch.so: cannot open shared object file\n")
    os._exit(3)


@pytest.mark.usefixtures("new_quick_workers")
def test_a_worker_that_dies_while_it_is_started_is_reported_once(study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    lines: list[str] = []
    until = time.monotonic() + 120

    def reported() -> list[str]:
        return [line for line in lines if not line.startswith("waiting for workers")]

    def check() -> None:
        if reported() or time.monotonic() > until:
            raise UnfinishedError("enough")

    stage = AttributionDriver(
        plan,
        output,
        Workers(1, 1, "cpu"),
        CALIBRATION,
        make_computer=dying,
        check=check,
        say=lines.append,
    )
    with pytest.raises(UnfinishedError, match="enough"):
        stage.run()
    (line,) = reported()
    assert line.startswith("a worker died while it was being started: libtorch.so: cannot open shared object")
    assert line.endswith("the run ends where fewer than 1 are ready for 300 s")


@pytest.mark.usefixtures("quick_workers", "few_tries")
def test_an_image_that_kills_its_worker_ends_alone_in_quarantine(
    study: Path, tmp_path: Path, undisturbed: pd.DataFrame, replay_with: Callable[..., RunSummary]
) -> None:
    two = f"images.scenes=[{{kind: double, seeds: [1, {int(FATAL_IMAGE[-5:])}]}}]"
    undisturbed = undisturbed[undisturbed["image_id"].str.startswith("double")].reset_index(drop=True)
    summary = replay_with(die_of_fatal_image, study, tmp_path / "out", two)
    assert (summary.rows, summary.quarantined) == (2, 2)
    assert summary.images == 2
    (lost,) = open_study(str(tmp_path / "out")).quarantine.to_dict("records")
    assert (lost["image_id"], lost["target"], lost["stage"]) == (FATAL_IMAGE, None, "worker")
    assert lost["error"].startswith("its workers were lost: ")
    others = undisturbed[undisturbed["image_id"] != FATAL_IMAGE].reset_index(drop=True)
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), others)
    assert plan_study(load_study(study, [two]), Output(str(tmp_path / "out"))).missing_rows == 0
    replay_with(no_fault, study, tmp_path / "out", two, retry_quarantined=True)
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), undisturbed)


@pytest.mark.usefixtures("quick_workers", "few_tries")
def test_shards_that_were_with_the_one_at_fault_cost_no_image(
    study: Path,
    tmp_path: Path,
    undisturbed: pd.DataFrame,
    replay_with: Callable[..., RunSummary],
) -> None:
    """A worker has the next shard already when it dies, and nothing tells which of them it was."""
    single = "run.shard_images=1"
    summary = replay_with(die_of_fatal_image, study, tmp_path / "out", single)
    assert summary.quarantined == 2
    (lost,) = open_study(str(tmp_path / "out")).quarantine.to_dict("records")
    assert (lost["image_id"], lost["stage"]) == (FATAL_IMAGE, "worker")
    others = undisturbed[undisturbed["image_id"] != FATAL_IMAGE].reset_index(drop=True)
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), others)


@pytest.mark.usefixtures("quick_workers", "few_tries")
def test_a_shard_too_large_for_memory_is_halved(
    study: Path,
    tmp_path: Path,
    undisturbed: pd.DataFrame,
    replay_with: Callable[..., RunSummary],
) -> None:
    summary = replay_with(need_memory, study, tmp_path / "out")
    assert summary.quarantined == 0
    assert summary.shards == 3
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), undisturbed)


@pytest.mark.usefixtures("new_quick_workers")
def test_a_study_of_thousands_of_classes_survives_two_deaths_of_its_worker(
    study: Path,
    tmp_path: Path,
    undisturbed: pd.DataFrame,
    replay_with: Callable[..., RunSummary],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray drops constructor arguments above 100 KB once their actor has died twice."""
    real = plan_study

    def with_many_classes(*arguments: Any, **how: Any) -> Plan:
        plan = real(*arguments, **how)
        plan.resolved.models["small"].class_names.update({f"a class of number {n}": n for n in range(20_000)})
        assert len(pickle.dumps(plan.resolved)) > 200_000
        return plan

    monkeypatch.setitem(stage_of.__globals__, "plan_study", with_many_classes)
    fault = partial(die_twice, mark=str(tmp_path / "mark"))
    summary = replay_with(fault, study, tmp_path / "out", "run.retries=5")
    assert summary.retries >= 1
    assert (tmp_path / "mark").read_text() == "xx"
    monkeypatch.undo()
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), undisturbed)


@pytest.mark.usefixtures("quick_workers")
def test_a_hung_worker_is_killed_in_time(
    study: Path, tmp_path: Path, undisturbed: pd.DataFrame, replay_with: Callable[..., RunSummary]
) -> None:
    fault = partial(hang_once, mark=str(tmp_path / "mark"))
    summary = replay_with(fault, study, tmp_path / "out", "run.shard_seconds=3")
    assert summary.retries == 1
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), undisturbed)


def test_a_store_that_is_away_for_a_while_is_waited_for(
    study: Path, tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    fault = partial(lose_the_store, mark=str(tmp_path / "mark"), times=2)
    summary = run_with(fault, study, tmp_path / "out")
    assert summary.retries == 2
    assert_as_if_nothing_had_been(Output(str(tmp_path / "out")), undisturbed)


def test_a_store_that_stays_away_ends_the_run_unfinished(study: Path, tmp_path: Path) -> None:
    fault = partial(lose_the_store, mark=str(tmp_path / "mark"), times=99)
    with pytest.raises(UnfinishedError, match=r"failed 2 times .*NETWORK_CONNECTION.*run it again"):
        run_with(fault, study, tmp_path / "out", "run.retries=1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 140 KB: room for a shard of one image, which takes 60, and not for three."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=140k", "igbatch-test", str(folder)]
    if os.getuid() != 0 or not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_ends_the_run_unfinished_and_loses_nothing(
    study: Path, small_disk: Path, undisturbed: pd.DataFrame
) -> None:
    single = ["run.shard_images=1"]
    out = Output(str(small_disk / "out"))
    with pytest.raises(UnfinishedError, match=r"no space is left \(.*No space left.*free some space"):
        run_stage(load_study(study, single), out)
    before = {path: path.stat().st_mtime_ns for path in small_disk.glob("out/image_stats/*/*.parquet")}
    assert before
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    outcome = run_stage(load_study(study, single), out)
    assert outcome.rows <= 6 - 2 * len(before)  # a shard that was on its way may have come in since
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert_as_if_nothing_had_been(out, undisturbed)


def kill_at_write(output: Output, place: int) -> None:
    """From now on die at the given write of a shard's commit, counted from 0, before it is done."""
    count = iter(range(10**6))

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if next(count) == place:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    from igbatch.store import commit

    commit.ShardWriter._open = counting(commit.ShardWriter._open)  # type: ignore[method-assign]
    commit.pq.ParquetWriter.close = counting(commit.pq.ParquetWriter.close)
    os.fsync = counting(os.fsync)
    os.replace = counting(os.replace)


def test_death_between_any_two_writes_of_a_commit_loses_and_doubles_nothing(
    study: Path, tmp_path: Path, small_computed: Output, undisturbed: pd.DataFrame
) -> None:
    """Each time in a new process that really dies; what it leaves behind lies in one output."""
    output, one = Output(str(tmp_path / "out")), ["images.scenes=[{kind: double, seeds: [1]}]"]
    plan = plan_study(load_study(study, one), output)
    open_output(output, plan.resolved, plan.images)
    (shard,) = plan.shards()
    torch.set_num_threads(1)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    assert computer.models.variant(shard.spec).digest.result()  # its thread ends before the processes part
    deaths = 0
    for place in range(50):
        child = os.fork()
        if child == 0:
            kill_at_write(output, place)
            computer.compute(shard, CALIBRATION)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        deaths += 1
        assert plan_study(load_study(study, one), output).missing_rows == 2
    assert deaths >= 8  # opening and closing the maps, two more files, and the commit's own two steps
    (tmp_path / "out" / "image_stats" / "trained" / f"{shard.name}.parquet").unlink()
    assert run_stage(load_study(study, one), output).rows == 2
    of_one = undisturbed[undisturbed["image_id"] == "double-00001"].reset_index(drop=True)
    assert_as_if_nothing_had_been(output, of_one)
    for kind in ("image_stats", "attributions", "box_stats"):
        theirs = pd.read_parquet(Path(small_computed.root) / kind / "trained", columns=KEY)
        ours = pd.read_parquet(tmp_path / "out" / kind, columns=KEY)
        assert len(ours) == (theirs["image_id"] == "double-00001").sum()


@pytest.mark.parametrize("victim", ["image_stats", "attributions", "box_stats"])
def test_a_file_that_was_cut_short_is_found_on_resume(
    study: Path, tmp_path: Path, small_computed: Output, undisturbed: pd.DataFrame, victim: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(small_computed.root, out)
    path = sorted(out.glob(f"{victim}/trained/*.parquet"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    lines: list[str] = []
    outcome = run_stage(load_study(study), Output(str(out)), say=lines.append)
    assert outcome.rows == 2
    (line,) = [line for line in lines if "computed again" in line]
    assert path.name in line
    assert_as_if_nothing_had_been(Output(str(out)), undisturbed)


def test_a_worker_never_answers_for_a_shard_twice(study: Path, tmp_path: Path) -> None:
    """What a lost worker had committed already is taken as it is."""
    stage = stage_of(study, tmp_path / "out")
    (shard,) = stage.plan.shards()
    computer = ShardComputer(stage.plan.resolved, stage.output, torch.device("cpu"))
    computer.compute(shard, CALIBRATION)
    before = sorted((tmp_path / "out").rglob("*.parquet"))
    summary = stage.run()
    assert (summary.shards, summary.rows) == (1, 6)
    assert sorted((tmp_path / "out").rglob("*.parquet")) == before


def test_a_stage_that_may_not_go_on_stops(study: Path, tmp_path: Path) -> None:
    """As it does when its lock is lost."""

    def refuse() -> None:
        raise UnfinishedError("the lock is lost")

    stage = stage_of(study, tmp_path / "out")
    stage.check = refuse
    with pytest.raises(UnfinishedError, match="the lock is lost"):
        stage.run()
    assert not list((tmp_path / "out").rglob("image_stats/*/*"))
