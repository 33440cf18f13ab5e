"""Tables of answers: they find the rates that readers were given, and keep programs apart from people."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_answers import Rate, make_answers, make_key, write_files

from igbatch.quiz.answers import AnswerFile, read_answers
from igbatch.quiz.key import QuizKey
from igbatch.quiz.results import COMPARISONS, answer_rows, comparison_rows, summary_rows, write_results
from igbatch.report.quiz.section import JOINT, PLACES, found, outdated, simulated
from igbatch.store.output import Output
from igbatch.store.quiz_tables import QuizTables, read_quiz_tables

KEY = make_key()


def fooled(question: Any) -> float:
    """Readers who are right half of the time under per-map ranges, and nearly always elsewhere."""
    return 0.5 if question.normalization == "image" else 0.9


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """Make files of readers of a rate: `files(12, rate)`."""

    def make(readers: int, rate: Rate, key: QuizKey = KEY, **changes: Any) -> list[AnswerFile]:
        contents = [make_answers(key, rate, number, **changes) for number in range(readers)]
        return read_answers(write_files(tmp_path / "answers", contents), {key.digest: key})[0]

    return make


def reduced(tmp_path: Path, files: list[AnswerFile]) -> QuizTables:
    output = Output(str(tmp_path / "out"))
    write_results(output, files)
    tables = read_quiz_tables(output)
    assert tables is not None
    return tables


def row_of(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    return row


def test_the_rates_that_readers_have_are_found_and_practice_is_in_no_share(files: Any) -> None:
    answers = pd.DataFrame(answer_rows(files(25, fooled)))
    people = answers[answers["simulated"].isna()]
    assert len(people) == 25 * 42
    assert people["practice"].sum() == 25 * 2
    rows = summary_rows(answers)
    whole = row_of(rows, simulated=None, by="all")
    assert (whole["n_answers"], whole["n_readers"], whole["n_questions"]) == (25 * 40, 25, 40)
    asked = [question for question in KEY.questions if not question.practice]
    chance = np.mean([1 / len(question.choices) for question in asked])
    assert whole["chance"] == pytest.approx(chance)
    for scope, rate in (("image", 0.5), ("pair", 0.9), ("raw", 0.9)):
        row = row_of(rows, simulated=None, by="normalization", normalization=scope)
        assert row["low"] <= rate <= row["high"]
        assert row["share"] == pytest.approx(rate, abs=0.1)
        assert 2 <= row["seconds_q25"] <= row["seconds"] <= row["seconds_q75"] <= 20
    for split in ("normalization x numbers", "kind x normalization", "normalization x regions", "palette"):
        parts = [row for row in rows if row["by"] == split and row["simulated"] is None]
        assert sum(row["right"] for row in parts) == whole["right"]
    second = row_of(rows, simulated=None, by="kind", kind="stronger")
    assert (second["second_share"], second["n_second"]) == (1.0, second["n_answers"])
    assert row_of(rows, simulated=None, by="kind", kind="box")["second_share"] is None


def test_differences_hold_the_truth_and_say_which_side_is_larger(files: Any) -> None:
    rows = comparison_rows(pd.DataFrame(answer_rows(files(25, fooled))))
    joint = row_of(rows, simulated=None, comparison="per-map and joint ranges")
    assert 0 < joint["low"] <= 0.4 <= joint["high"]
    assert joint["difference"] == pytest.approx(joint["share_second"] - joint["share_first"])
    assert (joint["n_readers"], joint["n_answers_first"], joint["n_questions_second"]) == (25, 200, 24)
    for name in ("pixels and patches", "without and with numbers"):
        row = row_of(rows, simulated=None, comparison=name)
        assert row["low"] <= 0 <= row["high"]


def test_kinds_that_one_side_lacks_are_left_out_of_the_other(files: Any) -> None:
    answers = pd.DataFrame(answer_rows(files(3, fooled)))
    lacking = answers[(answers["normalization"] != "image") | (answers["kind"] != "box")]
    row = row_of(comparison_rows(lacking), simulated=None, comparison="per-map and joint ranges")
    joint = lacking["normalization"].isin(["pair", "models", "dataset"]) & lacking["simulated"].isna()
    kept = lacking[joint & (lacking["kind"] != "box") & ~lacking["practice"]]
    assert row["n_answers_second"] == len(kept)


def test_simulated_readers_have_rows_of_their_own_and_are_in_no_number_of_people(files: Any) -> None:
    answers = pd.DataFrame(answer_rows(files(4, lambda question: 1.0)))
    rows = summary_rows(answers)
    assert row_of(rows, simulated=None, by="all")["share"] == 1.0
    program = row_of(rows, simulated="pixels", by="normalization", normalization="image")
    assert (program["share"], program["n_readers"], program["method"]) == (0.0, 1, "Wilson")
    assert program["seconds"] is None
    assert row_of(rows, simulated="values", by="all")["share"] == 1.0


def test_sessions_of_one_code_are_one_reader_and_two_without_a_code_are_two(tmp_path: Path) -> None:
    for code, readers in (("ada", 1), ("", 2)):
        contents = [make_answers(KEY, fooled, number, reader=code) for number in (1, 2)]
        kept, _ = read_answers(write_files(tmp_path, contents), {KEY.digest: KEY})
        whole = row_of(summary_rows(pd.DataFrame(answer_rows(kept))), simulated=None, by="all")
        assert (whole["n_readers"], whole["n_answers"]) == (readers, 80)


def test_tables_are_written_as_parquet_and_csv_with_the_same_rows(tmp_path: Path, files: Any) -> None:
    tables = reduced(tmp_path, files(3, fooled))
    folder = tmp_path / "out" / "quiz"
    for name in ("answers", "summary", "comparisons"):
        assert len(pd.read_csv(folder / f"{name}.csv")) == len(getattr(tables, name))
    assert tables.facts["quizzes"] == {KEY.digest: "f"}
    assert tables.facts["files"] == 3
    first = tables.answers.iloc[0]
    assert (first["file"], first["place"], next(iter(first["variants"]))) == ("reader-0.json", 0, "trained")


def sentences_of(tmp_path: Path, files: list[AnswerFile]) -> str:
    return " ".join(found(reduced(tmp_path, files)))


def test_sentences_say_what_was_found_and_what_cannot_be_told(tmp_path: Path, files: Any) -> None:
    text = sentences_of(tmp_path, files(25, fooled)).replace("\u00a0", " ")
    assert "25 readers answered 40 questions, 1,000 answers in all" in text
    assert "under joint ranges" in text
    assert "points more" in text
    assert "cannot be told from none" in text
    assert "Not to be told from guessing: what readers answered under “Per-map range”" in text
    assert "speak of readers like these at best" not in text


def test_few_readers_one_reader_and_none_are_said(tmp_path: Path, files: Any) -> None:
    assert "3 readers: the intervals are wide, and speak of readers like these at best" in sentences_of(
        tmp_path, files(3, fooled)
    )
    assert "One reader: intervals are over answers, and speak of this reader alone" in sentences_of(
        tmp_path, files(1, fooled)
    )
    assert (
        sentences_of(tmp_path, files(1, fooled, first=2)) == "No reader has answered a question that counts."
    )


def test_readers_who_are_right_less_often_than_by_guessing_were_misled(tmp_path: Path, files: Any) -> None:
    kept = files(12, lambda question: 0.02 if question.normalization == "image" else 0.9)
    assert "Fewer than by guessing were right under “Per-map range”" in sentences_of(tmp_path, kept)


def test_words_say_that_simulated_readers_are_no_people_and_that_a_study_has_changed(
    tmp_path: Path, files: Any
) -> None:
    tables = reduced(tmp_path, files(2, fooled))
    text = simulated(tables)
    assert "programs, and no people" in text[0]
    assert "“pixels”: right in" in text[1]
    assert outdated(tables, {"fingerprint_digest": "f"}) == []
    assert KEY.digest[:12] in outdated(tables, {"fingerprint_digest": "g"})[0]


def test_every_comparison_with_a_sentence_is_made() -> None:
    assert [*PLACES] == [name for name in COMPARISONS if name in PLACES]
    assert JOINT in PLACES


def test_a_quiz_that_nobody_answered_has_empty_tables(tmp_path: Path, files: Any) -> None:
    content = KEY.model_dump()
    for question in content["questions"]:
        question["simulated"] = {}
    key = QuizKey.model_validate(content)
    tables = reduced(tmp_path, files(1, fooled, key, first=0))
    assert [len(each) for each in tables[:3]] == [0, 0, 0]
    assert found(tables) == ["No reader has answered a question that counts."]
    assert simulated(tables) == []
