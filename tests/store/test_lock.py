"""The lock of an output: one holder at a time, whatever the store and however processes die."""

import itertools
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from igbatch.errors import UnfinishedError
from igbatch.store import lock as lock_module
from igbatch.store.commit import sweep
from igbatch.store.lock import EXPIRY_SECONDS, HEARTBEAT_SECONDS, Lock, output_lock
from igbatch.store.lock import holder as holder_of
from igbatch.store.lock_entry import Entries, RunProcess
from igbatch.store.output import Output

pytestmark = pytest.mark.slow

BEAT, EXPIRY = 0.2, 1.5
SILENCE = 0.7
"""An expiry for holders that only tests pretend to be: nobody has to give a sign within it."""
HOLD = f"""
import sys, time
from igbatch.errors import UnfinishedError
from igbatch.store.lock import output_lock
from igbatch.store.output import Output
with output_lock(Output(sys.argv[1]), heartbeat={BEAT}, expiry={EXPIRY}) as lock:
    print("held", flush=True)
    for line in sys.stdin:
        try:
            lock.check()
            print("kept", flush=True)
        except UnfinishedError as error:
            print(error, flush=True)
"""
CONTEND = f"""
import sys, threading, time
from igbatch.errors import UnfinishedError
from igbatch.store.lock import output_lock
from igbatch.store.output import Output

def contend():
    while True:
        try:
            with output_lock(Output(sys.argv[1]), heartbeat={BEAT}, expiry=20) as lock:
                begin = time.time()
                time.sleep(0.1)
                print(f"{{begin}} {{time.time()}} {{lock.lost}}\\n", end="", flush=True)
                break
        except UnfinishedError:
            time.sleep(0.05)

contenders = [threading.Thread(target=contend) for _ in range(3)]
print("ready", flush=True)
sys.stdin.readline()
for each in contenders:
    each.start()
for each in contenders:
    each.join()
"""


