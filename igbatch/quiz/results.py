"""Reduces answers to shares of right ones, by how maps were shown, and to comparisons of normalizations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
import pandas as pd

from igbatch.quiz.answers import AnswerFile
from igbatch.quiz.key import KeyQuestion, Kind, QuizKey
from igbatch.reduce.ranges import REGIONS, SCOPES
from igbatch.statistics.crossed import Answered, crossed_difference, crossed_share, table_of
from igbatch.store.output import Output
from igbatch.store.quiz_tables import put_quiz_tables

FACTORS = ("kind", "normalization", "regions", "palette", "numbers")
SPLITS = (
    (),
    *((factor,) for factor in FACTORS),
    ("normalization", "numbers"),
    ("normalization", "regions"),
    ("kind", "normalization"),
)
"""What the summary splits answers by."""

JOINT = ("pair", "models", "dataset")
Row = dict[str, Any]
Side = tuple[str, Callable[[pd.DataFrame], "pd.Series[bool]"]]


def _scope(*scopes: str) -> Callable[[pd.DataFrame], pd.Series[bool]]:
    return lambda rows: rows["normalization"].isin(scopes)


def _patches(rows: pd.DataFrame) -> pd.Series[bool]:
    return rows["regions"].str.startswith("patch ")


_OWN: Side = ("per-map ranges", _scope("image"))
COMPARISONS: Mapping[str, tuple[Side, Side]] = {
    "per-map and joint ranges": (_OWN, ("joint ranges", _scope(*JOINT))),
    "per-map range and that of the pair": (_OWN, ("range of the pair", _scope("pair"))),
    "per-map range and that of all variants": (_OWN, ("range of all variants", _scope("models"))),
    "per-map range and that of the study": (_OWN, ("range of the study", _scope("dataset"))),
    "per-map range and raw values": (_OWN, ("raw values", _scope("raw"))),
    "pixels and patches": (("pixels", lambda rows: rows["regions"] == "pixel"), ("patches", _patches)),
    "without and with numbers": (
        ("without numbers", lambda rows: ~rows["numbers"]),
        ("with numbers", lambda rows: rows["numbers"]),
    ),
    "per-map ranges without and with numbers": (
        ("per-map ranges without numbers", lambda rows: _OWN[1](rows) & ~rows["numbers"]),
        ("per-map ranges with numbers", lambda rows: _OWN[1](rows) & rows["numbers"]),
    ),
}
"""What is compared: the first side, and the second, whose share is to be larger if it helps."""


def answer_rows(files: Sequence[AnswerFile]) -> list[Row]:
    """Return a row an answer: those of readers, file by file, then those of each quiz's simulated readers."""
    rows = []
    for file in files:
        questions = {question.id: question for question in file.key.questions}
        for answer in file.answers.answers:
            about = {
                "reader": file.answers.reader,
                "session": file.answers.session,
                "file": file.name,
                "place": answer.place,
                "swapped": answer.swapped,
                "seconds": answer.ms / 1000,
            }
            given = answer.choice, answer.second
            rows.append(_answer(file.key, questions[answer.question], given) | about)
    for key in {file.key.digest: file.key for file in files}.values():
        for question in key.questions:
            rows += [
                _answer(key, question, given) | {"simulated": name, "reader": name}
                for name, given in question.simulated.items()
            ]
    return rows


def _answer(key: QuizKey, question: KeyQuestion, given: tuple[str, str | None]) -> Row:
    choice, second = given
    truth = question.truth
    return {
        "quiz": key.digest,
        "simulated": None,
        "session": None,
        "file": None,
        "question": question.id,
        **question.model_dump(
            include={"practice", "kind", "normalization", "regions", "palette", "numbers", "image_id"}
        ),
        "variants": [variant for variant, _ in question.maps],
        "targets": [target for _, target in question.maps],
        "place": None,
        "swapped": None,
        "choice": choice,
        "second": second,
        "right": choice == truth.choice,
        "second_right": None if truth.second is None else second == truth.second,
        "n_choices": len(question.choices),
        "seconds": None,
    }


def summary_rows(answers: pd.DataFrame, seed: int = 0) -> list[Row]:
    """Return shares of right answers with their intervals: all, and split by each of `SPLITS`.

    Questions to practise on are left out. Each simulated reader has rows of its own.
    """
    rows = []
    for name, own in _readers(answers):
        for split in SPLITS:
            groups = own.groupby([*split], sort=False) if split else [((), own)]
            for values, group in sorted(groups, key=lambda group: _place(split, group[0])):
                levels = dict(zip(split, values, strict=True))
                rows.append(
                    {"simulated": name, "by": " x ".join(split) or "all"} | levels | _cell(group, seed)
                )
    return rows


