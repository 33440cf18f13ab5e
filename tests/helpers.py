"""Shared by tests of several folders: how the command is called, and what a refused call has to say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from igbatch.store import schemas

SECONDS = 60
"""Within so many seconds a wrong call has to end with its line: twice what is promised, since other tests run
beside and a machine may be slow."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, and the seconds it took."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

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


def run_igbatch(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 300
) -> Ended:
    """Run the installed `igbatch` as a process, as a user does, on a wide terminal."""
    command = [str(Path(sys.executable).with_name("igbatch")), *map(str, arguments)]
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "COLUMNS": "250", **(env or {})}, capture_output=True,
        text=True, timeout=timeout, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


ZEROS = {
    field.name: []
    if pa.types.is_list(field.type)
    else {pa.bool_(): False, pa.string(): ""}.get(field.type, 0)
    for field in schemas.IMAGE_STATS
    if field.name != "other_index"  # which contrasts alone have
}
"""A row of `image_stats` that says nothing."""
