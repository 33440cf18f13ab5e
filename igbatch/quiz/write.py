"""Writes a quiz: the page to a file, and its key to the study's output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from igbatch.errors import InputError
from igbatch.quiz.build import counts, make_quiz
from igbatch.report.page.html import render_quiz
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.quiz_tables import FOLDER, quiz_path
from igbatch.text import count, listing


def write_quiz(out: str, page: Path, *, against: str | None = None, **options: Any) -> list[str]:
    """Make a quiz of the study at `out`, write it, and return what is to be said of it, line by line.

    Args:
        out: of the study.
        page: the HTML file to write.
        against: an earlier output of the study, if any.
        options: of `make_quiz`.

    Raises:
        InputError: the study has nothing to ask, or the page cannot be written there.
    """
    if not page.parent.is_dir():
        raise InputError(f"--out {page}: there is no folder {page.parent}; make it first")
    made = make_quiz(
        StudyResults(out), reference=None if against is None else StudyResults(against), **options
    )
    content = render_quiz(made.page).encode("utf-8")
    output = Output(out)
    name = f"{made.key.digest}.json"
    output.put(quiz_path(output, name), made.key.model_dump_json(indent=1).encode("utf-8"))
    page.write_bytes(content)
    levels = counts(made.key)
    lines = [
        f"{factor}: {listing([f'{number} {level}' for level, number in sorted(found.items())])}"
        for factor, found in levels.items()
    ]
    practice = sum(each.practice for each in made.key.questions)
    total = count(len(made.key.questions) - practice, "question")
    return [
        *lines,
        *made.notes,
        f"key: {output.uri_of(FOLDER, name)}",
        f"quiz of {total} and {practice} to practise on, {len(content) / 1e6:.1f} MB: {page}",
    ]
