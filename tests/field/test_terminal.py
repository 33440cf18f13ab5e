"""What a command prints goes to a pipe that is closed, or to a disk that is full."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import Command
from rich.console import Console

from igbatch.job import run_job
from igbatch.store.output import Output

IGBATCH = str(Path(sys.executable).with_name("igbatch"))
pytestmark = pytest.mark.slow
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def in_a_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell; it ends with the exit code of the first command of a pipe."""
    script = f"set -o pipefail; igbatch() {{ '{IGBATCH}' \"$@\"; }}; {line}"
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def reported(
    computed: Output, tiny_content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of a finished study that has its report, since drawing one takes a process seconds."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "study.yaml").write_text(yaml.safe_dump(tiny_content))
    out = Path(shutil.copytree(computed.uri, folder / "out"))
    assert run_job(folder / "study.yaml", (), Console(quiet=True), out=str(out)) == 0
    return out


@pytest.fixture
def finished(reported: Path, tmp_path: Path) -> Path:
    """A copy of that study, for commands that write into it."""
    return Path(shutil.copytree(reported, tmp_path / "finished"))


def test_a_run_that_nobody_can_hear_from_the_start(
    finished: Path, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    """Of a finished study, to be quick; `>&-` leaves no descriptor 1 at all."""
    write_study()
    files = sorted(path.name for path in finished.iterdir())
    done = in_a_shell(f"igbatch run study.yaml --out '{finished}' >&- 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(files) <= {path.name for path in finished.iterdir()}


@pytest.mark.parametrize(
    "command", ["plan study.yaml --no-trial", "verify {out}", "nights nothing", "--help", "run --help"]
)
def test_a_command_that_prints_ends_quietly_with_its_code(
    command: str, computed: Output, call: Command, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    write_study()
    command = command.format(out=f"'{computed.uri}'")
    heard = call(*shlex.split(command))
    unheard = in_a_shell(f"igbatch {command} | true", tmp_path)
    assert (unheard.returncode, unheard.stderr) == (heard.code, heard.err)


@FULL
def test_a_run_into_a_full_disk_is_not_lost(
    finished: Path, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    write_study()
    done = in_a_shell(f"igbatch run study.yaml --out '{finished}' > /dev/full", tmp_path)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("igbatch: standard output could not be written (No space left on device)")


@FULL
def test_what_a_full_disk_lost_of_a_command_that_only_prints_is_not_called_done(
    write_study: Callable[..., Path], tmp_path: Path
) -> None:
    write_study()
    done = in_a_shell("igbatch plan study.yaml --no-trial > /dev/full", tmp_path)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "standard output could not be written" in line


def test_json_into_a_file_is_whole(computed: Output, tmp_path: Path) -> None:
    in_a_shell(f"igbatch verify --json '{computed.uri}' > found.json", tmp_path)
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    assert found
