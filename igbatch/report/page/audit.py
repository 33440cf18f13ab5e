"""The page's section on the audit: its verdict with its tables, and figures over time.

The report reads the verdict that an audit left in the output (`igbatch.audit.files`) and judges nothing.
"""

from __future__ import annotations

import pandas as pd

from igbatch.audit.files import read_audit, read_past
from igbatch.audit.verdict import Audit, Check, Comparison
from igbatch.errors import InputError
from igbatch.report.columns import NONE, Row, Table, TableColumns, name, read, value, whole
from igbatch.report.page.viewer_data import CheckSeries
from igbatch.results import StudyResults
from igbatch.text import number, plain

MAX_POINTS = 400
"""Audits that a chart of the page shows, the latest ones."""

_ROLES = {"reference": "the reference", "last-good": "the last good night"}


def _allowed(row: Row) -> str:
    side = "at least" if row["at_least"] else "at most"
    return NONE if row["threshold"] is None else f"{side} {number(row['threshold'])}"


_COLUMNS: dict[str, TableColumns] = {
    "checks": {
        "check": name("title"),
        "outcome": name("outcome"),
        "figure": value("figure"),
        "allowed": _allowed,
        "unit": value("unit", lambda unit: plain(unit) or NONE),
        "what was found": name("words"),
    },
    "offenders": {
        "image": name("image_id"),
        "variant": name("variant_id"),
        "target": name("target"),
        "value": value("value"),
        "in words": name("words"),
    },
    "parts": {
        "part": name("name"),
        "outcome": name("outcome"),
        "figure": value("figure"),
        "now": value("now"),
        "before": value("before"),
        "p": value("p"),
        "effect": value("effect"),
        "images": whole("n"),
    },
    "changes": {"what": name("what"), "before": name("before"), "now": name("now")},
}


def study_audit(results: StudyResults) -> tuple[Audit | None, list[CheckSeries], str]:
    """Return a study's audit, None where it has none; its figures over time; and why it cannot be read.

    An audit that is damaged, or of another igbatch, costs the page its section alone.
    """
    try:
        audit = read_audit(results.reader.output)
    except InputError as error:
        return None, [], f"The audit: {plain(str(error))}."
    return audit, _history(audit, read_past(results.reader.output)) if audit else [], ""


def audit_table(of: Comparison | Check, what: str) -> Table | None:
    """Return the checks or changes of a comparison, or the offenders or parts of a check."""
    return read([each.model_dump() for each in getattr(of, what)], _COLUMNS[what])


def role(comparison: Comparison) -> str:
    """Return what the reference of a comparison is, in words."""
    return _ROLES.get(comparison.role, comparison.role)


def _history(audit: Audit, past: pd.DataFrame) -> list[CheckSeries]:
    """Return the figures of each check over time, for the page's script.

    One series for each role and check that has a figure, in the order of the latest audit. Where an audit has
    two references of one role, the worse figure counts.
    """
    figures = past[past["figure"].notna() & (past["study"] == audit.study)]
    rows = dict(iter(figures.groupby(["role", "check"], sort=False)))
    series = []
    for comparison, check in ((each, check) for each in audit.comparisons for check in each.checks):
        own = rows.pop((comparison.role, check.name), None)
        if own is not None:
            by_figure = own.sort_values("figure", ascending=not check.at_least, kind="stable")
            points = by_figure.drop_duplicates("made_at", keep="last").sort_values("made_at")
            about = {"role": role(comparison), "points": points.tail(MAX_POINTS).to_dict("records")}
            series.append(CheckSeries.model_validate(check.model_dump() | about))
    return series
