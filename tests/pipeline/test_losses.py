"""What becomes of shards whose workers were lost: nothing is lost, and the poison is found alone."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igbatch.errors import UnfinishedError
from igbatch.pipeline.losses import (
    ALONE_TRIES,
    LEAST_SECONDS,
    LONGEST_PAUSE,
    TIMES_SLOWEST,
    UNKNOWN_SECONDS,
    WHOLE_TRIES,
    Deadline,
    Losses,
)
from igbatch.pipeline.plan import Plan, Shard

Plans = Callable[..., Plan]


def shard_of(plans: Plans, images: int) -> Shard:
    (shard,) = plans(1, images, images).shards()
    return shard


@settings(max_examples=40, deadline=None)
@given(images=st.integers(1, 16), data=st.data())
def test_halving_leaves_just_the_poison_in_quarantine(
    many_variants: Plans, images: int, data: st.DataObject
) -> None:
    shard = shard_of(many_variants, images)
    ids = [image.image_id for image in shard.images]
    poison = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    losses, waiting, done, given_up, killed = Losses(0), [shard], [], [], 0
    names = set()
    while waiting:
        current = waiting.pop()
        inside = [image.image_id for image in current.images]
        if not poison & set(inside):
            done += inside
            continue
        killed += 1
        again = losses.blamed(current)
        waiting += again
        names |= {(part.name, len(part.images)) for part in again}
        if not again:
            given_up += inside
    assert sorted(done) == sorted(set(ids) - poison)
    assert sorted(given_up) == sorted(poison)
    assert len({name for name, _ in names}) == len(names)  # parts are shards of their own
    assert killed <= len(poison) * (WHOLE_TRIES + images.bit_length() + ALONE_TRIES)


def test_one_accident_does_not_halve_a_shard(many_variants: Plans) -> None:
    shard = shard_of(many_variants, 4)
    assert Losses(0).blamed(shard) == [shard]


def test_an_image_alone_is_tried_before_it_is_given_up(many_variants: Plans) -> None:
    shard, losses = shard_of(many_variants, 1), Losses(0)
    for _ in range(ALONE_TRIES - 1):
        assert losses.blamed(shard) == [shard]
    assert losses.blamed(shard) == []


def test_a_shard_that_is_not_to_blame_is_never_halved_and_has_a_limit(many_variants: Plans) -> None:
    shard, losses = shard_of(many_variants, 4), Losses(3)
    for _ in range(3):
        losses.blameless(shard, "the store is away")
    with pytest.raises(UnfinishedError, match=r"failed 4 times .*the store is away.*run it again"):
        losses.blameless(shard, "the store is away")


def test_a_store_that_is_away_is_asked_at_longer_and_longer_intervals(many_variants: Plans) -> None:
    shard, losses = shard_of(many_variants, 1), Losses(20)
    pauses = [losses.blameless(shard, "away") for _ in range(10)]
    assert pauses == [1, 2, 4, 8, 16, 32, *[LONGEST_PAUSE] * 4]


# How long a worker may take


def test_the_studys_own_limit_holds_whatever_was_seen(many_variants: Callable[..., Plan]) -> None:
    (shard,) = many_variants(1, 4, 4).shards()
    deadline = Deadline(12.5)
    deadline.learn(1000.0, 1)
    assert deadline.limit(shard) == 12.5


def test_otherwise_it_follows_from_the_slowest_shard_so_far(many_variants: Callable[..., Plan]) -> None:
    (shard,) = many_variants(1, 4, 4).shards()
    deadline = Deadline(None)
    assert deadline.limit(shard) == UNKNOWN_SECONDS
    deadline.learn(1.0, 10)
    assert deadline.limit(shard) == LEAST_SECONDS
    deadline.learn(300.0, 2)
    deadline.learn(1.0, 2)
    assert deadline.limit(shard) == TIMES_SLOWEST * 150 * 4
