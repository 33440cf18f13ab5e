"""When a worker counts as lost, and what becomes of its shard: tried again, halved, or given up."""

from __future__ import annotations

from dataclasses import replace

from igbatch.errors import UnfinishedError
from igbatch.pipeline.plan import Shard, shard_name

WHOLE_TRIES = 2
"""Workers that a shard of several images may cost before it is halved; its halves may cost one each."""
ALONE_TRIES = 3
"""Workers that an image on its own may cost, counting one of the shard that it came from."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries of a shard whose store is away."""

UNKNOWN_SECONDS = 6 * 3600.0
"""What a worker may take over a shard while none has told yet what an image takes."""
LEAST_SECONDS = 600.0
TIMES_SLOWEST = 20.0
"""What a shard may take, as a multiple of what its images would take at the slowest pace seen."""


class Losses:
    """Remembers what each shard cost; only shards that cost something are remembered.

    A shard is to blame where its worker died, ran out of memory or hung while it worked on it. It is halved
    until the image that does it is alone. A shard is not to blame where its node or its store failed; then
    there is a limit to the patience with these.
    """

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self._blamed: dict[str, int] = {}
        self._unlucky: dict[str, int] = {}

    def blameless(self, shard: Shard, reason: str) -> float:
        """Return how many seconds a shard has to wait whose store failed, each time twice as long.

        One whose node failed may be tried at once.

        Raises:
            UnfinishedError: node or store failed more than `retries` times.
        """
        times = self._unlucky[shard.name] = self._unlucky.get(shard.name, 0) + 1
        if times > self.retries:
            raise UnfinishedError(
                f"shard {shard.name} of variant {shard.spec.variant_id} failed {times} times for want of its "
                f"node or its store ({reason}); what is done is kept, run it again"
            )
        return min(LONGEST_PAUSE, 2.0 ** (times - 1))

    def blamed(self, shard: Shard) -> list[Shard]:
        """Return what is tried again of a shard that its worker was working on when it was lost.

        That is the whole, or its halves; nothing where its one image is to be given up.
        """
        times = self._blamed.pop(shard.name, 0) + 1
        count = len(shard.images)
        if times < (WHOLE_TRIES if count > 1 else ALONE_TRIES):
            self._blamed[shard.name] = times
            return [shard]
        if count == 1:
            return []
        halves = (shard.images[: count // 2], shard.images[count // 2 :])
        parts = [replace(shard, images=half, name=shard_name(shard, half)) for half in halves]
        self._blamed |= {part.name: 1 for part in parts}
        return parts


class Deadline:
    """Tells the limit of a shard: the study's, or by the slowest pace of the shards so far."""

    def __init__(self, fixed: float | None) -> None:
        self._fixed = fixed
        self._slowest = 0.0

    def learn(self, seconds: float, images: int) -> None:
        """Take note of what a shard of so many images took."""
        self._slowest = max(self._slowest, seconds / max(1, images))

    def limit(self, shard: Shard) -> float:
        """Return how many seconds a worker may take over a shard."""
        if self._fixed is not None:
            return self._fixed
        if not self._slowest:
            return UNKNOWN_SECONDS
        return max(LEAST_SECONDS, TIMES_SLOWEST * self._slowest * len(shard.images))
