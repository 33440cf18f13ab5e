"""A call into a library ends in time, or is left behind."""

import threading
import time

import pytest

from igbatch.deadlines import left_behind, within


def test_what_is_done_in_time_is_done() -> None:
    done: list[int] = []
    within(5, lambda: done.append(1))
    assert done == [1]
    assert not left_behind()


def test_what_it_raises_comes_through() -> None:
    def fail() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        within(5, fail)


def test_what_takes_too_long_is_left_behind_until_it_ends() -> None:
    end = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.1, end.wait)
    assert time.monotonic() - start < 5
    assert left_behind()
    end.set()
    while left_behind():
        assert time.monotonic() - start < 5
        time.sleep(0.01)
