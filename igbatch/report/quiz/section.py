"""The section of the page on what readers answered: sentences, a figure, and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import compress
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from igbatch.errors import InputError
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.columns import NONE, Row, Table, TableColumns, name, read, value, whole
from igbatch.report.quiz.figure import shares_figure
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.store.quiz_tables import QuizTables, read_quiz_tables, study_fingerprint
from igbatch.text import decimals, listing, plain, whole_percent

FEW = 6
"""Readers below which the words say that they are few."""

MIN_QUESTIONS = 4
"""Questions on each side of a difference that is told in words; tables have all."""

PLACES = {
    "per-map and joint ranges": ("under per-map ranges", "under joint ranges"),
    "pixels and patches": ("where maps showed pixels", "where they showed patches"),
    "without and with numbers": ("without numbers", "with numbers below the maps"),
    "per-map ranges without and with numbers": (
        "under per-map ranges without numbers",
        "with numbers below the maps",
    ),
}
"""Comparisons that have a sentence, in order, as it names both sides; the table has all."""
JOINT = "per-map and joint ranges"

Draw = Callable[[str, Figure], tuple[str, int]]
"""Stores a figure under a file's stem; returns it as a data URI, and its width on the page."""


class QuizView(NamedTuple):
    """What the page shows of the answers to quizzes.

    Attributes:
        outdated: sentences on quizzes that were made from another study.
        found: sentences on what readers could tell.
        source, width: the figure as a data URI, and its width in pixels; no figure where it is empty.
        path: of its file, relative to the page.
        alt: what it shows, in words.
        simulated: sentences on simulated readers.
        tables: by their titles.
    """

    outdated: list[str]
    found: list[str]
    source: str
    width: int
    path: str
    alt: str
    simulated: list[str]
    tables: dict[str, Table]


def quiz_view(results: StudyResults, draw: Draw) -> tuple[QuizView | None, str]:
    """Prepare the section, None of an output without answers; and say why it is not there, if it cannot be.

    Args:
        results: a reduced study.
        draw: stores a figure.
    """
    try:
        tables = read_quiz_tables(results.reader.output)
    except InputError as error:
        return None, f"Answers of readers: {plain(str(error))}."
    if tables is None:
        return None, ""
    source, width = draw("readers", shares_figure(tables.summary)) if len(tables.summary) else ("", 0)
    return QuizView(
        outdated=outdated(tables, results.record),
        found=found(tables),
        source=source,
        width=width,
        path="figures/readers.png",
        alt="Dot plot of the shares of right answers by normalization, as in the tables below",
        simulated=simulated(tables),
        tables=_tables(tables),
    ), ""


def found(tables: QuizTables) -> list[str]:
    """Say what readers could tell and what not, in sentences."""
    people = tables.summary[tables.summary["simulated"].isna()]
    rows = tables.comparisons[tables.comparisons["simulated"].isna()]
    rows = rows[rows[["n_questions_first", "n_questions_second"]].min(axis=1) >= MIN_QUESTIONS]
    scopes = people[people["by"] == "normalization"]
    misled = scopes["high"] < scopes["chance"]
    untold = (scopes["low"] <= scopes["chance"]) & ~misled
    named: list[Any] = scopes.to_dict("records")
    shares = [_with_share(row) for row in named]
    return sentences(
        "quiz_results/section.j2",
        people=next(iter(people[people["by"] == "all"].to_dict("records")), None),
        comparisons=[row for each in PLACES for row in rows[rows["comparison"] == each].to_dict("records")],
        places=PLACES,
        worse=list(compress(shares, misled)),
        untold=list(compress(shares, untold)),
        quizzes=len(tables.facts["quizzes"]),
        files=int(tables.facts["files"]),
        unfinished=int(tables.facts["unfinished"]),
        few=FEW,
    )


