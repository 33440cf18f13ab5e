"""What a worker tells the driver; the rows themselves are in the output. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

WORTH_NAMING = 0.05
"""Of the time, what has to be lost to a part of a worker for it to be named."""


@dataclass(frozen=True)
class Hardware:
    """What a worker runs on. `kind` is its device as statistics name it."""

    node: str
    device: str
    processor: str
    threads: int


@dataclass(frozen=True)
class Times:
    """Where the time of workers went, seconds; added up over workers.

    Attributes:
        seconds: in which a worker had a shard.
        busy: of these, while its device had work.
        passes: of these, what the model's passes took.
        images, models, writing: while a shard whose turn it was waited for images to be decoded, for its
            variant, or for maps before it to be measured and encoded.
        store: while there was nothing but shards to be committed.
    """

    seconds: float = 0.0
    busy: float = 0.0
    passes: float = 0.0
    images: float = 0.0
    models: float = 0.0
    writing: float = 0.0
    store: float = 0.0

    def __add__(self, other: Times) -> Times:
        return Times(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def attributing(self) -> float:
        """Seconds in which a worker waited for nothing beside its device."""
        return max(0.0, self.seconds - self.images - self.models - self.writing - self.store)

    def words(self) -> str:
        """Say in one line how busy devices were, and what held them back."""
        if not self.seconds:
            return "nothing was computed"
        waits = {
            "decoding images": self.images, "building models": self.models,
            "measuring and encoding maps": self.writing, "the store": self.store,
            "choosing nodes on the host": self.attributing - self.busy,
        }  # fmt: skip
        most = max(waits, key=waits.__getitem__)
        share = waits[most] / self.seconds
        why = f"most by {most} ({share:.0%})" if share >= WORTH_NAMING else "by the passes themselves"
        return (
            f"while there were shards, the device was busy {self.busy / self.seconds:.0%} of the time, "
            f"with passes {self.passes / self.seconds:.0%}; it was held back {why}"
        )


@dataclass(frozen=True)
class ShardReport:
    """A shard that is done.

    Attributes:
        shard: its name.
        images: of the shard.
        rows: of `image_stats` that were written.
        quarantined: rows that are missing for good.
        constant: rows whose map is 0 since the output does not change from the baseline to the image.
        seconds: from its turn on the device to its commit.
        times: where the worker's time went since its last report.
        nodes: integration nodes, added over the images.
        micro_batch: rows that went through the model together at most.
        already_committed: another worker had done it.
        refused: why passes ran eager although they were to be compiled or captured, None where they did not.
    """

    shard: str
    images: int
    rows: int
    quarantined: int
    seconds: float
    times: Times = field(default_factory=Times)
    nodes: int = 0
    micro_batch: int = 0
    already_committed: bool = False
    constant: int = 0
    refused: str | None = None


@dataclass(frozen=True)
class Fault:
    """A shard that its worker could not do, for a reason that is not the program's.

    `memory`: there was not enough of it. `store`: the output could not be written or read just now. `full`:
    the output has no room left. `message` is one line.
    """

    kind: Literal["memory", "store", "full"]
    message: str
