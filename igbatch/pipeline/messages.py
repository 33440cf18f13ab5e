"""The messages between driver and workers: reports, faults, the calibration. No rows, and no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from igbatch.pipeline.plan import Plan, Shard, ShardImage
from igbatch.pipeline.target_names import Class
from igbatch.store.output import Output
from igbatch.study import VariantSpec

CALIBRATION_IMAGES = 8
"""Images of a variant among which the two usable ones of a calibration are looked for first."""
WORTH_NAMING = 0.05
"""Of the time, what has to be lost to a part of a worker for it to be named."""
FAITHFULNESS = "faithfulness"
"""The folder of what is measured of single images."""


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


@dataclass(eq=False)
class ShardReport:
    """What a worker did for a shard.

    Attributes:
        shard: its name.
        images: of the shard.
        rows: of `image_stats` that were written.
        quarantined: rows that are missing for good.
        constant: rows whose map is 0 since the output does not change from the baseline to the image.
        seconds: from its turn on the device to its commit.
        times: where the worker's time went since its last report.
        nodes: integration nodes, added over the images.
        micro_batch: batch rows that went through the model together at most.
        attributed: images of which maps were made.
        already_committed: another worker had done it.
        refused: why passes ran eager although they were to be compiled or captured, None where they did not.
    """

    shard: str
    images: int
    rows: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    times: Times = field(default_factory=Times)
    nodes: int = 0
    micro_batch: int = 0
    already_committed: bool = False
    constant: int = 0
    refused: str | None = None
    attributed: int = 0


@dataclass(frozen=True)
class Fault:
    """A shard that its worker could not do, for a reason that is not the program's.

    `memory`: there was not enough of it. `store`: the output could not be written or read just now. `full`:
    the output has no space left. `message` is one line.
    """

    kind: Literal["memory", "store", "full"]
    message: str


@dataclass(frozen=True)
class Calibration:
    """What all workers on one kind of device run with.

    Attributes:
        precision: a key of `igbatch.attribution.PRECISIONS`.
        arithmetic_error: relative L2 error of a map to be reckoned with because of it.
        micro_batch: the most batch rows that go through the model together.
        reasons: what was measured or reckoned, one sentence for each choice.
        passes: one of `igbatch.attribution.graphs.FORMS`.
        passes_requested: `attribution.passes` of the study when this was chosen.
    """

    precision: str
    arithmetic_error: float
    micro_batch: int
    reasons: tuple[str, ...] = ()
    passes: str = "eager"
    passes_requested: str = "auto"

    def passes_for(self, requested: str) -> str:
        """Return how passes run where the study now requests this: as chosen for it, else as requested."""
        return self.passes if requested in ("auto", self.passes_requested) else requested

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Calibration | None:
        """Return what `study.json` holds of an earlier run, None where that run had no calibration.

        Keys that igbatch no longer knows are passed over.
        """
        known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        if "precision" not in known:
            return None
        return cls(**{**known, "reasons": tuple(known.get("reasons", ()))})


def calibrate_plan(
    plan: Plan, measure: Callable[[Sequence[Shard], int], Calibration | None]
) -> Calibration | None:
    """Calibrate on the first usable images of a plan, however many before them are not.

    `measure` is given samples of the plan and how many images are ahead, added over variants; it returns None
    where none of the samples' images can be used.
    """
    for images in (CALIBRATION_IMAGES, len(plan.images.table)):
        calibration = measure(plan.samples(images), plan.missing_images)
        if calibration is not None:
            return calibration
    return None


@dataclass
class RunSummary:
    """What a run of the stage has done so far.

    Attributes:
        total: images that are to go through variants, counted once for each.
        images: of these, those whose shards are committed.
        under_way: of these, those attributed in shards that are not committed yet, by workers' last answers.
        shards: that are committed.
        rows, quarantined, constant: of these shards, as in their reports.
        retries: shards that were put back after their worker or store failed.
        times: of the workers.
        state: of the results in the end; a report that was rendered from it is up to date.
    """

    total: int = 0
    images: int = 0
    under_way: int = 0
    shards: int = 0
    rows: int = 0
    quarantined: int = 0
    constant: int = 0
    retries: int = 0
    times: Times = field(default_factory=Times)
    state: str = ""

    def add(self, report: ShardReport) -> None:
        """Take a shard that was committed."""
        self.shards += 1
        self.images += report.images
        self.under_way = max(0, self.under_way - report.images)
        self.rows += report.rows
        self.quarantined += report.quarantined
        self.constant += report.constant
        self.times += report.times


Listener = Callable[[RunSummary], None]
"""Is called when a run begins, progresses or retries something."""


class FaithfulnessPart(NamedTuple):
    """One image under one variant whose maps' faithfulness is measured.

    Attributes:
        name: a digest of all that its numbers follow from.
        spec: the variant.
        image: as the plan has it.
        sha256: of the image whose maps are committed.
        targets: those whose maps are committed, with their logit indices, two of a contrast.
    """

    name: str
    spec: VariantSpec
    image: ShardImage
    sha256: str
    targets: tuple[tuple[str, Class], ...]

    def path(self, output: Output) -> str:
        """Return the path of its file."""
        return output.path(FAITHFULNESS, self.spec.variant_id, f"{self.name}.parquet")


class Skipped(NamedTuple):
    """A part that could not be measured, and why."""

    part: FaithfulnessPart
    error: str
