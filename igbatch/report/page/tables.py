"""The tables of the page, to read: numbers as people write them, and notes on what they leave out."""

from __future__ import annotations

import pandas as pd

from igbatch.report.columns import NONE, Table, TableColumns, interval_cell, name, read, share, value, whole
from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.figures.image_data import box_names
from igbatch.report.findings.model import variants_of_kind
from igbatch.report.page.csv_tables import BOX_COLUMNS, box_sums
from igbatch.report.randomization.statistics import SIDES, p_text, statistic_name
from igbatch.report.selection import Selection, shown_variants
from igbatch.report.target_titles import TargetTitles, title_of
from igbatch.results import StudyResults
from igbatch.statistics.agreement import MEASURES
from igbatch.statistics.baseline_spread import BOX_COLUMNS as BOX_SPREADS
from igbatch.text import count

MAX_ROWS = 2_000
"""Rows of a table on the page; the CSV files have more."""

MAX_QUARANTINED = 200
"""The same of the quarantine."""

_REMOVALS: TableColumns = {
    "deletion": value("deletion"),
    "deletion, blurred": value("deletion_blurred"),
    "true effect": value("true_effect"),
}
_SIGNS: TableColumns = {"± over baselines": value("sum_spread"), "sign agrees": share("sign_agreement")}
"""Those of the sums' table where some row has them."""

_SUMS: TableColumns = {
    "image": name("image_id"),
    "variant": name("variant_id"),
    "box": name("box"),
    "target": name("target"),
    "sum": value("sum"),
    **_SIGNS,
    **_REMOVALS,
    "share of |a|": share("share"),
    "pixels": whole("pixels"),
    "density": value("density_ratio"),
}

_AGGREGATES: TableColumns = {
    "variant": name("variant_id"),
    "box": name("box_label"),
    "target": name("target"),
    "images": whole("n_images"),
    "mean sum": value("mean_sum"),
    "95 % interval": interval_cell("mean_sum_low", "mean_sum_high"),
    "expected sign": value("expected_sign", lambda sign: {1: "positive", -1: "negative"}.get(sign, NONE)),
    "as expected in": share("sign_share"),
    "share of |a|": share("mean_share"),
    "density": value("mean_density_ratio"),
}

_TESTS: TableColumns = {
    "variant": name("variant_id"),
    "image": name("image_id"),
    "box": name("box_label", "whole map"),
    "target": name("target"),
    "against": name("other_target", NONE),
    "statistic": statistic_name,
    "test": value("test", lambda test: str(test).replace("_", " ")),
    "family": name("family"),
    "value": value("value"),
    "95 % interval": interval_cell("value_low", "value_high"),
    "mean of random": value("null_mean"),
    "95 % of random": interval_cell("null_low", "null_high"),
    "p": value("p", p_text),
    "side": value("alternative", SIDES.__getitem__),
    "adjusted": value("p_adjusted", p_text),
}

_RANGES: TableColumns = {
    "scope": name("scope"),
    "variant": name("variant_id"),
    "of": name("of"),
    "minimum": value("minimum"),
    "maximum": value("maximum"),
    "1 %": value("q01"),
    "99 %": value("q99"),
    "maps": whole("n_maps"),
    "complete": value("complete", lambda there: "yes" if there else "no: range so far, not joint"),
}

_QUARANTINE: TableColumns = {
    "image": name("image_id"),
    "variant": name("variant_id"),
    "target": name("target"),
    "stage": name("stage"),
    "reason": name("error"),
}


def page_tables(
    results: StudyResults, selection: Selection, lost: pd.DataFrame, n_lost: int
) -> dict[str, Table | None]:
    """Return the tables of the page by name, None where one has no row.

    Args:
        results: a reduced study.
        selection: the images that are shown.
        lost, n_lost: the first rows in quarantine, and how many there are.
    """
    more = n_lost - MAX_QUARANTINED
    where = "tables/quarantine.csv" if len(lost) == n_lost else "the study's folder quarantine"
    note = f"{count(more, 'row')} more in {where}." if more > 0 else ""
    return {
        "aggregates": aggregates_table(results),
        "sums": sums_table(results, selection),
        "significance": significance_table(results),
        "ranges": read(results.ranges.assign(of=results.ranges["target"].fillna("classes")), _RANGES),
        "quarantine": read(lost.head(MAX_QUARANTINED), _QUARANTINE, note),
    }


def sums_table(results: StudyResults, selection: Selection) -> Table | None:
    """Return the sums in the boxes of the images shown, of the variants shown."""
    variants = shown_variants(results, results.reader.variant_ids)
    rows = box_sums(results, results.boxes_of(selection.images, BOX_COLUMNS))
    kept = rows[rows["variant_id"].isin(variants)]
    names = {image: box_names(boxes) for image, boxes in kept.groupby("image_id")}
    keys = zip(kept["image_id"], kept["box_id"], strict=True)
    kept = kept.assign(box=[names[image][str(box)] for image, box in keys]).head(MAX_ROWS)
    classes = TargetTitles(results).classes(results, selection.images)
    maps = zip(kept["image_id"], kept["variant_id"], kept["target"], strict=True)
    kept = kept.assign(target=[title_of(key[2], classes.get(key, "")) for key in maps])
    sometimes = zip((*_SIGNS, *_REMOVALS), (*BOX_SPREADS, *MEASURES), strict=True)
    unknown = [head for head, column in sometimes if kept[column].isna().all()]
    columns = {head: write for head, write in _SUMS.items() if head not in unknown}
    return read(kept, columns, _more(len(rows) - len(kept), "box_sums"))


def significance_table(results: StudyResults) -> Table | None:
    """Return the tests of a randomization study, those of trained models first."""
    if not results.randomized:
        return None
    rows = results.significance.drop(columns="null", errors="ignore")
    trained = variants_of_kind(results, "trained")
    shown = rows.sort_values("variant_id", key=lambda ids: ~ids.isin(trained), kind="stable").head(MAX_ROWS)
    return read(shown, _TESTS, _more(len(rows) - len(shown), "significance"))


def aggregates_table(results: StudyResults) -> Table | None:
    """Return the aggregates to read: those that the dot plot shows."""
    shown = select_aggregates(results)
    found = (shown.labels_left_out, "rarer box label"), (shown.rows_left_out, "row")
    left = [count(n, noun) for n, noun in found if n]
    note = f"Left out here: {' and '.join(left)}; tables/aggregates.csv has all." if left else ""
    return read(shown.rows, _AGGREGATES, note)


def _more(rows: int, table: str) -> str:
    return f"{count(rows, 'row')} more, of other variants or beyond, in tables/{table}.csv." if rows else ""
