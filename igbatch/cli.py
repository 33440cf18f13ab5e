"""The `igbatch` command. It parses and reports; the work is in the packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from igbatch.deadlines import left_behind
from igbatch.errors import IgbatchError
from igbatch.nightly.commands import COMMANDS, night_options, start_night
from igbatch.options import OUT, OVERRIDES, RUN_OPTIONS, Decorator, add_options, place
from igbatch.quiz.commands import COMMANDS as QUIZ_COMMANDS
from igbatch.signals import end_on_sigterm
from igbatch.streams import endure_lost_output, lost_output


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="igbatch")
def main() -> None:
    """Integrated Gradients of Swin Transformers over whole data sets, on Ray.

    Exit codes: 0 done and good; 1 done and the verdict is bad; 2 the call or the study is wrong; 3 not
    finished, run it again.
    """


job_options = add_options(OUT, *RUN_OPTIONS)


@main.command()
@click.argument("study")
@job_options
def run(study: str, **options: Any) -> None:
    """Plan, attribute, reduce and report STUDY, resuming what is unfinished."""
    sys.exit(_run(Path(study), **options))


@main.command()
@job_options
def demo(**options: Any) -> None:
    """Run the bundled study of eagles and magpies."""
    from igbatch.job import demo_study

    sys.exit(_run(demo_study(), **options))


@main.command()
@click.argument("study")
@add_options(OVERRIDES, OUT)
@click.option("--no-trial", is_flag=True, help="Compute no image: no times, no sizes after compression.")
def plan(study: str, overrides: tuple[str, ...], out: str | None, no_trial: bool) -> None:
    """Say what a run of STUDY would compute, store and take; nothing is written."""
    from igbatch.forecast import describe_plan
    from igbatch.job import default_out
    from igbatch.study_file import load_study

    loaded = load_study(study, overrides)
    describe_plan(loaded, out or default_out(loaded), Console(), trial=not no_trial)


@main.command()
@click.argument("out", callback=place)
def reduce(out: str) -> None:
    """Compute the joint ranges and tables of the study at OUT again."""
    from igbatch.reduce.study import reduce_study
    from igbatch.store.output import Output

    reduce_study(Output(out), say=click.echo)
    click.echo(f"reduced: {out}")


figure_options = add_options(
    click.option("--format", "file_format", metavar="png|pdf|svg", help="Draw figures for print."),
    click.option("--image", "images", multiple=True, help="Image to draw (default: as report)."),
    click.option("--variant", "variants", multiple=True, help="Variant to draw (default: as report)."),
    click.option("--target", "targets", multiple=True, help="Target to draw (default: all)."),
    click.option("--scope", "--normalization", "scope", metavar="NAME", help="Whose range colours stand "
                 "for: raw, image, pair, targets, models, variant or dataset (default: raw, image, pair "
                 "and dataset in turn). --normalization is its old name."),
    click.option("--regions", metavar="NAME", help="What has one colour: pixel, patch 4, patch 8 "
                 "(default where the study has it), patch 16, patch 32, superpixels or objects, which show "
                 "sums; or blurred, which moves attributions."),
    click.option("--rule", metavar="NAME", help="symmetric (default), min-max or percentile."),
    click.option("--percentile", type=float, metavar="P", help="Colours end at the P % quantile of |a|."),
    click.option("--range", "ends", type=(float, float), metavar="LOW HIGH", help="Colours end here."),
    click.option("--symmetric", is_flag=True, help="The same as --rule symmetric."),
    click.option("--level", type=float, help="1 to 20: at 2 colours end at half of the range."),
    click.option("--part", metavar="NAME", help="signed (default), positive, negative or absolute."),
    click.option("--colors", "palette", metavar="NAME", help="red-white-blue (default), "
                 "orange-white-purple, brown-white-teal or gray."),
    click.option("--contour", type=float, metavar="P", help="Line around the strongest P % of pixels."),
    click.option("--blur", type=int, metavar="PIXELS", help="Means for the contour (default 4)."),
    click.option("--overlay", "opacity", type=float, metavar="OPACITY",
                 help="Lay maps over the photograph, 0 to 1."),
    click.option("--grid", metavar="COLSxROWS", help="Contact sheets of so many maps a page."),
)  # fmt: skip
"""The choices of figures for print; `igbatch.report` checks their values."""


@main.command()
@click.argument("out", callback=place)
@figure_options
def report(out: str, file_format: str | None, **options: Any) -> None:
    """Render the report of the study at OUT again, or with --format draw its figures for print."""
    from igbatch.errors import InputError
    from igbatch.job import write_figures, write_report
    from igbatch.report.figures.export import print_options
    from igbatch.results import StudyResults
    from igbatch.store.output import Output

    if file_format is None:
        if any(value not in (None, ()) and value is not False for value in options.values()):
            raise InputError("these choices are for figures: add --format png, pdf or svg")
        click.echo(f"report: {write_report(StudyResults(out), Output(out))}")
        return
    place, names = write_figures(StudyResults(out), Output(out), print_options(**options), file_format)
    for name in names:
        click.echo(name)
    click.echo(f"{len(names)} {'file' if len(names) == 1 else 'files'}: {place}")


@main.command()
@click.argument("out", callback=place)
@click.option("--quick", is_flag=True, help="Leave out digests and the numbers of maps.")
@click.option("--quality", is_flag=True, help="End with 1, too, where maps have not converged or too many "
              "rows are in quarantine.")  # fmt: skip
@click.option("--json", "whole", is_flag=True, help="Print all that was found as JSON.")
def verify(out: str, quick: bool, quality: bool, whole: bool) -> None:
    """Prove from its files that the study at OUT is whole; 1 where it is damaged.

    Maps that have not converged are counted, and the worst are named. They are no damage.
    """
    from igbatch.store.output import Output
    from igbatch.store.verification import as_json, as_text
    from igbatch.store.verify import verify as verify_output

    found = verify_output(Output(out), quick=quick)
    click.echo(as_json(found) if whole else as_text(found))
    sys.exit(0 if found.passes(quality=quality) else 1)


@main.command()
@click.argument("out", callback=place)
@click.option("--against", "references", multiple=True, required=True, metavar="REF", callback=place,
              help="Output to compare with; give it again for another one.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override an `audit.` key.")
@click.option(
    "--history", metavar="URI", callback=place, help="Folder of a history that the figures are added to."
)
@click.option("--json", "whole", is_flag=True, help="Print audit.json.")
def audit(
    out: str, references: tuple[str, ...], overrides: tuple[str, ...], history: str | None, whole: bool
) -> None:
    """Compare the study at OUT with a reference and give a verdict; 1 where a check failed.

    Writes audit.json, audit.xml (JUnit) and audit.md into OUT and renders its report again.
    """
    from igbatch.audit.files import verdict_json
    from igbatch.audit.run import REFERENCE
    from igbatch.audit.terminal import print_audit
    from igbatch.job import audit_output

    named = [(REFERENCE, uri) for uri in references]
    found = audit_output(
        out, named, overrides, history_uri=history, say=lambda line: click.echo(line, err=True)
    )
    if whole:
        click.echo(verdict_json(found), nl=False)
    else:
        print_audit(found, Console())
    sys.exit(0 if found.passed else 1)


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", default=100, show_default=True, type=click.IntRange(1), help="How many scenes.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31), help="First seed.")
@click.option("--kind", type=click.Choice(["single", "double", "empty"]), help="Only scenes of this kind.")
def scenes(directory: Path, count: int, seed: int, kind: str | None) -> None:
    """Draw bird scenes into DIRECTORY, with their boxes and a manifest."""
    from igbatch.birds.scenes import write_scenes

    write_scenes(directory, count, seed, kind)
    click.echo(f"{count} scenes, boxes.csv and manifest.csv: {directory}")


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the recipe.")
@click.option("--samples", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="Share of the recipe's samples to train on, to try it out.")  # fmt: skip
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads beside the drawing."
)
def train(directory: Path, seed: int, samples: float, threads: int) -> None:
    """Train the bundled Swin on drawn scenes; weights, evaluation and model card go to DIRECTORY."""
    from igbatch.birds.model_card import train_and_describe

    train_and_describe(directory, seed=seed, share=samples, threads=threads, say=click.echo)


for _command in (*COMMANDS, *QUIZ_COMMANDS):
    main.add_command(_command)


def _run(study: Path, overrides: tuple[str, ...], **options: Any) -> int:
    from igbatch.job import run_job

    return run_job(study, overrides, Console(), **options)


def run_script(script: str) -> None:
    """Serve a script of `jobs/`: `python jobs/NAME.py [STUDY] [--out URI] [--set key=value]`."""
    _serve(script, job_options, _run, "Run a study; without STUDY the YAML file beside the script.")


def run_nightly_script(script: str) -> None:
    """Serve a nightly script of `jobs/`: `python jobs/NAME.py [STUDY] [--out ROOT] [--set key=value]`."""
    what = "Run a night of a study and audit it; without STUDY the YAML file beside the script."
    _serve(script, night_options, start_night, what)


def _serve(script: str, options: Decorator, start: Callable[..., int], what: str) -> None:
    from igbatch.job import study_of_script

    @click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=what)
    @click.argument("study", required=False)
    @options
    def command(study: str | None, **options: Any) -> None:
        sys.exit(start(study_of_script(script, study), **options))

    entry(command)


def entry(command: click.Command = main) -> NoReturn:
    """Run a command and end with its exit code; errors of ours, of the machine and of stores are one line.

    A pipe that is closed or a disk that is full behind standard output ends nothing. A command that does
    nothing but print ends with 3 where its output was lost to the disk.
    """
    endure_lost_output()
    end_on_sigterm()
    code = exit_code(command)
    lost = lost_output()
    if lost is not None:
        print(f"igbatch: standard output could not be written ({lost}); free some space", file=sys.stderr)
        code = code or (3 if sys.argv[1:2] in _PRINTING else 0)
    if left_behind():
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


_PRINTING = (["plan"], ["verify"], ["nights"])


def exit_code(command: click.Command) -> int:
    """Run a command on this process's arguments; print the line of an error, and return the exit code."""
    try:
        command(standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.exceptions.Abort):
        print("interrupted; what is committed is kept, run it again to go on", file=sys.stderr)
        return 3
    except IgbatchError as error:
        print(f"igbatch: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        from igbatch.store_errors import machine_error

        known = machine_error(error)
        if known is None:
            raise
        print(f"igbatch: {known}", file=sys.stderr)
        return known.exit_code
    return 0


if __name__ == "__main__":
    entry()
