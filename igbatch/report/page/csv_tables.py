"""The report's tables as CSV, with every digit: whole, or of the images that the page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pandas as pd
import pyarrow as pa

from igbatch.report.columns import in_order
from igbatch.results import ROW_COLUMNS, StudyResults
from igbatch.results.tables import quarantined_maps
from igbatch.statistics.aggregates import COUNTS
from igbatch.statistics.agreement import MEASURES

BOX_COLUMNS = [
    "image_id", "box_label", "box_id", "variant_id", "target",
    "sum", "positive_sum", "negative_sum", "abs_sum", "share", "density_ratio", "contains_peak",
    "sum_spread", "sign_agreement", *MEASURES,
    "pixels", "visible_fraction", "x_min", "y_min", "x_max", "y_max",
]  # fmt: skip
STATS_COLUMNS = [
    name for name in ROW_COLUMNS if name not in ("attempt", "fingerprint") and not name.endswith("_bytes")
]
"""Columns of `image_stats` without what a commit says of itself."""

MAX_ROWS = 100_000
"""Rows up to which a table is written whole; of a larger one the rows of the images that are shown."""

NOT_ALWAYS = ("deletions", "curve_areas", "randomization", "significance", "localization")
"""Names of the tables that only some studies have."""

_Scan = Callable[[str, Sequence[str]], Iterator[pa.Table]]
_Some = Callable[[Sequence[str], Sequence[str]], pd.DataFrame]


def csv_tables(
    results: StudyResults,
    image_ids: Sequence[str],
    lost: pd.DataFrame,
    n_lost: int,
    areas: pd.DataFrame | None = None,
) -> Iterator[tuple[str, pd.DataFrame, bool]]:
    """Yield the name and the rows of each table, and whether these are all; one table is held at a time.

    Args:
        results: a reduced study.
        image_ids: images that are shown.
        lost, n_lost: of `take_quarantine`, its first `MAX_ROWS` rows.
        areas: under curves of deletion and insertion, averaged over images; None where there are none.
    """
    totals = results.totals

    def rows(total: int, scan: _Scan, some: _Some, columns: list[str]) -> pd.DataFrame:
        if not 0 < total <= MAX_ROWS:
            return some(image_ids, columns)
        parts = [part for each in sorted(results.reader.variant_ids) for part in scan(each, columns)]
        frame: pd.DataFrame = pa.concat_tables(parts).to_pandas()
        return frame

    boxes = rows(totals.boxes, results.scans.boxes, results.boxes_of, BOX_COLUMNS)
    yield "box_sums", box_sums(results, boxes), totals.boxes <= MAX_ROWS
    del boxes
    yield "aggregates", results.aggregates.drop(columns=COUNTS), True
    if len(results.deletions):
        yield "deletions", results.deletions, True
    stats = rows(totals.rows, results.scans.rows, results.rows_of, STATS_COLUMNS)
    yield "image_stats", stats.sort_values(["variant_id", "image_id", "target"]), totals.rows <= MAX_ROWS
    del stats
    yield "ranges", results.ranges.drop(columns="histogram"), True
    whole = len(lost) == n_lost
    if not whole:
        lost = pd.concat(map(results.quarantine_of, results.reader.variant_ids))
        lost = lost[lost["image_id"].isin(list(image_ids))]
    yield "quarantine", lost, whole
    lists = [name for name in ("layers", "images") if name in results.variants]
    texts = results.variants[lists].map(lambda items: json.dumps(list(items)), na_action="ignore")
    yield "variants", results.variants.assign(**texts), True
    if areas is not None:
        yield "curve_areas", areas, True
    if results.randomized:
        yield "randomization", results.randomization, True
        yield "significance", results.significance.drop(columns="null", errors="ignore"), True
        if len(results.variants) * results.n_images * len(results.target_names) <= MAX_ROWS // 10:
            yield "localization", results.localization, True


def box_sums(results: StudyResults, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `box_stats` by image, box, variant and target, in the order of the study."""
    images = sorted(set(results.listing.places_of(rows["image_id"].unique().tolist()).tolist()))
    return in_order(rows, {
        "image_id": results.listing.ids(images),
        "box_id": sorted(rows["box_id"].unique()),
        "variant_id": results.reader.variant_ids,
        "target": results.target_names,
    })  # fmt: skip


def take_quarantine(results: StudyResults, max_rows: int) -> tuple[pd.DataFrame, int, int]:
    """Return the first `max_rows` rows of the quarantine, read by variant, and its counts of rows and maps.

    A row without a target stands for the maps of all targets of its image.
    """
    parts, total, maps = [], 0, 0
    for variant_id in sorted(results.reader.variant_ids):
        parts.append(results.quarantine_of(variant_id))
        total += len(parts[-1])
        maps += quarantined_maps(parts[-1], len(results.target_names))
        rows = pd.concat(parts, ignore_index=True)  # those without a target are of all, and come first
        parts = [rows.sort_values("target", key=pd.notna, kind="stable", ignore_index=True).head(max_rows)]
    return parts[0], total, maps
