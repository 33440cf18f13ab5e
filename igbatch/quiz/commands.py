"""The commands of quizzes: they parse and print. `igbatch.cli` has them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from igbatch.options import place


@click.command()
@click.argument("out", required=False, callback=place)
@click.option("--out", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Page to write, such as quiz.html.")  # fmt: skip
@click.option("--questions", default=40, show_default=True, type=click.IntRange(1, 200), metavar="N",
              help="How many, beside one of each kind to practise on.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of what is drawn.")
@click.option("--numbers", default="both", show_default=True, type=click.Choice(["both", "with", "without"]),
              help="Below maps: with half of the questions, with all, or with none.")  # fmt: skip
@click.option("--feedback", default="none", show_default=True, type=click.Choice(["none", "after", "end"]),
              help="When readers are told what is true.")  # fmt: skip
@click.option("--against", metavar="REF", callback=place,
              help="Earlier output of the study, for questions on what changed.")  # fmt: skip
@click.option("--power", is_flag=True, help="Make no page: simulate how many readers find a difference.")
@click.option("--readers", default="4,8,12,20,30", show_default=True, metavar="N,N,…",
              help="With --power: numbers of readers.")  # fmt: skip
@click.option("--shares", type=(float, float), default=(0.6, 0.8), show_default=True,
              help="With --power: of right answers under two normalizations.")  # fmt: skip
@click.option("--spread", type=(float, float), default=(0.7, 0.7), show_default=True,
              help="With --power: how far readers and questions differ (standard deviations of the "
              "log-odds).")  # fmt: skip
@click.option("--simulations", default=400, show_default=True, type=click.IntRange(1, 100_000),
              help="With --power: studies of each size.")  # fmt: skip
def quiz(
    out: str | None,
    page: Path | None,
    power: bool,
    readers: str,
    shares: tuple[float, float],
    spread: tuple[float, float],
    simulations: int,
    **options: Any,
) -> None:
    """Make a page that asks readers about maps of the study at OUT, whose answers the study knows.

    The page is one file that needs no network. Its key, which has the answers, is written to quiz/ in OUT.
    With --power no study is needed: it says how many readers find a difference between two normalizations.
    """
    from igbatch.errors import InputError

    if power and (out or page):
        raise InputError("--power makes no page; leave out OUT and --out")
    if power:
        from igbatch.quiz.power import Assumptions, print_power

        try:
            numbers = list(dict.fromkeys(int(number) for number in readers.split(",")))
        except ValueError:
            raise InputError(f"--readers {readers!r}: give whole numbers, such as 4,8,12") from None
        assumed = Assumptions(options["questions"], shares, *spread, simulations, options["seed"])
        print_power(numbers, assumed, Console())
        return
    if out is None or page is None:
        raise InputError(
            f"{'OUT' if out is None else '--out'} is missing; `igbatch quiz OUT --out quiz.html` makes one, "
            "`igbatch quiz --power` says how many readers one needs"
        )
    from igbatch.quiz.write import write_quiz

    for line in write_quiz(out, page, **options):
        click.echo(line)


@click.command("quiz-results")
@click.argument("out", callback=place)
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--json", "whole", is_flag=True, help="Print tables and sentences as JSON.")
def quiz_results(out: str, files: tuple[str, ...], whole: bool) -> None:
    """Reduce FILES of answers to quizzes of OUT: tables in quiz/ of OUT, and a section of its report.

    Give all files each time: the tables are made of these, and of no earlier ones.
    """
    from igbatch.errors import InputError
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
    if not any(each.counts for each in found):
        raise InputError("no file has an answer that counts: nothing is reduced, and tables stay as they are")
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


COMMANDS = (quiz, quiz_results)