def _place(split: Sequence[str], values: tuple[Any, ...]) -> list[Any]:
    """Return where a group comes: in the order of kinds and scopes, of others by name."""
    orders: dict[str, Sequence[str]] = {"kind": get_args(Kind), "normalization": SCOPES, "regions": REGIONS}
    return [
        orders[factor].index(value) if factor in orders else value
        for factor, value in zip(split, values, strict=True)
    ]


def comparison_rows(answers: pd.DataFrame, seed: int = 0) -> list[Row]:
    """Return the differences of `COMPARISONS` with their intervals, those that both sides have answers for.

    Kinds of questions that one side lacks are left out of the other. Readers are paired: resamples draw a
    reader into both sides.
    """
    rows = []
    for name, own in _readers(answers):
        for comparison, ((first_name, first), (second_name, second)) in COMPARISONS.items():
            sides = [own[first(own)], own[second(own)]]
            shared = set(sides[0]["kind"]) & set(sides[1]["kind"])
            if shared:
                about = {
                    "simulated": name,
                    "comparison": comparison,
                    "first": first_name,
                    "second": second_name,
                }
                rows.append(about | _difference([side[side["kind"].isin(shared)] for side in sides], seed))
    return rows


def write_results(output: Output, files: Sequence[AnswerFile], seed: int = 0) -> list[str]:
    """Reduce files of answers into the tables of an output, and return where these lie."""
    rows = answer_rows(files)
    answers = pd.DataFrame(rows)
    keys = {file.key.digest: file.key for file in files}
    tables = {
        "answers": rows,
        "summary": summary_rows(answers, seed) if rows else [],
        "comparisons": comparison_rows(answers, seed) if rows else [],
    }
    facts = {
        "igbatch": version("igbatch"),
        "quizzes": {digest: key.fingerprint for digest, key in keys.items()},
        "files": len(files),
        "unfinished": sum(not file.answers.complete for file in files),
        "seed": seed,
    }
    return put_quiz_tables(output, tables, facts)


def _readers(answers: pd.DataFrame) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """Yield the answers that count of all people together, and of each simulated reader."""
    counting = answers[~answers["practice"]]
    people = counting["simulated"].isna()
    if people.any():
        yield None, counting[people]
    for name, own in counting[~people].groupby("simulated"):
        yield str(name), own


def _table(rows: pd.DataFrame) -> tuple[Answered, list[object]]:
    """Return answers by readers and questions, and whose columns those are.

    Sessions of one code are one reader's; without a code each session is a reader.
    """
    readers = list(zip(rows["reader"], rows["session"].where(rows["reader"] == "", ""), strict=True))
    questions = list(zip(rows["quiz"], rows["question"], strict=True))
    table, _, columns = table_of(readers, questions, rows["right"].to_numpy(bool))
    return table, columns


def _cell(rows: pd.DataFrame, seed: int) -> Row:
    table, _ = _table(rows)
    found = crossed_share(table, seed)
    seconds, second = rows["seconds"].dropna().to_numpy(np.float64), rows["second_right"].dropna()
    quartiles = (
        [float(each) for each in np.quantile(seconds, (0.25, 0.5, 0.75))] if len(seconds) else [None] * 3
    )
    return {
        "n_answers": len(rows),
        "n_readers": table.readers,
        "n_questions": table.questions,
        "right": table.counts[0],
        "share": found.value,
        "low": found.low,
        "high": found.high,
        "method": found.method,
        "chance": float((1 / rows["n_choices"]).mean()),
        "n_second": len(second),
        "second_share": float(second.astype(bool).mean()) if len(second) else None,
        "seconds": quartiles[1],
        "seconds_q25": quartiles[0],
        "seconds_q75": quartiles[2],
    }


def _difference(sides: Sequence[pd.DataFrame], seed: int) -> Row:
    """Return what is known of both sides of a comparison, and of their difference."""
    table, columns = _table(pd.concat(sides))
    row: Row = {}
    parts = []
    for name, side in zip(("first", "second"), sides, strict=True):
        own = set(zip(side["quiz"], side["question"], strict=True))
        part = table.of(np.array([column in own for column in columns]))
        share = crossed_share(_table(side)[0], seed)
        row |= {f"n_answers_{name}": len(side), f"n_questions_{name}": part.questions}
        row |= {f"share_{name}": share.value, f"low_{name}": share.low, f"high_{name}": share.high}
        parts.append(part)
    found = crossed_difference(parts[0], parts[1], seed)
    interval = {"difference": found.value, "low": found.low, "high": found.high, "method": found.method}
    return {"n_readers": table.readers} | row | interval
