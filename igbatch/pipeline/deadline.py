"""How long a worker may take over a shard before it counts as hung."""

from __future__ import annotations

from igbatch.pipeline.plan import Shard

UNKNOWN_SECONDS = 6 * 3600.0
"""Limit while no shard has told yet what an image takes."""
LEAST_SECONDS = 600.0
TIMES_SLOWEST = 20.0
"""What a shard may take, as a multiple of what its images would take at the slowest pace seen."""


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
