"""How long a worker may take over a shard."""

from collections.abc import Callable

from igbatch.pipeline.deadline import LEAST_SECONDS, TIMES_SLOWEST, UNKNOWN_SECONDS, Deadline
from igbatch.pipeline.plan import Plan


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
