"""Box sums grouped for the findings: one group a variant, box label and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Group:
    """The sums of a variant, box label and target over images, in units of the output.

    Attributes:
        size: mean of |sum|.
        mean, low, high: mean of the sums, and its 95 % interval.
    """

    variant_id: str
    label: str
    target: str
    images: int
    size: float
    mean: float
    low: float
    high: float


def group_sums(aggregates: pd.DataFrame, variant_id: str) -> list[Group]:
    """Return the groups of a variant, from the study's `aggregates`, leaving out those of too few images."""
    rows = aggregates[(aggregates["variant_id"] == variant_id) & aggregates["mean_sum_low"].notna()]
    names = ["box_label", "target", "n_images", "mean_abs_sum", "mean_sum", "mean_sum_low", "mean_sum_high"]
    found = rows.sort_values(["box_label", "target"])[names].itertuples(index=False, name=None)
    return [Group(variant_id, *row) for row in found]


def of_variants(groups: Mapping[str, Sequence[Group]], variants: Sequence[str]) -> list[Group]:
    """Return the groups of some variants, sorted by variant."""
    return [group for variant_id in sorted(set(variants)) for group in groups[variant_id]]


def mean_size(groups: Sequence[Group]) -> float | None:
    """Return the mean of |sum| over groups; None of no group, or where it is 0."""
    size = float(np.mean([group.size for group in groups])) if groups else 0.0
    return size if size > 0 else None
