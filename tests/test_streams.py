"""Standard output that is lost ends nothing; tried in processes, since pytest has the streams of this one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import os, sys
from igbatch.streams import endure_lost_output, lost_output
endure_lost_output()
"""
pytestmark = pytest.mark.slow
REPORT = "\nopen(sys.argv[1], 'w').write(f'end, lost: {lost_output()}')\n"


def run(code: str, report: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGIN + code + REPORT, str(report)]
    return subprocess.run(command, text=True, timeout=60, check=False, **{"stderr": subprocess.PIPE, **how})


@pytest.fixture
def closed_pipe() -> Any:
    """The end of a pipe that can be written to, and nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


MANY = "for i in range(50_000): print('a line that fills the buffer', i)"


def test_a_closed_pipe_ends_nothing_and_is_nothing_to_tell(tmp_path: Path, closed_pipe: int) -> None:
    done = run(MANY, tmp_path / "report", stdout=closed_pipe)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report").read_text() == "end, lost: None"


def test_a_closed_standard_error_ends_nothing(tmp_path: Path, closed_pipe: int) -> None:
    code = "for i in range(9): print('a line', file=sys.stderr); os.write(2, b'of a library')"
    done = run(code, tmp_path / "report", stderr=closed_pipe)
    assert done.returncode == 0
    assert (tmp_path / "report").read_text() == "end, lost: None"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_ends_nothing_and_is_told(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run("print('a word')", tmp_path / "report", stdout=full)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report").read_text() == "end, lost: No space left on device"


def test_descriptors_that_are_closed_from_the_start_are_no_files_of_ours(tmp_path: Path) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    code = "file = open(sys.argv[1] + '2', 'w'); assert file.fileno() > 2; print(1); os.write(1, b'noise')"
    done = run(code, tmp_path / "report", preexec_fn=close, stderr=None)
    assert done.returncode == 0
    assert (tmp_path / "report").read_text() == "end, lost: None"
    assert (tmp_path / "report2").read_text() == ""


def test_a_letter_that_the_terminal_does_not_know_is_written_in_another_way(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("print('Krähe')", tmp_path / "report", stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0
    assert done.stdout == "Kr\\xe4he\n"


def test_what_is_printed_arrives_in_order(tmp_path: Path) -> None:
    code = (
        "print('a', end=''); print('b'); print('c', file=sys.stderr); sys.stdout.flush(); os.write(1, b'd')"
    )
    done = run(code, tmp_path / "report", stdout=subprocess.PIPE)
    assert (done.stdout, done.stderr) == ("ab\nd", "c\n")
