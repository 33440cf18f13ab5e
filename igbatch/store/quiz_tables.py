"""What an output has of quizzes: their keys, and the tables of what readers answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from igbatch.errors import InputError
from igbatch.store import schemas
from igbatch.store.output import Output

FOLDER = "quiz"
SCHEMAS = {
    "answers": schemas.QUIZ_ANSWERS,
    "summary": schemas.QUIZ_SUMMARY,
    "comparisons": schemas.QUIZ_COMPARISONS,
}
_FACTS = "results.json"
_KEY = re.compile(r"[0-9a-f]{64}\.json")


class QuizTables(NamedTuple):
    """The tables of `quiz-results`, and what they were made from.

    Attributes:
        facts: `quizzes`, the fingerprint of the study by the digest of each quiz; `files`, how many counted,
            and how many of these are `unfinished`.
    """

    answers: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    facts: dict[str, Any]


def quiz_path(output: Output, name: str) -> str:
    """Return where a file of quizzes lies."""
    return output.path(FOLDER, name)


def key_files(output: Output) -> list[str]:
    """Return the paths of the keys of an output, each named by the digest of its quiz."""
    return [info.path for info in output.files(FOLDER) if _KEY.fullmatch(info.base_name)]


def study_fingerprint(record: Mapping[str, Any]) -> str:
    """Return what tells one study from another in the key of a quiz, of the content of `study.json`."""
    return str(record.get("fingerprint_digest", ""))


def put_quiz_tables(
    output: Output, tables: Mapping[str, Iterable[Mapping[str, Any]]], facts: Mapping[str, Any]
) -> list[str]:
    """Write each table as Parquet and CSV, each file whole, and the facts last; return where they lie."""
    written = []
    for name, schema in SCHEMAS.items():
        table = pa.Table.from_pylist([dict(row) for row in tables[name]], schema=schema)
        output.put_table(quiz_path(output, f"{name}.parquet"), table)
        frame = table.to_pandas(integer_object_nulls=True)
        for column in (field.name for field in schema if pa.types.is_list(field.type)):
            frame[column] = [";".join(cell) for cell in frame[column]]
        text = frame.to_csv(index=False, lineterminator="\n")
        output.put(quiz_path(output, f"{name}.csv"), text.encode("utf-8", "surrogatepass"))
        written += [output.uri_of(FOLDER, f"{name}.{ending}") for ending in ("parquet", "csv")]
    output.put_json(quiz_path(output, _FACTS), dict(facts))
    return written


def read_quiz_tables(output: Output) -> QuizTables | None:
    """Read the tables of `quiz-results`; None where there are none.

    Raises:
        InputError: one of them is missing or damaged, or of another igbatch.
    """
    facts = output.read_json(quiz_path(output, _FACTS))
    if facts is None:
        return None
    frames = {}
    for name, schema in SCHEMAS.items():
        path = quiz_path(output, f"{name}.parquet")
        try:
            table = output.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{path} cannot be read; run `igbatch quiz-results` again") from error
        if table.schema.names != schema.names:
            raise InputError(f"{path} is of another igbatch; run `igbatch quiz-results` again")
        frames[name] = table.to_pandas()
    return QuizTables(**frames, facts=facts)
