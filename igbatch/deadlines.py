"""Waiting for no longer than a deadline, for calls into libraries that know none."""

from __future__ import annotations

import threading
from collections.abc import Callable

_NAME = "igbatch-within"


def within(seconds: float, action: Callable[[], object]) -> None:
    """Do something in a thread of its own, which is left behind where it takes too long.

    Raises:
        TimeoutError: it does; and whatever the action raises.
    """
    failed: list[Exception] = []
    ended = threading.Event()

    def work() -> None:
        try:
            action()
        except Exception as error:  # handed on to the caller's thread
            failed.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, name=_NAME, daemon=True).start()
    if not ended.wait(seconds):
        raise TimeoutError
    if failed:
        raise failed[0]


def left_behind() -> bool:
    """Tell whether a thread was left behind; Python does not end in good order while it is in a library."""
    return any(thread.name == _NAME for thread in threading.enumerate())