def simulated(tables: QuizTables) -> list[str]:
    """Say how simulated readers answer, and that they are no people; nothing where there are none."""
    every = tables.summary[tables.summary["simulated"].notna() & (tables.summary["by"] == "all")]
    rows = tables.comparisons[tables.comparisons["comparison"] == JOINT].set_index("simulated")
    readers = [
        {
            "name": row["simulated"],
            "share": row["share"],
            "n_questions": row["n_questions"],
            "own": rows["share_first"].get(row["simulated"]),
            "joint": rows["share_second"].get(row["simulated"]),
        }
        for row in every.to_dict("records")
    ]
    return sentences("quiz_results/simulated.j2", readers=readers) if readers else []


def outdated(tables: QuizTables, record: Mapping[str, Any]) -> list[str]:
    """Say which quizzes were made from another study than an output now has (`study.json`)."""
    now = study_fingerprint(record)
    changed = [digest[:12] for digest, print_ in tables.facts["quizzes"].items() if print_ != now]
    if not changed:
        return []
    which = f"quiz {changed[0]} was" if len(changed) == 1 else f"quizzes {listing(changed)} were"
    return [f"The study has changed since {which} made: the answers are about maps as they were then."]


def _with_share(row: Row) -> str:
    title = SCOPE_WORDS[row["normalization"]].title
    return f"“{title}” ({whole_percent(row['share'])}, guessing {whole_percent(row['chance'])})"


def _percent(column: str) -> Callable[[Row], str]:
    return lambda row: NONE if pd.isna(row[column]) else whole_percent(row[column])


def _span(unit: str) -> Callable[[Row], str]:
    return lambda row: f"{decimals(100 * row['low'], 0)} to {decimals(100 * row['high'], 0)}\u00a0{unit}"


def _shown(row: Row) -> str:
    """Return what a row of the summary is of, in words."""
    write: dict[str, Callable[[Any], str]] = {
        "normalization": lambda scope: SCOPE_WORDS[scope].title,
        "numbers": lambda numbers: "with numbers" if numbers else "without numbers",
    }
    factors = [] if row["by"] == "all" else row["by"].split(" x ")
    return plain(", ".join(write.get(each, str)(row[each]) for each in factors)) or "all"


def _seconds(row: Row) -> str:
    if pd.isna(row["seconds"]):
        return NONE
    spread = f"{decimals(row['seconds_q25'], 0)} to {decimals(row['seconds_q75'], 0)}"
    return f"{decimals(row['seconds'], 1)} ({spread})"


_SHARES: TableColumns = {
    "shown": _shown,
    "right": _percent("share"),
    "95 % interval": _span("%"),
    "guessing": _percent("chance"),
    "second part": _percent("second_share"),
    "answers": whole("n_answers"),
    "readers": whole("n_readers"),
    "questions": whole("n_questions"),
    "seconds, median (quartiles)": _seconds,
    "interval": name("method"),
}
_SIMULATED: TableColumns = {"simulated reader": name("simulated")} | {
    head: _SHARES[head] for head in ("shown", "right", "95 % interval", "guessing", "questions", "interval")
}
_DIFFERENCES: TableColumns = {
    "compared": name("comparison"),
    "first": _percent("share_first"),
    "second": _percent("share_second"),
    "points more": value("difference", lambda each: decimals(100 * each, 0)),
    "95 % interval": _span("points"),
    "readers": whole("n_readers"),
    "answers": lambda row: f"{row['n_answers_first']:,} and {row['n_answers_second']:,}",
    "questions": lambda row: f"{row['n_questions_first']:,} and {row['n_questions_second']:,}",
    "interval": name("method"),
}


def _tables(tables: QuizTables) -> dict[str, Table]:
    """Return the tables of the section, those of people first; without those that are empty."""
    summary, comparisons = tables.summary, tables.comparisons
    people = summary["simulated"].isna()
    short = summary["by"].isin(["all", "normalization", "kind"])
    note = "quiz/summary.csv of the output has all."
    made = {
        "Shares of right answers": read(summary[people], _SHARES),
        "Differences": read(comparisons[comparisons["simulated"].isna()], _DIFFERENCES),
        "Simulated readers, who are no people": read(summary[~people & short], _SIMULATED, note),
    }
    return {title: table for title, table in made.items() if table is not None}
