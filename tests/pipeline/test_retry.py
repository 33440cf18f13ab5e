"""The retry policy: no image is lost, and those that kill their workers are found alone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import UnfinishedError
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.retry import (
    ALONE_TRIES,
    FIRST_SHARD_SECONDS,
    MAX_PAUSE,
    MIN_SECONDS,
    TIMES_SLOWEST,
    WHOLE_TRIES,
    Deadline,
    RetryPolicy,
)

Plans = Callable[..., Plan]


def shard_of(plans: Plans, images: int) -> Shard:
    (shard,) = plans(1, images, images).shards()
    return shard


@given(images=st.integers(1, 16), data=st.data())
def test_halving_leaves_just_the_images_that_kill_workers_in_quarantine(
    many_variants: Plans, images: int, data: st.DataObject
) -> None:
    shard = shard_of(many_variants, images)
    ids = [image.image_id for image in shard.images]
    fatal = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    policy, waiting, done, given_up, killed = RetryPolicy(0), [shard], [], [], 0
    names = set()
    while waiting:
        current = waiting.pop()
        inside = [image.image_id for image in current.images]
        if not fatal & set(inside):
            done += inside
            continue
        killed += 1
        again = policy.at_fault(current)
        waiting += again
        names |= {(part.name, len(part.images)) for part in again}
        if not again:
            given_up += inside
    assert sorted(done) == sorted(set(ids) - fatal)
    assert sorted(given_up) == sorted(fatal)
    assert len({name for name, _ in names}) == len(names)  # parts are shards of their own
    assert killed <= len(fatal) * (WHOLE_TRIES + images.bit_length() + ALONE_TRIES)


def test_one_accident_does_not_halve_a_shard(many_variants: Plans) -> None:
    shard = shard_of(many_variants, 4)
    assert RetryPolicy(0).at_fault(shard) == [shard]


def test_an_image_alone_is_tried_before_it_is_given_up(many_variants: Plans) -> None:
    shard, policy = shard_of(many_variants, 1), RetryPolicy(0)
    for _ in range(ALONE_TRIES - 1):
        assert policy.at_fault(shard) == [shard]
    assert policy.at_fault(shard) == []


def test_a_shard_that_is_not_at_fault_is_never_halved_and_has_a_limit(many_variants: Plans) -> None:
    shard, policy = shard_of(many_variants, 4), RetryPolicy(3)
    for _ in range(3):
        policy.not_at_fault(shard, "the store is away")
    with pytest.raises(UnfinishedError, match=r"failed 4 times .*the store is away.*run it again"):
        policy.not_at_fault(shard, "the store is away")


def test_a_store_that_is_away_is_tried_at_longer_and_longer_intervals(many_variants: Plans) -> None:
    shard, policy = shard_of(many_variants, 1), RetryPolicy(20)
    pauses = [policy.not_at_fault(shard, "away") for _ in range(10)]
    assert pauses == [1, 2, 4, 8, 16, 32, *[MAX_PAUSE] * 4]


# How long a worker may take


def test_the_studys_own_limit_holds_whatever_was_seen(many_variants: Callable[..., Plan]) -> None:
    (shard,) = many_variants(1, 4, 4).shards()
    deadline = Deadline(12.5)
    deadline.learn(1000.0, 1)
    assert deadline.limit(shard) == 12.5


def test_otherwise_it_follows_from_the_slowest_shard_so_far(many_variants: Callable[..., Plan]) -> None:
    (shard,) = many_variants(1, 4, 4).shards()
    deadline = Deadline(None)
    assert deadline.limit(shard) == FIRST_SHARD_SECONDS
    deadline.learn(1.0, 10)
    assert deadline.limit(shard) == MIN_SECONDS
    deadline.learn(300.0, 2)
    deadline.learn(1.0, 2)
    assert deadline.limit(shard) == TIMES_SLOWEST * 150 * 4
