"""The tables of the page, to read: numbers as people write them, and notes on what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.figures.image_data import box_names
from igbatch.report.findings.model import study_variants
from igbatch.report.page.csv_tables import BOX_COLUMNS, box_sums
from igbatch.report.page.quarantine import Quarantine
from igbatch.report.randomization.statistics import SIDES, p_text, statistic_name
from igbatch.report.selection import Selection, shown_variants
from igbatch.report.text import Table, count, number, number_or_dash, percent, plain
from igbatch.results import StudyResults

MOST_ROWS = 2_000
"""Rows of a table on the page; the CSV files have more."""

_SIGNS = {1: "positive", -1: "negative"}

Columns = dict[str, tuple[str, Callable[[Any], str]]]


def sums_table(results: StudyResults, selection: Selection) -> tuple[Table | None, str]:
    """Return the sums in the boxes of the images shown, of the variants shown, and what is left out."""
    variants = shown_variants(results, selection.variants)
    rows = box_sums(results, results.boxes_of(selection.images, BOX_COLUMNS))
    kept = rows[rows["variant_id"].isin(variants)]
    names = kept[["image_id", "box_id", "box_label"]].groupby("image_id", sort=False)
    named = {(image, box): name for image, boxes in names for box, name in box_names(boxes).items()}
    keys = zip(kept["image_id"], kept["box_id"], strict=True)
    kept = kept.assign(box=[named[key] for key in keys])
    return _read(kept.head(MOST_ROWS), _SUMS), _more(len(rows) - len(kept.head(MOST_ROWS)), "box_sums")


def significance_table(results: StudyResults) -> tuple[Table | None, str]:
    """Return the tests of a randomization study, those of trained models first, and what is left out."""
    if not results.randomized:
        return None, ""
    rows = results.significance.drop(columns="null", errors="ignore")
    random = ~rows["variant_id"].isin(study_variants(results).trained)
    rows = rows.loc[random.sort_values(kind="stable").index]
    told = [{**row, "what": statistic_name(row), "null_ends": _interval(row["null_low"], row["null_high"]),
             "ends": _interval(row["value_low"], row["value_high"])}
            for row in rows.head(MOST_ROWS).to_dict("records")]  # fmt: skip
    return _read(pd.DataFrame(told), _TESTS), _more(len(rows) - len(told), "significance")


def quarantine_table(quarantine: Quarantine, most: int, where: str) -> tuple[Table | None, str]:
    """Return the first rows in quarantine; the note says how many more there are, and `where`."""
    more = quarantine.total - most
    note = f"{count(more, 'row')} more in {where}." if more > 0 else ""
    return _read(quarantine.first.head(most), _QUARANTINE), note


def aggregates_table(results: StudyResults) -> Table | None:
    """Return the aggregates to read: those that the dot plot shows."""
    rows = []
    for row in select_aggregates(results).rows.to_dict("records"):
        sign = row["expected_sign"]
        expected = "–" if pd.isna(sign) else _SIGNS[int(sign)]
        interval = _interval(row["mean_sum_low"], row["mean_sum_high"])
        rows.append((
            plain(str(row["variant_id"])), plain(str(row["box_label"])), plain(str(row["target"])),
            f"{row['n_images']:,}", number_or_dash(row["mean_sum"]), interval, expected,
            _percent(row["sign_share"]),
            _percent(row["mean_share"]), number_or_dash(row["mean_density_ratio"]),
        ))  # fmt: skip
    head = (
        "variant", "box", "target", "images", "mean sum", "95 % interval", "expected sign", "as expected in",
        "share of |a|",
        "density",
    )  # fmt: skip
    return Table(head, tuple(rows)) if rows else None


def ranges_table(results: StudyResults) -> Table | None:
    """Return the ranges of the variants and of the whole study; what is incomplete says so."""
    return _read(results.ranges, _RANGES)


def aggregates_note(results: StudyResults) -> str:
    """Say what `aggregates_table` leaves out; empty where it leaves out nothing."""
    shown = select_aggregates(results)
    left = []
    if shown.labels_left_out:
        left.append(count(shown.labels_left_out, "rarer box label"))
    if shown.rows_left_out:
        left.append(count(shown.rows_left_out, "row"))
    return f"Left out here: {' and '.join(left)}; tables/aggregates.csv has all." if left else ""


def _read(frame: pd.DataFrame, columns: dict[str, tuple[str, Callable[[Any], str]]]) -> Table | None:
    """Make a table to read of a frame: `columns` maps a column to its head and to what writes its cells."""
    if not len(frame):
        return None
    rows = [
        tuple(write(row[name]) for name, (_, write) in columns.items()) for row in frame.to_dict("records")
    ]
    return Table(tuple(head for head, _ in columns.values()), tuple(rows))


def _percent(value: Any) -> str:
    return "–" if pd.isna(value) else percent(float(value))


def _interval(low: Any, high: Any) -> str:
    return "–" if pd.isna(low) or pd.isna(high) else f"{number(low)} to {number(high)}"


def _name(value: Any) -> str:
    return "all" if pd.isna(value) else plain(str(value))


def _completeness(value: Any) -> str:
    return "yes" if value else "no: range so far, not joint"


_RANGES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "scope": ("scope", _name),
    "variant_id": ("variant", _name),
    "minimum": ("minimum", number_or_dash),
    "maximum": ("maximum", number_or_dash),
    "q01": ("1 %", number_or_dash),
    "q99": ("99 %", number_or_dash),
    "n_maps": ("maps", lambda value: f"{value:,}"),
    "complete": ("complete", _completeness),
}

_QUARANTINE: dict[str, tuple[str, Callable[[Any], str]]] = {
    "image_id": ("image", _name),
    "variant_id": ("variant", _name),
    "target": ("target", _name),
    "stage": ("stage", _name),
    "error": ("reason", _name),
}

_SUMS: Columns = {
    "image_id": ("image", _name),
    "variant_id": ("variant", _name),
    "box": ("box", _name),
    "target": ("target", _name),
    "sum": ("sum", number_or_dash),
    "share": ("share of |a|", _percent),
    "pixels": ("pixels", lambda value: f"{value:,}"),
    "density_ratio": ("density", number_or_dash),
}

_TESTS: Columns = {
    "variant_id": ("variant", _name),
    "image_id": ("image", _name),
    "box_label": ("box", lambda value: "whole map" if pd.isna(value) else plain(str(value))),
    "target": ("target", _name),
    "other_target": ("against", lambda value: "–" if pd.isna(value) else plain(str(value))),
    "what": ("statistic", str),
    "test": ("test", lambda value: str(value).replace("_", " ")),
    "family": ("family", str),
    "value": ("value", number_or_dash),
    "ends": ("95 % interval", str),
    "null_mean": ("mean of random", number_or_dash),
    "null_ends": ("95 % of random", str),
    "p": ("p", p_text),
    "alternative": ("side", lambda value: SIDES[str(value)]),
    "p_adjusted": ("adjusted", p_text),
}


def _more(rows: int, table: str) -> str:
    return f"{count(rows, 'row')} more, of other variants or beyond, in tables/{table}.csv." if rows else ""
