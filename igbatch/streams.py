"""Standard output and error whose failures (a closed pipe, a full disk) never end a run."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


class _Enduring(io.FileIO):
    """A file descriptor that is turned to the null device at the first write that fails."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write what the descriptor takes; all of it once it is turned away."""
        try:
            return super().write(data)
        except OSError as error:
            self.lost = error
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())  # also for processes and libraries that write there themselves
            os.close(null)
            return memoryview(data).nbytes


def endure_lost_output() -> None:
    """Let prints to a closed pipe or a full disk, and characters that a terminal does not know, end nothing.

    A descriptor that is closed from the start (`>&-`) is opened on the null device, before a file of the run
    gets its number and with it whatever a library prints.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    sys.stdout, sys.stderr = _enduring(sys.stdout, 1), _enduring(sys.stderr, 2)


def lost_output() -> str | None:
    """Return why not all of standard output could be written, None where it was, or where nobody listened."""
    if sys.stdout is not None:
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    lost = raw.lost if isinstance(raw, _Enduring) else None
    return None if lost is None or lost.errno == errno.EPIPE else lost.strerror


def _enduring(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        stream.flush()
    buffered = io.BufferedWriter(_Enduring(descriptor))
    encoding = getattr(stream, "encoding", "utf-8")
    lines = descriptor == 2 or os.isatty(descriptor) or getattr(stream, "write_through", False)
    return io.TextIOWrapper(buffered, encoding, "backslashreplace", line_buffering=lines)
