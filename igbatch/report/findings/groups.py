"""Box sums grouped for the findings: one group a variant, box label and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES, mean_interval


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


def image_sums(results: StudyResults, variant_id: str) -> pd.DataFrame:
    """Return the sum in the boxes of a label for each image and target of a variant, in units of the output.

    Columns: image (a number for each image, in the order of their ids), target, box_label, sum. Several boxes
    of one label in an image are added. It holds these columns of one variant's boxes.
    """
    targets = sorted(results.target_names)
    parts = []
    for table in results.scans.boxes(variant_id, ["image_id", "target", "box_id", "box_label", "sum"]):
        visible = table.filter(pc.is_valid(table["sum"]))
        image = pa.array(results.listing.ranks[results.listing.places_of(visible["image_id"])])
        target = pc.index_in(visible["target"], value_set=pa.array(targets, pa.string()))
        label = visible["box_label"].dictionary_encode()
        columns = {"image": image, "target": target, "box_id": visible["box_id"], "box_label": label}
        parts.append(pa.table({**columns, "sum": visible["sum"]}))
    if not parts:
        return pd.DataFrame({name: [] for name in ("image", "target", "box_label", "sum")})
    boxes = pa.concat_tables(parts).unify_dictionaries()
    order = [(name, "ascending") for name in ("image", "target", "box_id")]
    rows = boxes.sort_by(order).drop_columns(["box_id"]).to_pandas()
    labels = rows["box_label"].astype("category").cat
    rows["box_label"] = labels.reorder_categories(sorted(labels.categories))
    keys = ["image", "target", "box_label"]
    added: pd.DataFrame = rows.groupby(keys, sort=True, observed=True)[["sum"]].sum().reset_index()
    codes = added["target"].to_numpy(dtype=np.int64)
    return added.assign(target=pd.Categorical.from_codes(codes, categories=pd.Index(targets)))


def group_sums(sums: pd.DataFrame, variant_id: str) -> list[Group]:
    """Group the sums of images (`image_sums`) of a variant, leaving out groups of too few images."""
    groups = []
    for key, rows in sums.groupby(["box_label", "target"], sort=True, observed=True):
        label, target = (str(part) for part in key)
        values = rows["sum"].to_numpy(dtype=np.float64)
        low, high = mean_interval(values)
        if len(values) < FEWEST_IMAGES or low is None or high is None:
            continue
        size, mean = float(np.abs(values).mean()), float(values.mean())
        groups.append(Group(variant_id, label, target, len(values), size, mean, low, high))
    return groups


def of_variants(groups: Mapping[str, Sequence[Group]], variants: Sequence[str]) -> list[Group]:
    """Return the groups of some variants, sorted by variant."""
    return [group for variant_id in sorted(set(variants)) for group in groups[variant_id]]


def mean_size(groups: Sequence[Group]) -> float | None:
    """Return the mean of |sum| over groups; None of no group, or where it is 0."""
    size = float(np.mean([group.size for group in groups])) if groups else 0.0
    return size if size > 0 else None


def counted(results: StudyResults) -> pd.DataFrame:
    """Return `aggregates` with the columns that the reducer will write, from a scan until it does."""
    table = results.aggregates
    if "mean_abs_sum" in table:
        return table
    rows = []
    for variant_id in dict.fromkeys(table["variant_id"]):
        sums = image_sums(results, variant_id)
        for (label, target), own in sums.groupby(["box_label", "target"], sort=True, observed=True):
            values = own["sum"].to_numpy(dtype=np.float64)
            others = sums.loc[sums["box_label"] == target, "image"].unique()
            both = values[own["image"].isin(others).to_numpy()]
            rows.append({
                "variant_id": variant_id, "box_label": label, "target": target,
                "mean_abs_sum": float(np.abs(values).mean()), "n_negative": int((values < 0).sum()),
                "n_both": len(both), "n_negative_both": int((both < 0).sum()),
            })  # fmt: skip
    columns = ["variant_id", "box_label", "target", "mean_abs_sum", "n_negative", "n_both", "n_negative_both"]
    return table.merge(pd.DataFrame(rows, columns=columns), on=columns[:3], validate="one_to_one")
