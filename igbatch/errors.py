"""The project's own exceptions, each tied to one way of ending.

Every message is one line: what was found, where, and what to do about it.
"""


def one_line(text: object, limit: int = 1000) -> str:
    """Return a text as one line for a message, cut at `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class IgbatchError(Exception):
    """Root of the errors that igbatch raises on purpose."""

    exit_code = 1


class InputError(IgbatchError):
    """The call or the study file is wrong; nothing was computed (exit code 2)."""

    exit_code = 2


class UnfinishedError(IgbatchError):
    """The work could not be finished but nothing is lost; run it again (exit code 3)."""

    exit_code = 3


class WorkerError(IgbatchError):
    """A worker met a fault of the program; the run stops with its traceback in a file (exit code 1)."""


class ImageError(IgbatchError):
    """One image cannot be used; it goes to quarantine with this reason and the run continues."""
