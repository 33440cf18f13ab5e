"""The queue of shards: each one handed out once, and models seldom swapped."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.queue import ShardQueue


def work_off(queue: ShardQueue, workers: int, seed: int = 0) -> tuple[list[Shard], int]:
    """Let workers that are equally fast take shards until none is left; return these and the swaps made."""
    held: list[str | None] = [None] * workers
    taken: list[Shard] = []
    swaps = 0
    order = random.Random(seed)
    while len(queue):
        worker = order.randrange(workers)
        elsewhere = {variant for other, variant in enumerate(held) if variant and other != worker}
        shard = queue.take(held[worker], elsewhere)
        assert shard is not None
        swaps += shard.spec.variant_id != held[worker]
        held[worker] = shard.spec.variant_id
        taken.append(shard)
    assert queue.take(None) is None
    return taken, swaps


@given(
    variants=st.integers(1, 6),
    images=st.integers(1, 9),
    shard_images=st.integers(1, 4),
    workers=st.integers(1, 5),
)
def test_every_shard_is_taken_once(
    many_variants: Callable[..., Plan], variants: int, images: int, shard_images: int, workers: int
) -> None:
    plan = many_variants(variants, images, shard_images)
    taken, _ = work_off(ShardQueue(plan), workers)
    assert Counter(shard.name for shard in taken) == Counter(shard.name for shard in plan.shards())


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_swaps_are_about_as_many_as_variants_and_workers(
    many_variants: Callable[..., Plan], workers: int
) -> None:
    _, swaps = work_off(ShardQueue(many_variants(40, 20, 1)), workers)
    assert 40 <= swaps <= 40 + 3 * workers


def test_the_costliest_variant_comes_first(many_variants: Callable[..., Plan]) -> None:
    first = ShardQueue(many_variants(3, 4, 2, trained=True)).take(None)
    assert first is not None
    assert first.spec.variant_id == "trained"


def begun(queue: ShardQueue, variants: int) -> list[str]:
    """The first image of each variant, each taken by a worker of its own."""
    taken = [queue.take(None, {f"random-{held}" for held in range(number)}) for number in range(variants)]
    return [shard.images[0].image_id for shard in taken if shard is not None]


def test_variants_begin_at_different_images_where_these_are_ranked(
    many_variants: Callable[..., Plan],
) -> None:
    ranked = begun(ShardQueue(many_variants(8, 64, 1, targets=["predicted", "a"])), 8)
    places = sorted(int(image.removeprefix("i")) for image in ranked)
    assert ranked[0] == "i0"
    gaps = [after - before for before, after in zip(places, [*places[1:], 64], strict=True)]
    assert all(4 <= gap <= 16 for gap in gaps)  # 8 would be even
    assert begun(ShardQueue(many_variants(8, 64, 1)), 8) == ["i0"] * 8


@pytest.mark.parametrize("targets", [["predicted"], ["top-2", "b"]])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_shard_is_taken_once_wherever_variants_begin(
    many_variants: Callable[..., Plan], targets: list[str], workers: int
) -> None:
    plan = many_variants(5, 7, 2, targets=targets)
    taken, _ = work_off(ShardQueue(plan), workers)
    assert Counter(shard.name for shard in taken) == Counter(shard.name for shard in plan.shards())


def test_a_worker_without_a_variant_of_its_own_helps_where_most_is_left(
    many_variants: Callable[..., Plan],
) -> None:
    queue = ShardQueue(many_variants(2, 6, 1))
    for _ in range(4):
        queue.take("random-0", {"random-1"})
    helped = queue.take(None, {"random-0", "random-1"})
    assert helped is not None
    assert helped.spec.variant_id == "random-1"


def test_what_was_put_back_comes_again_soon(many_variants: Callable[..., Plan]) -> None:
    queue = ShardQueue(many_variants(2, 3, 1))
    shard = queue.take("random-0")
    assert shard is not None
    before = len(queue)
    queue.put_back(shard)
    assert len(queue) == before + 1
    assert queue.take("random-0") == shard
    queue.put_back(shard)
    assert queue.take("random-1") != shard  # its holder goes on with its own variant
    assert queue.take(None) == shard


def test_what_has_to_wait_is_counted_and_not_handed_out_before(
    many_variants: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("igbatch.pipeline.queue.time.monotonic", lambda: now[0])
    queue = ShardQueue(many_variants(1, 1, 1))
    shard = queue.take(None)
    assert shard is not None
    queue.put_back(shard, pause=5.0)
    assert (len(queue), queue.take(None)) == (1, None)
    now[0] += 5.0
    assert queue.take(None) == shard
    assert len(queue) == 0


def test_what_is_to_be_alone_goes_to_an_idle_worker_before_anything_else(
    many_variants: Callable[..., Plan],
) -> None:
    queue = ShardQueue(many_variants(1, 4, 1))
    left = len(queue)
    suspect = queue.take(None)
    assert suspect is not None
    assert not queue.is_alone(suspect)
    queue.put_back(suspect, alone=True)
    assert len(queue) == left
    other = queue.take("random-0", idle=False)
    assert other is not None
    assert other != suspect
    assert queue.take("random-0") == suspect
    assert queue.is_alone(suspect)
    assert not queue.is_alone(other)
