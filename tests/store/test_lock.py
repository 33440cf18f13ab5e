"""The lock of an output: held by one process, gone with it, and absent on object stores."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from igbatch.errors import UnfinishedError
from igbatch.store.lock import output_lock
from igbatch.store.output import Output

HOLD = """
import sys, time
from igbatch.store.lock import output_lock
from igbatch.store.output import Output
with output_lock(Output(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_told_who_has_it_and_a_dead_one_has_nothing(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, output.uri], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UnfinishedError, match=f"process {holder.pid} on "), output_lock(output):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with output_lock(output) as locked:
        assert locked


def test_the_lock_can_be_taken_again_and_names_no_owner_in_between(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    for _ in range(2):
        with output_lock(output):
            assert (tmp_path / "out" / ".lock-owner.json").is_file()
        assert not (tmp_path / "out" / ".lock-owner.json").exists()


def test_an_object_store_has_none(tmp_path: Path) -> None:
    with output_lock(Output("memory://bucket/out")) as locked:
        assert not locked
