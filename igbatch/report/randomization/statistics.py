"""The statistics that are tested against random models, in words, and the tests of one model."""

from __future__ import annotations

from typing import Any

import pandas as pd

from igbatch.report.columns import in_order, number_or_dash
from igbatch.results import StudyResults
from igbatch.text import plain, whole_percent

STATISTICS = {
    "sum": "sum in the box",
    "sum_over_change": "sum / |F − F₀|",
    "share": "share of |a|",
    "density_ratio": "density",
    "contains_peak": "peak in the box",
    "positive": "sum above 0",
    "deletion": "deletion",
    "deletion_blurred": "deletion, blurred",
    "abs_sum": "sum of |a|",
}
"""Statistics by their names in `significance.parquet`, in the order in which they are shown."""

WHOLE_SUM = "sum of the map"
SIDES = {"greater": "above", "less": "below", "two-sided": "either side"}
SCALE_FREE = "scale-free"
"""In the name of a family of tests whose statistic stays as it is when a map is multiplied by a number."""

SIGNIFICANT = 0.05
LEVEL = whole_percent(SIGNIFICANT)
MAX_BOXES = 8
"""Pairs of box label and target that figures and tables show: those of labels that are targets come first."""


def statistic_name(row: Any) -> str:
    """Return what a test is about; sums of whole maps are not in a box."""
    if pd.isna(row["box_label"]) and row["statistic"] == "sum":
        return WHOLE_SUM
    return STATISTICS.get(str(row["statistic"]), str(row["statistic"]))


def box_name(row: Any) -> str:
    """Return the box and the target that a test is about."""
    target = plain(str(row["target"]))
    whole = pd.isna(row["box_label"])
    return f"whole map → {target}" if whole else f"{plain(str(row['box_label']))} box → {target}"


def scale(row: Any) -> str:
    """Tell whether a test's statistic is free of scale, or bound to it, as its family says."""
    return "free of" if SCALE_FREE in str(row["family"]) else "bound to"


def p_text(value: Any) -> str:
    """Write a p-value."""
    return number_or_dash(value, 2)


def null_tests(results: StudyResults, trained: str | None, image_id: str | None = None) -> pd.DataFrame:
    """Return the tests of a trained model against its null, over the data set or of one image, in order.

    Boxes whose label is a target come first, then others, then whole maps.
    """
    table = results.significance
    rows = table[(table["test"] == "null") & (table["variant_id"] == trained)]
    rows = rows[rows["image_id"].isna() if image_id is None else rows["image_id"] == image_id]
    labels = [*results.target_names, *sorted(set(rows["box_label"].dropna()))]
    orders = {"box_label": labels, "target": results.target_names, "statistic": [*STATISTICS]}
    return in_order(rows, orders)


def images_with_tests(results: StudyResults, trained: str | None) -> list[str]:
    """Return the images that have tests of their own, in the order of the table."""
    table = results.significance
    rows = table[(table["test"] == "null") & (table["variant_id"] == trained)]
    return list(rows["image_id"].dropna().unique())


def shown_boxes(rows: pd.DataFrame) -> tuple[list[list[dict[Any, Any]]], int]:
    """Group tests by box and target, whole maps last: the first `MAX_BOXES`, and how many more there are."""
    whole = rows["box_label"].isna()
    boxes = [own.to_dict("records") for _, own in rows[~whole].groupby(["box_label", "target"], sort=False)]
    groups = [*boxes[:MAX_BOXES], rows[whole].to_dict("records")]
    return list(filter(None, groups)), max(len(boxes) - MAX_BOXES, 0)
