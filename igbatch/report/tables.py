"""The report's tables as CSV: what the page shows, whole and with every digit."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from igbatch.results import StudyResults

BOX_COLUMNS = [
    "image_id", "box_label", "box_id", "variant_id", "target",
    "sum", "positive_sum", "negative_sum", "abs_sum", "share", "density_ratio", "contains_peak",
    "pixels", "visible_fraction", "x_min", "y_min", "x_max", "y_max",
]  # fmt: skip


def tables(results: StudyResults) -> Iterator[tuple[str, bytes]]:
    """Yield file names and contents (UTF-8 CSV, numbers with every digit) of a study's tables."""
    frames = {
        "box_sums.csv": box_sums(results),
        "aggregates.csv": results.aggregates,
        "image_stats.csv": results.image_stats.drop(columns="histogram"),
        "ranges.csv": results.ranges,
        "quarantine.csv": results.quarantine,
        "variants.csv": results.variants,
    }
    for name, frame in frames.items():
        yield name, frame.to_csv(index=False, lineterminator="\n").encode("utf-8", "surrogatepass")


def box_sums(results: StudyResults) -> pd.DataFrame:
    """Return the seed's table: the sum in every box by image, variant and target, in their order."""
    table = results.box_stats[BOX_COLUMNS]
    orders = {
        "image_id": list(results.images["image_id"]),
        "variant_id": list(results.variants["variant_id"]),
        "target": results.target_names,
    }
    ranks = pd.DataFrame(
        {
            name: table[name].map({key: rank for rank, key in enumerate(keys)})
            for name, keys in orders.items()
        },
        index=table.index,
    )
    ranks.insert(1, "box_id", table["box_id"])
    return table.loc[ranks.sort_values(list(ranks.columns), kind="stable").index]
