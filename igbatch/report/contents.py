"""What the page shows beside the maps: tables to read, and notes on what they leave out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from igbatch.report.cautions import cautions
from igbatch.report.census import take_census
from igbatch.report.description import describe
from igbatch.report.dotplot import select_aggregates
from igbatch.report.findings import find
from igbatch.report.normalization import Normalizations
from igbatch.report.page import Figures, PageContent
from igbatch.report.page_data import PageData
from igbatch.report.panels import ImageMaps
from igbatch.report.quarantine import Quarantine
from igbatch.report.randomization.section import ModelView
from igbatch.report.selection import Selection, left_out
from igbatch.report.sheets import HOW_TO_READ
from igbatch.report.tables import cut_note, randomization_files
from igbatch.report.text import Table, count, number, number_or_dash, percent, plain
from igbatch.results import StudyResults

MOST_QUARANTINED = 40
MOST_SUMS = 60
_SIGNS = {1: "positive", -1: "negative"}
CSV_FILES = ("box_sums", "aggregates", "image_stats", "ranges", "quarantine", "variants")


def page_content(
    results: StudyResults,
    normalizations: Normalizations,
    selection: Selection,
    quarantine: Quarantine,
    plot: str,
    data: PageData,
    figures: Sequence[Figures],
    randomization: Sequence[ModelView],
    cut: Sequence[str],
) -> PageContent:
    """Gather what the page shows.

    Args:
        results: a reduced study.
        normalizations: of its maps.
        selection: what is shown.
        quarantine: of the study, its first `MOST_QUARANTINED` rows at least.
        plot: the aggregates figure as a data URI, or empty.
        data: what the page's script shows.
        figures: for print, by image.
        randomization: what a randomization study shows; empty where it is none.
        cut: names of CSV tables that hold rows of these images only.
    """
    census = take_census(results)
    more = quarantine.total - MOST_QUARANTINED
    where = "the study's folder quarantine" if "quarantine.csv" in cut else "tables/quarantine.csv"
    return PageContent(
        description=describe(results, census),
        findings=find(results, selection.images),
        randomization=randomization,
        cautions=cautions(results, normalizations, census, quarantine.total),
        plot=plot,
        aggregates=aggregates_table(results),
        aggregates_note=_aggregates_note(results),
        data=data,
        figures=figures,
        ranges=ranges_table(results),
        quarantine=_read(quarantine.first.head(MOST_QUARANTINED), _QUARANTINE),
        quarantine_note=f"{count(more, 'row')} more in {where}." if more > 0 else "",
        left_out=[*left_out(results, selection, cut), *data.left_out],
        csv_files=(*CSV_FILES, *(randomization_files(results) if randomization else ())),
        csv_note=cut_note(cut),
        guide=HOW_TO_READ,
    )


def predictions_table(maps: ImageMaps, variants: Sequence[str]) -> Table:
    """Return what each variant says of an image: its prediction, and the probability of each target."""
    targets = maps.results.target_names
    rows = []
    for variant in variants:
        found = [maps.row(variant, target) for target in targets]
        cells = ["–" if row is None else percent(row["target_probability"]) for row in found]
        rows.append((plain(variant), maps.prediction(variant), *cells))
    return Table(("variant", "prediction", *(f"p({plain(target)})" for target in targets)), tuple(rows))


def sums_table(maps: ImageMaps, variants: Sequence[str]) -> Table | None:
    """Return the seed's table of one image: the sum in each box, by variant and target."""
    targets = maps.results.target_names
    rows = []
    for variant in variants:
        for box in maps.boxes:
            sums = maps.sums_in(box.box_id, variant)
            rows.append((plain(variant), box.name, *(number(sums[t]) if t in sums else "–" for t in targets)))
    if not rows:
        return None
    return Table(("variant", "box", *map(plain, targets)), tuple(rows[:MOST_SUMS]))


def aggregates_table(results: StudyResults) -> Table | None:
    """Return the aggregates to read: those that the dot plot shows."""
    rows = []
    for row in select_aggregates(results).rows.to_dict("records"):
        sign = row["expected_sign"]
        expected = "–" if pd.isna(sign) else f"{_SIGNS[int(sign)]} in {percent(row['sign_share'])}"
        interval = _interval(row["mean_sum_low"], row["mean_sum_high"])
        rows.append((
            plain(str(row["variant_id"])), plain(str(row["box_label"])), plain(str(row["target"])),
            f"{row['n_images']:,}", number_or_dash(row["mean_sum"]), interval, expected,
            _percent(row["mean_share"]), number_or_dash(row["mean_density_ratio"]),
        ))  # fmt: skip
    head = (
        "variant", "box", "target", "images", "mean sum", "95 % interval", "expected sign", "share of |a|",
        "density",
    )  # fmt: skip
    return Table(head, tuple(rows)) if rows else None


def ranges_table(results: StudyResults) -> Table | None:
    """Return the ranges of the variants and of the whole study; what is incomplete says so."""
    return _read(results.ranges, _RANGES)


def _aggregates_note(results: StudyResults) -> str:
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
