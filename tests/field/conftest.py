"""Situations from the field: what people bring, each as a test named by what the user did.

The rule for all of them: it works right, or it ends with one line that says what was found, where, and how to
mend it, within `SECONDS`, with exit code 2 (or 3 where running again can help), and nothing is lost.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from igbatch import cli

SECONDS = 60
"""Within so many seconds a wrong call has to end with its line: twice what is promised, since other tests run
beside and a machine may be slow."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, and the seconds it took."""

    code: int
    out: str
    err: str
    seconds: float

    def refused(self, *parts: str, code: int = 2) -> str:
        """Return the one line on standard error, after checking that it holds `parts` and came in time."""
        assert self.code == code, f"exit {self.code}\n{self.out}\n{self.err}"
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        for part in parts:
            assert part in lines[0], lines[0]
        assert self.seconds < SECONDS
        return lines[0]


Command = Callable[..., Ended]


@pytest.fixture
def igbatch(tmp_path: Path) -> Command:
    """Run the installed `igbatch` as a process, as a user does: (*arguments, cwd, env, timeout)."""

    def run(
        *arguments: object, cwd: Path = tmp_path, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> Ended:
        script = Path(sys.executable).with_name("igbatch")
        command = [str(script), *map(str, arguments)]
        start = time.monotonic()
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, "COLUMNS": "250", **(env or {})}, capture_output=True,
            text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - start)

    return run


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, from its arguments to its exit code: (*arguments). It starts no Ray."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["igbatch", *map(str, arguments)])
        capsys.readouterr()
        start = time.monotonic()
        code = cli.exit_code(cli.main)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err, time.monotonic() - start)

    return run


@pytest.fixture
def write_study(tmp_path: Path, tiny_content: dict[str, Any]) -> Callable[..., Path]:
    """Write the tiny study with other top-level keys into a file: (name="study.yaml", **keys)."""

    def write(name: str = "study.yaml", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump({**tiny_content, **changes}))
        return path

    return write