@pytest.fixture(autouse=True)
def clock_of_the_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for whole seconds only where the store keeps those: other times are finer."""
    where = getattr(request.node, "callspec", None)
    if where is None or "s3" not in where.params.values():
        monkeypatch.setattr(lock_module, "STORE_TICK_SECONDS", 0.1)


class Holder:
    """A process that holds a lock and tells on demand whether it still does."""

    def __init__(self, output: Output) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, output.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "held"

    def ask(self) -> str:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@pytest.fixture(params=["local", pytest.param("s3")])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    """An output that several processes reach."""
    if request.param == "local":
        return Output(str(tmp_path / "out"))
    return Output(f"s3://{request.getfixturevalue('s3').new_bucket()}/out")


@pytest.fixture
def hold(place: Output) -> Iterator[Callable[[], Holder]]:
    """Start processes that hold the lock of `place`, and end them."""
    holders: list[Holder] = []

    def start() -> Holder:
        holders.append(Holder(place))
        return holders[-1]

    yield start
    for holder in holders:
        holder.kill()


def lock(output: Output) -> Any:
    return output_lock(output, heartbeat=BEAT, expiry=EXPIRY)


@contextmanager
def taken_over(output: Output) -> Iterator[Lock]:
    """Take the lock as soon as its holder has been silent for long enough not to be refused at once."""
    deadline = time.monotonic() + 10
    with ExitStack() as stack:
        while time.monotonic() < deadline:
            try:
                held = stack.enter_context(lock(output))
                break
            except UnfinishedError:
                time.sleep(BEAT)
        else:
            pytest.fail("the lock was never given")
        yield held


def entries(output: Output) -> list[dict[str, Any]]:
    """Return what the entries say, without the temporary files of those that are being written."""
    paths = [info.path for info in output.files("locks") if not info.base_name.startswith(".")]
    return [json.loads(output.read(path)) for path in paths]


def forge(output: Output, **changes: Any) -> Entries:
    """Put an entry of a holder on another machine, or of whatever `changes` say; return it to beat."""
    forged = Entries(output, "0" * 16)
    forged.run = RunProcess(**{**vars(forged.run), "boot": "another", "host": "node-7", **changes})
    forged.put(holding=True)
    return forged


def test_a_second_driver_is_told_who_is_at_work_and_a_killed_one_holds_nothing(
    place: Output, hold: Callable[[], Holder]
) -> None:
    holder = hold()
    who = rf"process {holder.process.pid} on {re.escape(platform.node())}, since 20\d\d-.* UTC"
    start = time.monotonic()
    with pytest.raises(UnfinishedError, match=who), lock(place):
        pass
    assert time.monotonic() - start < 1
    assert len(entries(place)) == 1
    holder.kill()
    start = time.monotonic()
    with lock(place) as held:
        assert time.monotonic() - start < 1
        assert not held.lost
        assert [entry["process"] for entry in entries(place)] == [os.getpid()]


def test_the_error_is_one_line_and_means_run_it_again(output: Output) -> None:
    with (
        lock(output),
        pytest.raises(UnfinishedError, match="another run is at work") as caught,
        lock(output),
    ):
        pass
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def test_it_is_given_back_and_can_be_taken_again(output: Output) -> None:
    for _ in range(2):
        with lock(output) as held:
            held.check()
            assert [entry["holding"] for entry in entries(output)] == [True]
        assert entries(output) == []

    def fail() -> None:
        with lock(output):
            raise RuntimeError("the work failed")

    with pytest.raises(RuntimeError, match="the work failed"):
        fail()
    assert entries(output) == []


def test_a_silent_holder_elsewhere_and_a_damaged_entry_are_waited_for_and_then_dead(output: Output) -> None:
    start = time.monotonic()
    forge(output)
    output.put(output.path("locks", "broken.json"), b"{")
    with output_lock(output, heartbeat=SILENCE / 4, expiry=SILENCE) as held:
        assert time.monotonic() - start > SILENCE
        assert not held.lost
        assert [entry["host"] for entry in entries(output)] == [platform.node()]


def test_a_holder_that_was_silent_for_long_is_dead_at_once_by_the_clock_of_the_store(
    tmp_path: Path,
) -> None:
    output = Output(str(tmp_path))
    forge(output)
    past = time.time() - EXPIRY_SECONDS - 5
    os.utime(output.files("locks")[0].path, (past, past))
    start = time.monotonic()
    with output_lock(output):
        assert time.monotonic() - start < 1


def test_a_holder_on_another_machine_that_beats_is_refused_by_name(output: Output) -> None:
    forged = forge(output, process=4711)

    def wait_and_beat(seconds: float) -> None:
        real_sleep(seconds)
        forged.put(holding=True)

    real_sleep = time.sleep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", wait_and_beat)
        with pytest.raises(UnfinishedError, match="process 4711 on node-7, since "), lock(output):
            pass
    assert len(entries(output)) == 1


@pytest.mark.parametrize("change", ["process", "started"])
def test_a_process_that_is_gone_or_whose_id_another_has_holds_nothing(output: Output, change: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    process = vars(RunProcess.here())
    gone = {"process": {**process, "process": ended.pid}, "started": {**process, "started": 1e9}}[change]
    forge(output, **gone)
    start = time.monotonic()
    with output_lock(output):
        assert time.monotonic() - start < HEARTBEAT_SECONDS / 2


def test_the_holder_is_told_without_a_trace(output: Output) -> None:
    assert holder_of(output) is None
    with lock(output):
        before = [entry["process"] for entry in entries(output)]
        assert f"process {os.getpid()} on {platform.node()}" in str(holder_of(output))
        assert [entry["process"] for entry in entries(output)] == before
    assert holder_of(output) is None


def test_of_holders_on_other_machines_one_that_beats_is_told_and_a_silent_one_is_not(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    forged = forge(output)
    assert holder_of(output, heartbeat=BEAT, expiry=SILENCE) is None
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            forged.put(holding=True)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert "on node-7" in str(holder_of(output, heartbeat=BEAT, expiry=60))
    finally:
        ended.set()
        thread.join()


def test_who_only_asks_for_a_lock_does_not_hold_it(output: Output) -> None:
    forge(output).put(holding=False)
    assert holder_of(output) is None


def test_a_stopped_holder_that_was_taken_over_notices(place: Output, hold: Callable[[], Holder]) -> None:
    holder = hold()
    assert holder.ask() == "kept"
    os.kill(holder.process.pid, signal.SIGSTOP)
    with taken_over(place) as held:
        os.kill(holder.process.pid, signal.SIGCONT)
        assert "lost its lock" in holder.ask()
        deadline = time.monotonic() + 10
        while f"process {os.getpid()} on " not in holder.ask():  # the next beat learns who it was
            assert time.monotonic() < deadline
            time.sleep(BEAT)
        assert [entry["process"] for entry in entries(place)] == [os.getpid()]
        held.check()


def test_a_holder_whose_entry_was_removed_does_not_put_it_again(output: Output) -> None:
    with lock(output) as held:
        deadline = time.monotonic() + 10
        while not held.lost and time.monotonic() < deadline:
            for info in output.files("locks"):
                with suppress(FileNotFoundError):
                    output.delete(info.path)
            time.sleep(2 * BEAT)
        time.sleep(2 * BEAT)
        assert held.lost
        assert entries(output) == []
        with pytest.raises(UnfinishedError, match=r"this run lost its lock to another run; run it again"):
            held.check()


def test_of_a_holder_that_comes_back_and_one_that_took_over_one_gives_way(output: Output) -> None:
    with lock(output) as held:
        forge(output, process=4711)  # both say that they hold it
        time.sleep(3 * BEAT)
        with pytest.raises(UnfinishedError, match="process 4711 on node-7"):
            held.check()


def test_a_hiccup_of_the_store_is_survived_and_a_long_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(str(tmp_path))

    def fail(*_: object) -> None:
        raise OSError("the store is away")

    with output_lock(output, heartbeat=0.1, expiry=0.9) as held:
        with monkeypatch.context() as patch:
            patch.setattr(Output, "put_json", fail)
            time.sleep(0.2)
        time.sleep(1.0)
        held.check()
        with monkeypatch.context() as patch:
            patch.setattr(Output, "put_json", fail)
            time.sleep(1.0)
            with pytest.raises(
                UnfinishedError, match=r"lost its lock: it could give no sign for 0\.9 s; run it again"
            ):
                held.check()


def test_of_many_at_once_one_holds_at_a_time_and_all_get_it(place: Output) -> None:
    command = [sys.executable, "-c", CONTEND, place.uri]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    drivers = [subprocess.Popen(command, **pipes) for _ in range(2)]  # of three contenders each
    for driver in drivers:
        assert driver.stdout
        assert driver.stdout.readline() == "ready\n"
    for driver in drivers:
        assert driver.stdin
        driver.stdin.write("\n")
        driver.stdin.flush()
    lines = [line.split() for driver in drivers for line in driver.communicate(timeout=60)[0].splitlines()]
    held = sorted((float(begin), float(end)) for begin, end, _ in lines)
    assert len(held) == 6
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(held))
    assert {lost for _, _, lost in lines} == {"False"}
    assert entries(place) == []


def test_a_sweep_and_the_beats_of_a_lock_do_not_meet(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    with output_lock(output, heartbeat=0.001) as held:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            sweep(output, set())
        held.check()
    assert entries(output) == []
