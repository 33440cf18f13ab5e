"""The report's tables as CSV, with every digit: whole, or of the images that the page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from igbatch.report.page.quarantine import Quarantine
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

MAX_ROWS = 100_000
"""Rows up to which a table is written whole; of a larger one the rows of the images that are shown."""


@dataclass(frozen=True)
class CsvTable:
    """A table as a file; `whole` is False where it holds the rows of the images that the page shows alone."""

    name: str
    frame: pd.DataFrame
    whole: bool = True

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.csv"

    @property
    def content(self) -> bytes:
        """UTF-8 CSV, numbers with every digit."""
        return self.frame.to_csv(index=False, lineterminator="\n").encode("utf-8", "surrogatepass")


def csv_tables(results: StudyResults, image_ids: Sequence[str], quarantine: Quarantine) -> Iterator[CsvTable]:
    """Yield a study's tables, one after the other; one of them is held at a time.

    Args:
        results: a reduced study.
        image_ids: images that are shown.
        quarantine: of the study, its first `MAX_ROWS` rows.
    """
    totals = results.totals
    if 0 < totals.boxes <= MAX_ROWS:
        boxes = _every(results, results.scans.boxes, BOX_COLUMNS)
    else:
        boxes = results.boxes_of(image_ids, BOX_COLUMNS)
    yield CsvTable("box_sums", box_sums(results, boxes), totals.boxes <= MAX_ROWS)
    del boxes
    yield CsvTable("aggregates", results.aggregates.drop(columns=COUNTS))
    if 0 < totals.rows <= MAX_ROWS:
        stats = _every(results, results.scans.rows, STATS_COLUMNS)
    else:
        stats = results.rows_of(image_ids, STATS_COLUMNS)
    stats = stats.sort_values(["variant_id", "image_id", "target"])
    yield CsvTable("image_stats", stats, totals.rows <= MAX_ROWS)
    del stats
    yield CsvTable("ranges", results.ranges.drop(columns="histogram"))
    lost = quarantine.rows
    if not quarantine.whole:
        lost = pd.concat(map(results.quarantine_of, results.variants["variant_id"]))
        lost = lost[lost["image_id"].isin(list(image_ids))]
    yield CsvTable("quarantine", lost, quarantine.whole)
    yield CsvTable("variants", _with_text(results.variants))
    if results.randomized:
        yield CsvTable("randomization", results.randomization)
        yield CsvTable("significance", results.significance.drop(columns="null", errors="ignore"))
        if len(results.variants) * results.n_images * len(results.target_names) <= MAX_ROWS // 10:
            yield CsvTable("localization", results.localization)


def box_sums(results: StudyResults, table: pd.DataFrame) -> pd.DataFrame:
    """Return the sums in boxes by image, variant and target, in the order of the study.

    Args:
        results: an opened study.
        table: rows of `box_stats`, `BOX_COLUMNS`.
    """
    orders = {"variant_id": list(results.variants["variant_id"]), "target": results.target_names}
    ranks = {name: table[name].map({key: at for at, key in enumerate(keys)}) for name, keys in orders.items()}
    places = {"image_id": results.listing.places_of(table["image_id"].tolist()), "box_id": table["box_id"]}
    order = pd.DataFrame(places | ranks, index=table.index)
    return table.loc[order.sort_values(list(order.columns), kind="stable").index]


def _every(
    results: StudyResults, scan: Callable[[str, Sequence[str]], Iterator[pa.Table]], columns: Sequence[str]
) -> pd.DataFrame:
    """Scan the rows of all variants."""
    variants = sorted(results.variants["variant_id"])
    every = pa.concat_tables([rows for each in variants for rows in scan(each, columns)])
    frame: pd.DataFrame = every.to_pandas()
    return frame


def _with_text(variants: pd.DataFrame) -> pd.DataFrame:
    """Write the lists of a table of variants as JSON; what has none stays empty."""
    lists = [name for name in ("layers", "images") if name in variants]
    texts = {
        name: variants[name].map(lambda items: json.dumps(list(items)), na_action="ignore") for name in lists
    }
    return variants.assign(**texts)
