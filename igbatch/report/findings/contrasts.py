"""The claim on contrasts: asked "this or that", the box of each of the two counts for its own side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from igbatch.report.columns import TableColumns, interval_cell, name, value
from igbatch.report.findings.model import Finding, Missing, Verdict, present, variants_of_kind
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import MIN_IMAGES, share_interval

MIN_TO_JUDGE = 4
"""Images below which signs tell nothing: of 4 that agree, the 95 % interval just leaves one half."""

_COLUMNS: TableColumns = {
    "variant": name("variant_id"),
    "box": name("box_label"),
    "contrast": name("target"),
    "counts for its side in": lambda row: f"{row['n_agreeing']} of {row['n_images']}",
    "mean sum": value("mean_sum"),
    "95 % interval": interval_cell("mean_sum_low", "mean_sum_high"),
    "for the first class alone": value("alone_mean"),
    "verdict": name("found"),
}


def contrast_findings(results: StudyResults, sums: pd.DataFrame) -> list[Finding]:
    """Test each contrast of a study in its trained variants; none where it has no contrast.

    Args:
        results: a reduced study.
        sums: rows of its `aggregates`, with the kind of the variants.
    """
    return [
        _finding(results, contrast, first, other, sums)
        for contrast, (first, other) in results.contrasts.items()
    ]


def _finding(results: StudyResults, contrast: str, first: str, other: str, sums: pd.DataFrame) -> Finding:
    trained = sums[sums["kind"] == "trained"]
    own = trained[(trained["target"] == contrast) & trained["expected_sign"].notna()]
    alone = trained[trained["target"] == first].set_index(["variant_id", "box_label"])
    rows: list[dict[str, Any]] = []
    for row in own.to_dict("records"):
        key = row["variant_id"], row["box_label"]
        by_itself = alone.loc[key] if key in alone.index else None
        rows.append(
            {str(column): each for column, each in row.items()}
            | {
                "first": first,
                "other": other,
                "for_first": row["expected_sign"] == 1,
                "n_agreeing": round(row["sign_share"] * row["n_images"]),
                "found": counts_for_its_side(row),
                "alone": by_itself is not None,
                "alone_mean": None if by_itself is None else by_itself["mean_sum"],
                "alone_negative": None if by_itself is None else int(by_itself["n_negative"]),
                "alone_found": None if by_itself is None else against(by_itself),
            }
        )
    judged = {row["found"] for row in rows} - {Verdict.UNKNOWN}
    verdict: Verdict | Missing = judged.pop() if len(judged) == 1 else Verdict.MIXED
    if not variants_of_kind(results, "trained"):
        verdict = Missing.TRAINED
    elif not rows:
        verdict = Missing.SIDES
    elif all(row["found"] is Verdict.UNKNOWN for row in rows):
        verdict = Missing.IMAGES
    return present(
        "trained_contrast",
        verdict,
        rows,
        _COLUMNS,
        first=first,
        other=other,
        sums=rows,
        output=results.study.attribution.output,
        largest_count=max((row["n_images"] for row in rows), default=0),
        min_count=MIN_TO_JUDGE,
        min_images=MIN_IMAGES,
    )


def counts_for_its_side(row: Mapping[Any, Any]) -> Verdict:
    """Judge whether the boxes of one of the two classes count for their side, by a row of `aggregates`."""
    return _signed(row, row["expected_sign"], row["sign_share_low"], row["sign_share_high"])


def against(row: Mapping[Any, Any]) -> Verdict:
    """Judge whether the boxes of a label count against a target, by a row of `aggregates`."""
    return _signed(row, -1, *share_interval(row["n_negative"], row["n_images"]))


def _signed(row: Mapping[Any, Any], sign: int, low: float | None, high: float | None) -> Verdict:
    """Judge whether sums have a sign in most images, of which the interval is given, and on average."""
    if row["n_images"] < MIN_TO_JUDGE or low is None or high is None:
        return Verdict.UNKNOWN
    ends = sorted((sign * row["mean_sum_low"], sign * row["mean_sum_high"]))
    if low > 0.5 and ends[0] > 0:
        return Verdict.HOLDS
    return Verdict.FAILS if high < 0.5 or ends[1] < 0 else Verdict.MIXED
