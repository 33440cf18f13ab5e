"""What all workers on one kind of device run with, as `study.json` keeps it. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from igbatch.pipeline.plan import Plan, Shard

SETTLED_IMAGES = 8
"""Images of a variant that are looked at first for the two usable ones that tell what `auto` comes to."""


@dataclass(frozen=True)
class Settled:
    """What all workers on one kind of device run with.

    Attributes:
        precision: a key of `igbatch.attribution.PRECISIONS`.
        arithmetic_error: relative L2 error of a map to be reckoned with because of it.
        micro_batch: the most rows that go through the model together.
        reasons: what was measured or reckoned, one sentence for each choice.
        passes: one of `igbatch.attribution.graphs.FORMS`.
        passes_requested: what the study said when this was chosen.
    """

    precision: str
    arithmetic_error: float
    micro_batch: int
    reasons: tuple[str, ...] = ()
    passes: str = "eager"
    passes_requested: str = "auto"

    def passes_for(self, requested: str) -> str:
        """Return how passes run under what the study says now: as was chosen for it, else as it says."""
        return self.passes if requested in ("auto", self.passes_requested) else requested

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Settled | None:
        """Return what `study.json` holds of an earlier run, None where that run settled nothing.

        Keys that igbatch no longer knows are passed over.
        """
        names = [name for name in cls.__dataclass_fields__ if name in record]
        if "precision" not in names:
            return None
        known = cls(**{name: record[name] for name in names})
        return replace(known, reasons=tuple(known.reasons))


def settle_plan(plan: Plan, measure: Callable[[Sequence[Shard], int], Settled | None]) -> Settled | None:
    """Measure on the first usable images of a plan, however many before them are not.

    Args:
        plan: what is left to compute.
        measure: settles on samples of the plan, told how many images are ahead, added over variants; None
            where none of their images can be used.
    """
    for images in (SETTLED_IMAGES, len(plan.images.table)):
        settled = measure(plan.samples(images), plan.missing_images)
        if settled is not None:
            return settled
    return None
