"""What removing boxes takes: of which variants, with which fills, and how many forward passes; no torch."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.pipeline.plan import Plan
from igbatch.statistics.agreement import MEASURES
from igbatch.study import AttributionSection, VariantSpec

BIRDS = {"single": 1.2, "double": 2.1, "empty": 0.0}
"""Of a drawn scene by its kind, on average."""
EXACT = ("float32", "float64", "auto")
"""Arithmetics under which F(image) of the path serves; `auto` is float32 as long as nothing was measured."""


def deletes(study: AttributionSection, spec: VariantSpec) -> bool:
    """Return whether boxes are removed for a variant."""
    return study.deletion == "all" or study.deletion == spec.kind


def removal_columns(baselines: int, *, drawn: bool) -> list[str]:
    """Return the columns that the removals of a box are for, once a pass; `drawn` scenes have one more."""
    return ["deletion"] * baselines + list(MEASURES[1:] if drawn else MEASURES[1:-1])


def removal_passes(plan: Plan, precision: str) -> float:
    """Return how many forward passes removals take of what is left, about: what a crop leaves is not known.

    `precision` is the arithmetic of the passes.
    """
    settings, boxes = plan.resolved.study.attribution, _boxes(plan)
    each = len(removal_columns(settings.baselines, drawn=bool(plan.resolved.study.images.scenes)))
    own = settings.smoothing is not None or precision not in EXACT
    passes = boxes * each + own * (boxes > 0)
    left = (
        plan.missing[spec.variant_id].matrix().any(axis=1)
        for spec in plan.resolved.variants
        if deletes(settings, spec)
    )
    return float(sum(passes[each].sum() for each in left))


def _boxes(plan: Plan) -> NDArray[np.float64]:
    """Return how many boxes each image has."""
    table, boxes = plan.images.table, plan.images.boxes
    if boxes is not None:
        found = boxes.boxes["image"].value_counts()
        at = pc.index_in(table["image_id"], value_set=found.field("values"))
        counts = found.field("counts").take(at.combine_chunks())
        return np.asarray(pc.fill_null(counts, 0), dtype=np.float64)
    birds = np.zeros(len(table))
    if plan.resolved.study.images.scenes:
        for kind, number in BIRDS.items():
            birds[np.asarray(pc.match_substring(table["uri"], f"kind={kind}"))] = number
    return birds
