"""Which shards of a worker are attributed together, and where its time goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from igbatch.pipeline.messages import Times
from igbatch.pipeline.occupancy import Occupancy


def overlap(slots: int, variants: Sequence[str], seconds: float = 0.05) -> tuple[list[int], list[set[str]]]:
    """Let shards of variants come one after the other.

    Returns:
        the order in which they got a slot, and for each the variants that were attributed together with it.
    """
    occupancy, lock = Occupancy(slots), threading.Lock()
    order: list[int] = []
    held: list[str] = []
    together: list[set[str]] = [set() for _ in variants]

    def attribute(index: int) -> None:
        with occupancy.shard(), occupancy.slot(variants[index]):
            with lock:
                order.append(index)
                held.append(variants[index])
                together[index] |= set(held)
                assert len(held) <= slots
            time.sleep(seconds)
            with lock:
                held.remove(variants[index])

    with ThreadPoolExecutor(len(variants)) as pool:
        futures = []
        for index in range(len(variants)):
            futures.append(pool.submit(attribute, index))
            time.sleep(0.01)
        for future in futures:
            future.result()
    return order, together


@pytest.mark.parametrize("slots", [1, 2])
def test_shards_get_their_slots_in_the_order_in_which_they_come(slots: int) -> None:
    order, together = overlap(slots, ["a", "a", "b", "a", "b"])
    assert order == [0, 1, 2, 3, 4]
    assert all(len(variants) == 1 for variants in together)


def test_a_slot_is_free_again_after_a_fault() -> None:
    occupancy = Occupancy(1)
    for _ in range(2):
        with pytest.raises(OSError, match="full"), occupancy.shard(), occupancy.slot("a"):
            raise OSError("full")
    with occupancy.slot("b"):
        pass


def test_times_say_where_the_time_went_and_begin_anew() -> None:
    occupancy = Occupancy(1)
    time.sleep(0.05)  # without a shard: nobody's time
    with occupancy.shard():
        with occupancy.slot("a"):
            with occupancy.waiting("images"):
                time.sleep(0.04)
            with occupancy.device_lock.round():
                time.sleep(0.06)
        time.sleep(0.03)  # committing
    times = occupancy.times()
    assert 0.04 <= times.images < 0.06
    assert 0.06 <= times.busy < 0.09
    assert 0.03 <= times.store < 0.06
    assert times.images + times.busy + times.store <= times.seconds < 0.2
    assert occupancy.times() == Times()


def test_what_a_shard_commits_while_another_is_attributed_is_not_lost_time() -> None:
    occupancy = Occupancy(1)
    attributed = threading.Event()

    def first() -> None:
        with occupancy.shard():
            with occupancy.slot("a"):
                attributed.set()
            time.sleep(0.06)

    def second() -> None:
        attributed.wait()
        with occupancy.shard(), occupancy.slot("b"):
            time.sleep(0.08)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result()
    assert occupancy.times().store < 0.03


@pytest.mark.parametrize(
    ("times", "busy", "passes", "held_back"),
    [
        (Times(10.0, busy=9.4, passes=8.0, images=0.4), "94%", "80%", "by the passes themselves"),
        (
            Times(10.0, busy=3.0, passes=2.0, images=5.0, store=1.0),
            "30%",
            "20%",
            "most by decoding images (50%)",
        ),
        (Times(10.0, busy=2.0, passes=1.0, writing=1.0, store=6.0), "20%", "10%", "most by the store (60%)"),
        (
            Times(10.0, busy=2.0, passes=1.0, images=1.0),
            "20%",
            "10%",
            "most by choosing nodes on the host (70%)",
        ),
    ],
)
def test_a_line_names_what_held_devices_back(times: Times, busy: str, passes: str, held_back: str) -> None:
    assert times.words() == (
        f"while there were shards, the device was busy {busy} of the time, with passes {passes}; "
        f"it was held back {held_back}"
    )
    assert Times().words() == "nothing was computed"


def test_times_add_up() -> None:
    assert Times(1.0, 0.5, images=0.25) + Times(2.0, 1.0, 0.5) == Times(3.0, 1.5, 0.5, images=0.25)
