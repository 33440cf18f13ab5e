"""SIGTERM, as from Kubernetes or `ray job stop`, ends a run as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def end_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt in the main thread, so that locks are released and workers end.

    To be called again after `ray.init`, which puts a handler of its own in place.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
