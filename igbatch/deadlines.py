"""Calls a function with a deadline, in a thread, for libraries whose calls have no timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

_NAME = "igbatch-within"


def within(seconds: float, action: Callable[[], object]) -> None:
    """Do something in a thread of its own, which is left behind where it takes too long.

    Raises:
        TimeoutError: it does, in words; and whatever the action raises.
    """
    done: Future[object] = Future()

    def work() -> None:
        try:
            done.set_result(action())
        except BaseException as error:  # handed on to the caller's thread
            done.set_exception(error)

    threading.Thread(target=work, name=_NAME, daemon=True).start()
    try:
        done.result(seconds)
    except TimeoutError:
        if done.done():  # the action's own
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def left_behind() -> bool:
    """Return whether a thread was left behind; Python does not end in good order while it is in a library."""
    return any(thread.name == _NAME for thread in threading.enumerate())
