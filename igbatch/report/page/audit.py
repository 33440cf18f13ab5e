"""The page's section on the audit: its verdict, its checks, the worst images, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from igbatch.audit.files import read_audit, read_past
from igbatch.audit.verdict import Audit, Check, Comparison, Outcome
from igbatch.audit.words import headline
from igbatch.errors import InputError
from igbatch.report.page.ranges import finite
from igbatch.report.text import Table, number, number_or_dash, plain
from igbatch.results import StudyResults

MOST_POINTS = 400
"""Audits that a chart of the page shows, the latest ones."""

_ROLES = {"reference": "the reference", "last-good": "the last good night"}


@dataclass(frozen=True)
class Failure:
    """A failed check: what was found, and the tables of its worst images and parts."""

    title: str
    words: str
    compared: str
    offenders: Table | None
    parts: Table | None


@dataclass(frozen=True)
class ComparisonView:
    """The checks against one reference; `changes` is None where nothing differs around the numbers."""

    heading: str
    checks: Table
    failures: Sequence[Failure]
    changes: Table | None


@dataclass(frozen=True)
class AuditView:
    """What the page tells of an audit; `charted` says whether it has a history to draw."""

    passed: bool
    words: str
    comparisons: Sequence[ComparisonView]
    charted: bool


def audit_view(results: StudyResults) -> tuple[AuditView | None, str]:
    """Return what the page tells of a study's audit, None where it has none, and why one cannot be told."""
    audit, problem = _read(results)
    if audit is None:
        return None, problem
    words = f"{headline(audit)} Made {audit.made_at} by igbatch {plain(audit.igbatch)}."
    comparisons = [_comparison(each) for each in audit.comparisons]
    return AuditView(audit.passed, words, comparisons, bool(len(read_past(results.reader.output)))), ""


def audit_series(results: StudyResults) -> list[dict[str, Any]]:
    """Return the figures of each check over time, for the page's script (`Series` of `viewer/src/study.ts`).

    One series for each role and check that has a figure, in the order of the latest audit. Where an audit has
    two references of one role, the worse figure counts.
    """
    audit, _ = _read(results)
    past = read_past(results.reader.output) if audit else pd.DataFrame()
    if audit is None or not len(past):
        return []
    told = past[past["figure"].notna() & (past["study"] == audit.study)]
    rows = dict(iter(told.groupby(["role", "check"], sort=False)))
    series = []
    for comparison in audit.comparisons:
        for check in comparison.checks:
            frame = rows.pop((comparison.role, check.name), None)
            if frame is not None:
                series.append(_series(comparison, check, frame))
    return series


def _read(results: StudyResults) -> tuple[Audit | None, str]:
    """Read the audit; one that is damaged, or of another igbatch, costs the page its section alone."""
    try:
        return read_audit(results.reader.output), ""
    except InputError as error:
        return None, f"The audit: {plain(str(error))}."


def _series(comparison: Comparison, check: Check, rows: pd.DataFrame) -> dict[str, Any]:
    worst_last = rows.sort_values("figure", ascending=not check.at_least, kind="stable")
    points = worst_last.drop_duplicates("made_at", keep="last").sort_values("made_at").tail(MOST_POINTS)
    return {
        "role": plain(_role(comparison)),
        "check": plain(check.name),
        "title": plain(check.title),
        "unit": plain(check.unit),
        "at_least": check.at_least,
        "points": [
            {
                "at": row["made_at"].isoformat().replace("+00:00", "Z"),
                "night": plain(row["night"]),
                "figure": finite(row["figure"]),
                "threshold": finite(row["threshold"]),
                "outcome": str(row["outcome"]),
            }
            for row in points.to_dict("records")
        ],
    }


def _comparison(comparison: Comparison) -> ComparisonView:
    rows = [
        (
            plain(check.title),
            str(check.outcome),
            *_figures(check),
            plain(check.unit) or "–",
            plain(check.words),
        )
        for check in comparison.checks
    ]
    changes = [(plain(each.what), plain(each.before), plain(each.now)) for each in comparison.changes]
    failed = [check for check in comparison.checks if check.outcome is Outcome.FAILED]
    return ComparisonView(
        f"Against {plain(_role(comparison))}, {plain(comparison.uri)}",
        Table(("check", "outcome", "figure", "allowed", "unit", "what was found"), tuple(rows)),
        [_failure(check) for check in failed],
        Table(("what", "before", "now"), tuple(changes)) if changes else None,
    )


def _figures(check: Check) -> tuple[str, str]:
    if check.threshold is None:
        return number_or_dash(check.figure), "–"
    side = "at least" if check.at_least else "at most"
    return number_or_dash(check.figure), f"{side} {number(check.threshold)}"


def _failure(check: Check) -> Failure:
    offenders = [
        (
            plain(each.image_id), plain(each.variant_id or "all"), plain(each.target or "all"),
            number(each.value), plain(each.words),
        )
        for each in check.offenders
    ]  # fmt: skip
    parts = [
        (
            plain(each.name), str(each.outcome), number_or_dash(each.figure), number_or_dash(each.now),
            number_or_dash(each.before), number_or_dash(each.p), number_or_dash(each.effect),
            "–" if each.n is None else f"{each.n:,}",
        )
        for each in check.parts
    ]  # fmt: skip
    return Failure(
        plain(check.title),
        plain(check.words),
        plain(check.compared),
        Table(("image", "variant", "target", "value", "in words"), tuple(offenders)) if offenders else None,
        Table(("part", "outcome", "figure", "now", "before", "p", "effect", "images"), tuple(parts))
        if parts
        else None,
    )


def _role(comparison: Comparison) -> str:
    return _ROLES.get(comparison.role, comparison.role)
