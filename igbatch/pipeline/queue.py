"""The queue of shards: a worker gets one of the variant that it holds, so that models are seldom swapped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator

from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.resolve import required_top_k

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are spread evenly over 0..1, however many of them there are."""


class ShardQueue:
    """The shards of a plan that no worker has. They are made when they are taken, and not kept.

    A worker stays with its variant for as long as that has shards left. Then it takes the variant that no
    other worker holds and that costs most, and when there is none, helps with the one that has most left. So
    swaps are about as many as variants and workers together, not their product.

    Where targets follow the trained model's ranking of an image, variants begin at different images, so that
    workers side by side do not rank the same ones.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._specs = {spec.variant_id: spec for spec in plan.ordered()}
        counts = {variant: plan.shards_of_variant(spec) for variant, spec in self._specs.items()}
        self._left = {variant: count for variant, count in counts.items() if count}
        self._fresh: dict[str, Iterator[Shard]] = {}
        self._ranked = required_top_k(plan.resolved.target_names) > 0
        self._begun = 0
        self._back: list[tuple[float, Shard]] = []  # with the time from which it may be taken
        self._alone: deque[Shard] = deque()
        self._names_alone: set[str] = set()

    def __len__(self) -> int:
        return sum(self._left.values()) + len(self._back) + len(self._alone)

    def put_back(self, shard: Shard, pause: float = 0.0, *, alone: bool = False) -> None:
        """Take back a shard that failed, or a part of it; it is not handed out for `pause` seconds.

        One that is to be alone goes to a worker that has no other, so that the shard at fault is known.
        """
        if alone:
            self._alone.append(shard)
            self._names_alone.add(shard.name)
        else:
            self._back.append((time.monotonic() + pause, shard))

    def is_alone(self, shard: Shard) -> bool:
        """Return whether nothing else is to go to the worker of this shard."""
        return shard.name in self._names_alone

    def take(self, held: str | None, elsewhere: Collection[str] = (), *, idle: bool = True) -> Shard | None:
        """Return the next shard for a worker, None where none is left or all that are left have to wait.

        `held` is the variant that the worker holds or will hold after what it has to do, `elsewhere` are what
        other workers hold. An idle worker has no other shard.
        """
        if idle and self._alone:
            return self._alone.popleft()
        now = time.monotonic()
        due = [shard for since, shard in self._back if since <= now]
        same = next((shard for shard in due if shard.spec.variant_id == held), None)
        if same is None and held in self._left:
            return self._cut(held)
        if due:
            taken = same or due[0]
            self._back = [each for each in self._back if each[1] is not taken]
            return taken
        if not self._left:
            return None
        free = (variant for variant in self._left if variant not in elsewhere)
        return self._cut(next(free, max(self._left, key=self._left.__getitem__)))

    def _cut(self, variant: str) -> Shard:
        if variant not in self._fresh:
            turn = self._begun * GOLDEN % 1 if self._ranked else 0.0
            first = int(turn * self._left[variant])
            self._fresh[variant] = self._plan.shards_of(self._specs[variant], first)
            self._begun += 1
        shard = next(self._fresh[variant])
        self._left[variant] -= 1
        if not self._left[variant]:
            del self._left[variant], self._fresh[variant]
        return shard
