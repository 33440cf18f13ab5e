"""The commands of quizzes: they parse and print. `igbatch.cli` has them."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console

from igbatch.options import place


@click.command("quiz-results")
@click.argument("out", callback=place)
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--json", "whole", is_flag=True, help="Print tables and sentences as JSON.")
def quiz_results(out: str, files: tuple[str, ...], whole: bool) -> None:
    """Reduce FILES of answers to quizzes of OUT: tables in quiz/ of OUT, and a section of its report.

    Give all files each time: the tables are made of these, and of no earlier ones.
    """
    from igbatch.job import report_place, write_report
    from igbatch.quiz.answers import AnswersError, read_answers, read_keys
    from igbatch.quiz.printing import as_json, print_results
    from igbatch.quiz.results import write_results
    from igbatch.results import StudyResults
    from igbatch.store.output import Output
    from igbatch.store.quiz_tables import FOLDER, read_quiz_tables

    results = StudyResults(out)
    output = Output(out)
    try:
        found, notes = read_answers(files, read_keys(output))
    except AnswersError as error:
        for line in error.lines:
            click.echo(f"igbatch: {line}", err=True)
        sys.exit(error.exit_code)
    places = [f"tables: {output.uri_of(FOLDER)}"]
    write_results(output, found)
    if output.exists(output.path("report", "index.html")):
        write_report(results, output)
        places.append(f"report: {report_place(output)}")
    tables = read_quiz_tables(output)
    assert tables is not None
    if whole:
        click.echo(json.dumps(as_json(tables, results.record, notes), indent=2, ensure_ascii=False))
    else:
        print_results(tables, results.record, [*notes, *places], Console())


COMMANDS = (quiz_results,)
