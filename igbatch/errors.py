"""The project's own exceptions, each with its exit code.

Every message is one line: what was found, where, and what to do about it.
"""

import unicodedata


def printable(text: object) -> str:
    """Return a text with every character written as an escape that a terminal acts on or cannot show.

    Names of files and cells of tables hold anything: NULs, sequences that move the cursor or change the
    window's title, marks that turn the direction of writing, halves of surrogate pairs.
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
        for c in line
    )


def one_line(text: object, limit: int = 1000) -> str:
    """Return a text as one `printable` line for a message, cut at `limit` characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


class IgbatchError(Exception):
    """Root of the errors that igbatch raises on purpose; their messages are `printable`."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message))


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
