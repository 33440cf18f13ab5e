"""Box sums grouped for the findings: one group a variant, box label and target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES, mean_interval

_KEYS = ["variant_id", "image_id", "target", "box_label"]


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


def image_sums(results: StudyResults) -> pd.DataFrame:
    """Return the sum in the boxes of a label for each variant, image and target, in units of the output.

    Columns: variant_id, image_id, target, box_label, sum. Several boxes of one label in an image are added.
    """
    boxes = results.box_stats
    visible: pd.DataFrame = boxes.loc[boxes["sum"].notna(), [*_KEYS, "sum"]]
    added: pd.DataFrame = visible.groupby(_KEYS, sort=True)[["sum"]].sum().reset_index()
    return added


def group_sums(sums: pd.DataFrame, variants: Sequence[str]) -> list[Group]:
    """Group the sums of images (`image_sums`) of some variants, leaving out groups of too few images."""
    groups = []
    for key, rows in sums[sums["variant_id"].isin(list(variants))].groupby(
        ["variant_id", "box_label", "target"], sort=True
    ):
        variant_id, label, target = (str(part) for part in key)
        values = rows["sum"].to_numpy(dtype=np.float64)
        low, high = mean_interval(values)
        if len(values) < FEWEST_IMAGES or low is None or high is None:
            continue
        size, mean = float(np.abs(values).mean()), float(values.mean())
        groups.append(Group(variant_id, label, target, len(values), size, mean, low, high))
    return groups


def mean_size(groups: Sequence[Group]) -> float | None:
    """Return the mean of |sum| over groups; None of no group, or where it is 0."""
    size = float(np.mean([group.size for group in groups])) if groups else 0.0
    return size if size > 0 else None
