"""The commands of quizzes: they parse and print. `igbatch.cli` has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from igbatch.options import place


@click.command()
@click.argument("out", callback=place)
@click.option("--out", "page", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
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
def quiz(out: str, page: Path, **options: Any) -> None:
    """Make a page that asks readers about maps of the study at OUT, whose answers the study knows.

    The page is one file that needs no network. Its key, which has the answers, is written to quiz/ in OUT.
    """
    from igbatch.quiz.write import write_quiz

    for line in write_quiz(out, page, **options):
        click.echo(line)


COMMANDS = (quiz,)
