"""The report's tables as CSV, with every digit: whole, or of the images that the page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from igbatch.report.page.quarantine import Quarantine
from igbatch.report.text import listing
from igbatch.results import ROW_COLUMNS, StudyResults
from igbatch.statistics.aggregates import COUNTS

BOX_COLUMNS = [
    "image_id", "box_label", "box_id", "variant_id", "target",
    "sum", "positive_sum", "negative_sum", "abs_sum", "share", "density_ratio", "contains_peak",
    "pixels", "visible_fraction", "x_min", "y_min", "x_max", "y_max",
]  # fmt: skip
STATS_COLUMNS = [
    name for name in ROW_COLUMNS if name not in ("attempt", "fingerprint") and not name.endswith("_bytes")
]
"""Columns of `image_stats` without what a commit says of itself."""

MOST_ROWS = 100_000
"""Rows up to which a table is written whole; of a larger one the rows of the images that are shown."""


_NULLS = ["null"]


@dataclass(frozen=True)
class CsvTable:
    """A table as a file: UTF-8 CSV, numbers with every digit.

    `whole` is False where it holds the rows of the images that the page shows, and no others.
    """

    name: str
    content: bytes
    whole: bool = True


def tables(results: StudyResults, image_ids: Sequence[str], quarantine: Quarantine) -> Iterator[CsvTable]:
    """Yield a study's tables, one after the other; one of them is held at a time.

    Args:
        results: a reduced study.
        image_ids: images that are shown.
        quarantine: of the study, its `whole` up to `MOST_ROWS`.
    """
    boxes = _up_to(results.scans.boxes, results, BOX_COLUMNS) if results.totals.boxes <= MOST_ROWS else None
    if boxes is None or not len(boxes):
        sums = results.boxes_of(image_ids if boxes is None else [], BOX_COLUMNS)
    else:
        sums = pa.concat_tables(boxes).to_pandas()
    yield _csv("box_sums.csv", box_sums(results, sums), boxes is not None)
    del boxes, sums
    yield _csv("aggregates.csv", results.aggregates.drop(columns=COUNTS))
    rows = _up_to(results.scans.rows, results, STATS_COLUMNS) if results.totals.rows <= MOST_ROWS else None
    if rows is None or not len(rows):
        stats = results.rows_of(image_ids if rows is None else [], STATS_COLUMNS)
    else:
        order = [(name, "ascending") for name in ("variant_id", "image_id", "target")]
        stats = pa.concat_tables(rows).sort_by(order).to_pandas()
    yield _csv("image_stats.csv", stats, rows is not None)
    del rows, stats
    yield _csv("ranges.csv", results.ranges.drop(columns="histogram"))
    lost = quarantine.whole
    if lost is None:
        lost = pd.concat([rows_lost(results, each, image_ids) for each in results.variants["variant_id"]])
    yield _csv("quarantine.csv", lost, quarantine.whole is not None)
    yield _csv("variants.csv", _with_text(results.variants))
    if results.randomized:
        for name in randomization_files(results):
            yield _csv(f"{name}.csv", getattr(results, name).drop(columns=_NULLS, errors="ignore"))


def randomization_files(results: StudyResults) -> list[str]:
    """Return the tables of a randomization study that are written as CSV: those that are small.

    `significance` goes without the values of its nulls, which its Parquet file has.
    """
    small = len(results.variants) * results.n_images * len(results.target_names) <= MOST_ROWS // 10
    return ["randomization", "significance", *(["localization"] if small else [])]


def box_sums(results: StudyResults, table: pd.DataFrame) -> pd.DataFrame:
    """Return the seed's table: the sum in boxes by image, variant and target, in the order of the study.

    Args:
        results: an opened study.
        table: rows of `box_stats`, `BOX_COLUMNS`.
    """
    orders = {"variant_id": list(results.variants["variant_id"]), "target": results.target_names}
    ranks = pd.DataFrame(
        {
            "image_id": results.listing.places_of(table["image_id"].tolist()),
            "box_id": table["box_id"],
            **{
                name: table[name].map({key: rank for rank, key in enumerate(keys)})
                for name, keys in orders.items()
            },
        },
        index=table.index,
    )
    return table.loc[ranks.sort_values(list(ranks.columns), kind="stable").index]


def rows_lost(results: StudyResults, variant_id: str, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return what some images miss of one variant: rows of its quarantine."""
    lost = results.quarantine_of(variant_id)
    return lost[lost["image_id"].isin(list(image_ids))]


def cut_note(cut: Sequence[str]) -> str:
    """Say what tables were cut to the images that are shown; empty where none was."""
    if not cut:
        return ""
    return (
        f"More than {MOST_ROWS:,} rows: {listing(list(cut))} {'has' if len(cut) == 1 else 'have'} those of "
        "the images shown here, and no others. The study's Parquet files have all."
    )


def _up_to(
    scan: Callable[[str, Sequence[str]], Iterator[pa.Table]], results: StudyResults, columns: Sequence[str]
) -> list[pa.Table] | None:
    """Read rows of all variants; None where there are more than `MOST_ROWS`: the scan ends there."""
    found: list[pa.Table] = []
    total = 0
    for variant_id in sorted(results.variants["variant_id"]):
        for rows in scan(variant_id, columns):
            total += len(rows)
            if total > MOST_ROWS:
                return None
            found.append(rows)
    return found


def _with_text(variants: pd.DataFrame) -> pd.DataFrame:
    """Write the lists of a table of variants as JSON; what has none stays empty."""
    lists = [name for name in ("layers", "images") if name in variants]
    texts = {
        name: variants[name].map(lambda items: json.dumps(list(items)), na_action="ignore") for name in lists
    }
    return variants.assign(**texts)


def _csv(name: str, frame: pd.DataFrame, whole: bool = True) -> CsvTable:
    content = frame.to_csv(index=False, lineterminator="\n").encode("utf-8", "surrogatepass")
    return CsvTable(name, content, whole)
