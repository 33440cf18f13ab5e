"""Prints what readers answered: a short table, and sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from igbatch.errors import printable
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.quiz.section import found, outdated, simulated
from igbatch.store.quiz_tables import QuizTables
from igbatch.text import decimals, whole_percent


def print_results(tables: QuizTables, record: dict[str, Any], lines: Sequence[str], console: Console) -> None:
    """Print shares of right answers, of people by normalization too, what they mean, and some lines."""
    table = Table(title="Right answers", title_justify="left", title_style="bold")
    for head in ("readers", "normalization", "right", "95 % interval", "guessing", "answers"):
        table.add_column(head, justify="left" if head in ("readers", "normalization") else "right")
    by, people = tables.summary["by"], tables.summary["simulated"].isna()
    for row in tables.summary[(by == "all") | ((by == "normalization") & people)].to_dict("records"):
        table.add_row(
            "people" if pd.isna(row["simulated"]) else printable(f"simulated: {row['simulated']}"),
            "all" if row["by"] == "all" else SCOPE_WORDS[row["normalization"]].title,
            whole_percent(row["share"]),
            f"{decimals(100 * row['low'], 0)} to {decimals(100 * row['high'], 0)} %",
            whole_percent(row["chance"]),
            str(row["n_answers"]),
        )
    console.print(table, markup=False)
    for line in (*outdated(tables, record), *found(tables), *simulated(tables), *lines):
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def as_json(tables: QuizTables, record: dict[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """Return the same as JSON has it: the summary, the comparisons, and the sentences."""
    return {
        **tables.facts,
        "outdated": outdated(tables, record),
        "notes": list(notes),
        "found": found(tables),
        "simulated": simulated(tables),
        "summary": _records(tables.summary),
        "comparisons": _records(tables.comparisons),
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows with null where there is nothing."""
    found: list[dict[str, Any]] = json.loads(rows.to_json(orient="records"))
    return found
