"""The claims on removals: sums in boxes beside what the output loses without them, and without the bird."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from igbatch.report.columns import NONE, Cell, Row, TableColumns, name, share, value, whole
from igbatch.report.findings.model import Finding, Missing, Verdict, present, variants_of_kind
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import KEYS, share_interval
from igbatch.statistics.agreement import MIN_RANKED
from igbatch.text import decimals

_VERDICTS = {True: "yes", False: "no"}


def _rank(suffix: str = "") -> Cell:
    """Write a rank correlation with its interval: "0.74 (−0.04 to 0.96)"."""

    def write(row: Row) -> str:
        rank, *ends = (row[f"{name}{suffix}"] for name in ("spearman", "spearman_low", "spearman_high"))
        if pd.isna(rank):
            return NONE
        known = not any(map(pd.isna, ends))
        return decimals(rank) + (f" ({' to '.join(map(decimals, ends))})" if known else "")

    return write


_BOX: TableColumns = {
    "variant": name("variant_id"),
    "box": name("box_label"),
    "target": name("target"),
    "images": whole("n_images"),
    "they agree": value("passed", lambda passed: _VERDICTS.get(passed, "not shown")),
    "mean sum": value("mean_against"),
}
_DELETION: TableColumns = {
    **_BOX,
    "mean deletion": value("mean"),
    "same sign in": share("sign_share"),
    "rank correlation": _rank(),
    "blurred: same sign in": share("sign_share_blurred"),
    "rank correlation of it": _rank("_blurred"),
}
_TRUE_EFFECT: TableColumns = {
    **_BOX,
    "mean deletion": value("mean_deletion"),
    "true effect": value("mean"),
    "sum: sign": share("sign_share"),
    "sum: rank": _rank(),
    "deletion: sign": share("sign_share_deletion"),
    "deletion: rank": _rank("_deletion"),
}
_RANKS = ["spearman", "spearman_low", "spearman_high"]


def deletion_findings(results: StudyResults) -> list[Finding]:
    """Test in trained variants whether sums in boxes say what removals do, by the study's `deletions`."""
    trained = variants_of_kind(results, "trained")
    every = results.deletions
    every = every[every["variant_id"].isin(trained)]
    rows = every[every["n_images"] >= MIN_RANKED]
    verdicts: Any = [_agree(row) for row in rows.to_dict("records")]
    rows = rows.assign(passed=pd.Series(verdicts, rows.index, dtype=object))
    pairs = {pair: own.set_index(KEYS) for pair, own in rows.groupby(["measure", "against"])}
    none = rows[:0].set_index(KEYS)
    deletion, blurred = (pairs.get((each, "sum"), none) for each in ("deletion", "deletion_blurred"))
    deletion = deletion.join(blurred[["sign_share", *_RANKS]].add_suffix("_blurred"))
    sums = results.aggregates
    counted = int(sums.loc[sums["variant_id"].isin(trained), "n_images"].sum())
    measured, seen = (
        int(every.loc[(every["measure"] == each) & (every["against"] == "sum"), "n_images"].sum())
        for each in ("deletion", "true_effect")
    )
    findings = [_found("trained_deletion", deletion, _DELETION, _missing(trained, counted, measured),
                       counted=counted, measured=measured, measure="deletion")]  # fmt: skip
    truth = pairs.get(("true_effect", "sum"), none)
    if seen:
        names = ["mean", "sign_share", *_RANKS]
        truth = truth.join(pairs.get(("deletion", "true_effect"), none)[names].add_suffix("_deletion"))
        findings.append(_found("trained_true_effect", truth, _TRUE_EFFECT, None,
                               counted=counted, measured=seen, measure="true effect"))  # fmt: skip
    return findings


def _agree(row: Mapping[Any, Any]) -> bool | None:
    """Judge by the intervals of a row whether two measures agree in sign and rank; None: neither is shown."""
    rank_low, rank_high = (
        row["spearman"] if pd.isna(row[end]) else row[end] for end in ("spearman_low", "spearman_high")
    )
    if row["sign_share_low"] > 0.5 and rank_low > 0:
        return True
    return False if row["sign_share_high"] < 0.5 or rank_high < 0 else None


def _verdict(passed: list[bool | None]) -> Verdict:
    """Judge the claim by all groups: it is mixed unless all are alike."""
    if len(set(passed)) > 1:
        return Verdict.MIXED
    return {True: Verdict.HOLDS, False: Verdict.FAILS, None: Verdict.UNKNOWN}[passed[0]]


def _missing(trained: list[str], counted: int, measured: int) -> Missing | None:
    if not trained:
        return Missing.TRAINED
    return None if measured else Missing.DELETIONS if counted else Missing.BOXES


def _found(
    key: str,
    rows: pd.DataFrame,
    columns: TableColumns,
    missing: Missing | None,
    *,
    counted: int,
    measured: int,
    measure: str,
) -> Finding:
    """Put what is known of a measure in words: of `measured` sums of `counted`."""
    if missing is None and not len(rows):
        missing = Missing.BOXES if measured == counted else Missing.FEW
    shown = rows.reset_index().sort_values(["variant_id", "box_label", "target"])
    spans = {
        key: (column.min(), column.max()) if len(column := shown[name].dropna()) else None
        for key, name in (("signs", "sign_share"), ("ranks", "spearman"),
                          ("other_signs", "sign_share_deletion"), ("other_ranks", "spearman_deletion"))
        if name in shown
    }  # fmt: skip
    return present(
        key,
        missing or _verdict(shown["passed"].tolist()),
        shown[:0] if missing else shown,
        columns,
        groups=len(shown),
        passed=sum(each is True for each in shown["passed"]),
        failed=sum(each is False for each in shown["passed"]),
        min_images=MIN_RANKED,
        signed=None if missing else _signed(shown),
        **spans,
        counted=counted,
        measured=measured,
        measure=measure,
    )


def _signed(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how often signs agree over all groups, with the interval of as many cases as there are images.

    The groups of an image are no cases apart, so that an interval of all of them would be too narrow.
    `least` is the group that agrees least often.
    """
    agreeing, cases, images = (
        (rows["sign_share"] * rows["n_images"]).sum(),
        rows["n_images"].sum(),
        rows["n_images"].max(),
    )
    low, high = share_interval(round(agreeing / cases * images), int(images))
    least = rows.sort_values(["sign_share", "spearman"]).iloc[0].to_dict()
    return {
        "agreeing": round(agreeing), "cases": int(cases), "share": agreeing / cases, "low": low, "high": high,
        "least": least, "variants": rows["variant_id"].nunique(),
    }  # fmt: skip
