"""`igbatch quiz-results` from files of answers to tables and the report's section."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from helpers import Command
from made_answers import make_answers, make_key, write_files

from igbatch.job import write_report
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.quiz_tables import study_fingerprint


@pytest.fixture
def quiz(copy: Output) -> Any:
    """The key of a quiz of the study, in its output."""
    key = make_key(12, 2, study_fingerprint(StudyResults(copy.uri).record))
    copy.put_json(copy.path("quiz", f"{key.digest}.json"), key.model_dump())
    return key


def test_answers_become_tables_a_report_and_words(
    copy: Output, quiz: Any, call: Command, tmp_path: Path
) -> None:
    write_report(StudyResults(copy.uri), copy)
    page = Path(copy.path("report", "index.html"))
    assert 'id="readers"' not in page.read_text("utf-8")
    files = write_files(tmp_path / "sent", [make_answers(quiz, lambda q: 0.8, n) for n in (1, 2, 3)])
    ended = call("quiz-results", copy.uri, *files, files[0])
    assert ended.code == 0, ended.err
    assert "Right answers" in ended.out
    assert "3 readers answered 12 questions, 36 answers in all" in ended.out
    assert "holds the same answers" in ended.out
    assert "no people" in ended.out
    text = re.sub("<.*?>", "", page.read_text("utf-8").partition('id="readers"')[2])
    assert "What readers could tell" in text
    assert "3 readers answered 12 questions" in text
    assert "has changed since" not in text
    assert sorted(os.listdir(copy.path("quiz"))) == sorted(
        [f"{quiz.digest}.json", "results.json"]
        + [f"{name}.{end}" for name in ("answers", "summary", "comparisons") for end in ("csv", "parquet")]
    )
    copy.put(copy.path("quiz", "summary.parquet"), b"damaged")
    write_report(StudyResults(copy.uri), copy)
    text = page.read_text("utf-8")
    assert 'id="readers"' not in text
    assert "Answers of readers: " in text


def test_json_has_tables_and_sentences_and_an_output_without_a_report_gets_none(
    copy: Output, quiz: Any, call: Command, tmp_path: Path
) -> None:
    files = write_files(tmp_path / "sent", [make_answers(quiz, lambda q: 0.8, n) for n in (1, 2, 3)])
    ended = call("quiz-results", copy.uri, *files, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["quizzes"] == {quiz.digest: quiz.fingerprint}
    assert (found["files"], found["outdated"], found["notes"]) == (3, [], [])
    assert found["summary"][0]["n_answers"] == 36
    assert found["summary"][0]["simulated"] is None
    assert not copy.exists(copy.path("report", "index.html"))


def test_a_file_that_is_refused_ends_it_before_anything_is_written(
    copy: Output, quiz: Any, call: Command, tmp_path: Path
) -> None:
    good = write_files(tmp_path / "sent", [make_answers(quiz, lambda q: 0.8)])
    bad = [{**make_answers(quiz, lambda q: 0.8, 9), "reader": "x"}, make_answers(make_key(), lambda q: 0.8)]
    ended = call("quiz-results", copy.uri, *good, *write_files(tmp_path / "bad", bad))
    assert ended.code == 2
    assert [line.rpartition(".json: ")[2] for line in ended.err.splitlines()] == [
        "was changed after it was downloaded: its checksum is that of another content",
        f"belongs to another study or quiz ({make_key().digest[:12]}); "
        f"this output has 1 quiz: {quiz.digest[:12]}",
    ]
    assert os.listdir(copy.path("quiz")) == [f"{quiz.digest}.json"]


def test_a_study_that_changed_since_is_marked(copy: Output, call: Command, tmp_path: Path) -> None:
    key = make_key(12, 2, "another")
    copy.put_json(copy.path("quiz", f"{key.digest}.json"), key.model_dump())
    ended = call(
        "quiz-results", copy.uri, *write_files(tmp_path / "sent", [make_answers(key, lambda q: 0.8)])
    )
    assert f"The study has changed since quiz {key.digest[:12]} was made" in ended.out
