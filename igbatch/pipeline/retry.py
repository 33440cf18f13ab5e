"""The retry policy: whether a shard that failed is tried again, halved or given up, and when a worker hangs.

Pure rules, without Ray; only shards that failed are remembered.
"""

from __future__ import annotations

from dataclasses import replace

from igbatch.errors import UnfinishedError
from igbatch.pipeline.plan import Shard, shard_name

WHOLE_TRIES = 2
"""Workers that a shard of several images may kill before it is halved; its halves may kill one each."""
ALONE_TRIES = 3
"""Workers that an image on its own may kill, counting one of the shard that it came from."""

MAX_PAUSE = 60.0
"""Seconds between two tries of a shard whose store does not answer."""

FIRST_SHARD_SECONDS = 6 * 3600.0
"""What a worker may take over a shard while it is not known what an image takes."""
MIN_SECONDS = 600.0
TIMES_SLOWEST = 20.0
"""What a shard may take, as a multiple of what its images would take at the slowest pace seen."""


class RetryPolicy:
    """Counts the failures of each shard, and returns what is tried again.

    A shard is at fault where its worker died, ran out of memory or hung while it worked on it. It is halved
    until the image that kills its worker is alone. A shard is not at fault where its node or its store
    failed; it is tried again at most `retries` times.
    """

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self._at_fault: dict[str, int] = {}
        self._not_at_fault: dict[str, int] = {}

    def not_at_fault(self, shard: Shard, reason: str) -> float:
        """Count a failure of a shard's node or store; return how many seconds to wait for a store.

        The pause doubles each time. A shard whose node failed may be tried at once.

        Raises:
            UnfinishedError: node or store failed more than `retries` times.
        """
        times = self._not_at_fault[shard.name] = self._not_at_fault.get(shard.name, 0) + 1
        if times > self.retries:
            raise UnfinishedError(
                f"shard {shard.name} of variant {shard.spec.variant_id} failed {times} times for want of its "
                f"node or its store ({reason}); what is done is kept, run it again"
            )
        return min(MAX_PAUSE, 2.0 ** (times - 1))

    def at_fault(self, shard: Shard) -> list[Shard]:
        """Count a worker that was lost while it worked on a shard; return what is tried again of the shard.

        That is the whole, or its halves; nothing where its one image is to be given up.
        """
        times = self._at_fault.pop(shard.name, 0) + 1
        count = len(shard.images)
        if times < (WHOLE_TRIES if count > 1 else ALONE_TRIES):
            self._at_fault[shard.name] = times
            return [shard]
        if count == 1:
            return []
        halves = (shard.images[: count // 2], shard.images[count // 2 :])
        parts = [replace(shard, images=half, name=shard_name(shard, half)) for half in halves]
        self._at_fault |= {part.name: 1 for part in parts}
        return parts


class Deadline:
    """The time that a worker may take over a shard: the study's, or by the slowest shard so far."""

    def __init__(self, fixed: float | None) -> None:
        self._fixed = fixed
        self._slowest = 0.0

    def learn(self, seconds: float, images: int) -> None:
        """Record how many seconds a shard of so many images took."""
        self._slowest = max(self._slowest, seconds / max(1, images))

    def limit(self, shard: Shard) -> float:
        """Return how many seconds a worker may take over a shard."""
        if self._fixed is not None:
            return self._fixed
        if not self._slowest:
            return FIRST_SHARD_SECONDS
        return max(MIN_SECONDS, TIMES_SLOWEST * self._slowest * len(shard.images))
