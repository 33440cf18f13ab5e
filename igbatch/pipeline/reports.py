"""What a worker tells the driver; the rows themselves are in the output. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hardware:
    """What a worker runs on. `kind` is its device as statistics name it."""

    node: str
    device: str
    processor: str
    threads: int


@dataclass(frozen=True)
class ShardReport:
    """A shard that is done.

    Attributes:
        shard: its name.
        images: of the shard.
        rows: of `image_stats` that were written.
        quarantined: rows that are missing for good.
        constant: rows whose map is 0 since the output does not change from the baseline to the image.
        seconds: from taking the shard to its commit.
        busy_seconds: of these, while the device had work: not waiting for images, models or storage.
        nodes: integration nodes, added over the images.
        micro_batch: rows that went through the model together at most.
        already_committed: another worker had done it.
    """

    shard: str
    images: int
    rows: int
    quarantined: int
    seconds: float
    busy_seconds: float = 0.0
    nodes: int = 0
    micro_batch: int = 0
    already_committed: bool = False
    constant: int = 0


@dataclass(frozen=True)
class Fault:
    """A shard that its worker could not do, for a reason that is not the program's.

    `memory`: there was not enough of it. `store`: the output could not be written or read just now. `full`:
    the output has no room left. `message` is one line.
    """

    kind: Literal["memory", "store", "full"]
    message: str
