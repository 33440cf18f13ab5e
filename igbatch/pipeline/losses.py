"""What becomes of a shard whose worker was lost: tried again, halved, or its one image put in quarantine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from igbatch.errors import UnfinishedError
from igbatch.pipeline.plan import Shard, shard_name

WHOLE_TRIES = 2
"""Workers that a shard of several images may cost before it is halved; its halves may cost one each."""
ALONE_TRIES = 3
"""Workers that an image on its own may cost, counting one of the shard that it came from."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries of a shard whose store is away."""


@dataclass(frozen=True)
class Verdict:
    """What to do about a loss: shards to put back, after a pause in seconds, or an image to be given up."""

    again: tuple[Shard, ...] = ()
    poison: Shard | None = None
    pause: float = 0.0


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

    def blameless(self, shard: Shard, reason: str, *, pausing: bool = False) -> Verdict:
        """Judge a shard whose node or store failed; with `pausing` it has to wait, each time twice as long.

        Raises:
            UnfinishedError: it happened more than `retries` times.
        """
        times = self._unlucky[shard.name] = self._unlucky.get(shard.name, 0) + 1
        if times > self.retries:
            raise UnfinishedError(
                f"shard {shard.name} of variant {shard.spec.variant_id} failed {times} times for want of its "
                f"node or its store ({reason}); what is done is kept, run it again"
            )
        return Verdict(again=(shard,), pause=min(LONGEST_PAUSE, 2.0 ** (times - 1)) if pausing else 0.0)

    def blamed(self, shard: Shard) -> Verdict:
        """Judge a shard that its worker was working on when it was lost."""
        times = self._blamed.pop(shard.name, 0) + 1
        count = len(shard.images)
        if times < (WHOLE_TRIES if count > 1 else ALONE_TRIES):
            self._blamed[shard.name] = times
            return Verdict(again=(shard,))
        if count == 1:
            return Verdict(poison=shard)
        halves = (shard.images[: count // 2], shard.images[count // 2 :])
        parts = tuple(replace(shard, images=half, name=shard_name(shard, half)) for half in halves)
        for part in parts:
            self._blamed[part.name] = 1
        return Verdict(again=parts)
