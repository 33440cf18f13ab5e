"""The claims on the size of sums in boxes: negligible for random models, significant for the trained one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from igbatch.report.findings.model import Finding, Missing, Variants, combine, present
from igbatch.report.text import number, number_or_dash, percent, plain
from igbatch.statistics.aggregates import FEWEST_IMAGES

SMALL_PROBABILITY = 0.01
"""A mean |sum| below this is negligible on the scale of probabilities, which ends at 1."""

SMALL_SHARE = 0.05
"""A mean |sum| below this share of the trained model's is negligible beside it."""

_LIMITS = {"small_probability": SMALL_PROBABILITY, "small_share": SMALL_SHARE, "fewest_images": FEWEST_IMAGES}
_HEAD = ("variant", "box", "target", "images")
_YES = {True: "yes", False: "no"}


@dataclass(frozen=True)
class BoxSum:
    """A row of a study's `aggregates`, with its names and units; intervals are NaN below `FEWEST_IMAGES`."""

    variant_id: str
    box_label: str
    target: str
    n_images: int
    n_negative: int
    n_both: int
    n_negative_both: int
    mean_abs_sum: float
    mean_sum: float
    mean_sum_low: float
    mean_sum_high: float

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What a table's row begins with: variant, box, target, images."""
        return plain(self.variant_id), plain(self.box_label), plain(self.target), f"{self.n_images:,}"

    @property
    def interval(self) -> str:
        """The 95 % interval of the mean as text."""
        low, high = number_or_dash(self.mean_sum_low), number_or_dash(self.mean_sum_high)
        return low if low == "–" else f"{low} to {high}"


def box_sums(aggregates: pd.DataFrame) -> list[BoxSum]:
    """Return the rows of `StudyResults.aggregates`, sorted by their names."""
    columns = [each.name for each in fields(BoxSum)]
    rows = aggregates.sort_values(columns[:3])[columns]
    return [BoxSum(*row) for row in rows.itertuples(index=False, name=None)]


def negligible_when_random(sums: Sequence[BoxSum], variants: Variants, probability: bool) -> Finding:
    """Test whether the sums in boxes are negligible in all random variants.

    Args:
        sums: of the study.
        variants: of the study.
        probability: whether the output is one, which has a scale of its own.
    """
    sizes = {name: _mean_size(_of(sums, [name])) for name in variants.trained}
    reference = {name: sizes.get(variants.trained_of.get(name, "")) for name in variants.random}
    judged: list[tuple[BoxSum, float | None, bool]] = []
    for row in _of(sums, variants.random):
        share = row.mean_abs_sum / size if (size := reference[row.variant_id]) else None
        large = probability and row.mean_abs_sum >= SMALL_PROBABILITY
        judged.append((row, share, not large and (share is None or share < SMALL_SHARE)))
    missing = _missing(variants.random, Missing.RANDOM, judged)
    if not missing and not probability and not any(reference.values()):
        missing = Missing.SCALE
    largest, share, _ = max(judged, key=lambda each: each[0].mean_abs_sum, default=(None, None, None))
    rows = (
        (*row.names, number(row.mean_abs_sum), "–" if share is None else percent(share), _YES[ok])
        for row, share, ok in judged
    )
    return present(
        "random_negligible",
        missing or combine(ok for *_, ok in judged),
        (*_HEAD, "mean |sum|", "of trained", "negligible"),
        () if missing else rows,
        passed=sum(ok for *_, ok in judged),
        judged=len(judged),
        largest=largest,
        share=share,
        reference=reference.get(largest.variant_id) if largest else None,
        probability=probability,
        **_LIMITS,
    )


def significant_when_trained(
    sums: Sequence[BoxSum], variants: Variants, probability: bool, targets: Sequence[str]
) -> Finding:
    """Test whether the trained model's sums in boxes differ from zero; of boxes that are targets, if any."""
    own = _of(sums, variants.trained)
    own = [row for row in own if row.box_label in targets] or own
    judged = [
        (row.mean_sum_low > 0 or row.mean_sum_high < 0)
        and not (probability and row.mean_abs_sum < SMALL_PROBABILITY)
        for row in own
    ]
    rows = zip(own, judged, strict=True)
    return present(
        "trained_significant",
        _missing(variants.trained, Missing.TRAINED, own) or combine(judged),
        (*_HEAD, "mean sum", "95 % interval", "significant"),
        ((*row.names, number(row.mean_sum), row.interval, _YES[ok]) for row, ok in rows),
        passed=sum(judged),
        judged=len(judged),
        size=_mean_size(own) or 0.0,
        random_size=_mean_size(_of(sums, variants.random)),
        probability=probability,
        **_LIMITS,
    )


def _of(sums: Sequence[BoxSum], variants: Sequence[str]) -> list[BoxSum]:
    """Return the sums of some variants over images enough for an interval."""
    return [row for row in sums if row.variant_id in variants and row.n_images >= FEWEST_IMAGES]


def _mean_size(sums: Sequence[BoxSum]) -> float | None:
    """Return the mean of |sum| over groups; None of no group, or where it is 0."""
    return float(np.mean([row.mean_abs_sum for row in sums])) or None if sums else None


def _missing(variants: Sequence[str], kind: Missing, rows: Sequence[object]) -> Missing | None:
    return kind if not variants else Missing.BOXES if not rows else None
