"""What is measured of a sample's maps, as driver and workers tell each other. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from igbatch.pipeline.plan import ShardImage
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.settled import Settled
from igbatch.store.output import Output
from igbatch.study import VariantSpec

FOLDER = "faithfulness"


@dataclass(frozen=True)
class Part:
    """One image under one variant.

    Attributes:
        name: a digest of all that its numbers follow from.
        spec: the variant.
        image: as the plan has it.
        sha256: of the image whose maps are committed.
        targets: those whose maps are committed, with their logit indices.
    """

    name: str
    spec: VariantSpec
    image: ShardImage
    sha256: str
    targets: tuple[tuple[str, int], ...]

    def path(self, output: Output) -> str:
        """Return the path of its file."""
        return output.path(FOLDER, self.spec.variant_id, f"{self.name}.parquet")


@dataclass(frozen=True)
class FaithfulnessTask:
    """Parts of one variant, measured by one worker.

    Attributes:
        resolved, output: the study and where it lies.
        device: a type of torch's.
        threads: of torch.
        settled: what workers on this kind of device run with.
        parts: to be measured, one at least.
    """

    resolved: ResolvedStudy
    output: Output
    device: str
    threads: int
    settled: Settled | None
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Skipped:
    """A part that could not be measured, and why."""

    part: Part
    error: str
