"""Runs a study from its file to its report; the command line and the scripts of `jobs/` call it."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from igbatch.audit.files import verdict_digest
from igbatch.errors import InputError, printable
from igbatch.filesystem import is_local
from igbatch.pipeline.reduction_state import keep_derived, read_derived
from igbatch.pipeline.run import run_stage
from igbatch.reduce.study import update_tables
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.provenance import TABLES
from igbatch.study_file import LoadedStudy, load_study
from igbatch.terminal import TerminalProgress, print_box_sums, print_randomization

if TYPE_CHECKING:
    from igbatch.audit.verdict import Audit
    from igbatch.report.figures.export import PrintOptions

DEMO_STUDY = "eagle_magpie.yaml"
SUBMITTED = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets this variable in the driver of a submitted job."""


def check_submitted(out: str) -> None:
    """Refuse a relative local output inside a submitted job, whose working directory vanishes with it.

    Raises:
        InputError: the output is a relative local path, and this process is the driver of a submitted job.
    """
    local = is_local(out) and not out.removeprefix("file://").startswith("/")
    if local and SUBMITTED in os.environ:
        raise InputError(f"--out {out}: a submitted job's folder vanishes; give an absolute path or a URI")


def run_job(
    study_path: str | Path,
    overrides: Sequence[str],
    console: Console,
    *,
    out: str | None = None,
    address: str | None = None,
    retry_quarantined: bool = False,
) -> int:
    """Plan, attribute, reduce and report a study; return the exit code.

    0: done and good. 1: done, but more rows are in quarantine than the study allows.

    Raises:
        InputError: the study or the call is wrong (exit code 2).
        UnfinishedError: not finished (exit code 3).
        WorkerError: the program failed on a worker (exit code 1).
    """
    loaded = load_study(study_path, overrides)
    place = out or default_out(loaded)
    check_submitted(place)
    output = Output(place)

    def say(line: str) -> None:
        console.print(printable(line), highlight=False, soft_wrap=True, markup=False)

    say(f"study {loaded.study.name} -> {output.uri}")
    with TerminalProgress(console) as progress:
        run = run_stage(
            loaded, output, progress, address=address, retry_quarantined=retry_quarantined, say=say
        )
    results = StudyResults(output.uri)
    derived = read_derived(output)
    audited = verdict_digest(output)
    shown = output.exists(output.path("report", "index.html"))
    if shown and derived.get("report") == run.state and derived.get("audit") == audited:
        say("the report is up to date")
    else:
        write_report(results, output)
        keep_derived(output, report=run.state, audit=audited)
    counts = results.box_counts if run.rows else None  # a scan: a finished study is reported at once
    if counts and (exceptions := counts.exceptions()):
        say(f"of the boxes, {'; '.join(exceptions)}")
    print_box_sums(results, console)
    print_randomization(results, console)
    totals = results.totals
    if off := totals.rows - totals.converged:
        say(
            f"warning: {off} of {totals.rows} maps have not converged: take more steps or a larger "
            f"attribution.tolerance; the report and `igbatch verify {output.uri}` name the worst"
        )
    dataset = results.ranges[results.ranges["scope"] == "dataset"]
    lost = results.expected_rows - int(dataset["n_maps"].sum())
    allowed = loaded.study.quarantine.allowance
    if lost:
        say(
            f"{lost} of {results.expected_rows} rows are in quarantine (allowed: {allowed}); "
            "the report says why"
        )
    say(f"report: {report_place(output)}")
    return 1 if lost > allowed else 0


def default_out(loaded: LoadedStudy) -> str:
    """Return where a study's output goes where `--out` is not given."""
    return f"./igbatch-out/{loaded.study.name}"


def write_report(results: StudyResults, output: Output) -> str:
    """Render the report of a study into `report/` of its output and return where the page lies.

    What an earlier report wrote there and this one has not is deleted, once the page no longer leads to it.
    `igbatch.report.build.render_report` documents what is in memory. Tables of the reducer that were not made
    from what is committed now are made first.

    Raises:
        InputError: the study is not reduced yet.
    """
    from igbatch.report.build import left_over, render_report

    if not any(map(results.has, TABLES)):
        raise InputError(f"{output.uri}: not reduced yet; run `igbatch reduce` first")
    update_tables(output)
    paths = render_report(results, lambda path, data: output.put(output.path(path), data))
    for path in left_over((output.relative(info.path) for info in output.files("report")), paths):
        output.delete(output.path(path))
    return report_place(output)


def audit_output(
    out: str,
    references: Sequence[tuple[str, str]],
    overrides: Sequence[str] = (),
    *,
    history_uri: str | None = None,
    night: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Audit:
    """Audit an output, render its page with the verdict, and notify the webhook that its study names.

    Args:
        out: the output that is audited.
        references: (role, URI) of each output that it is compared with; the first one is the promoted one.
        overrides: `key=value` of `audit.` keys.
        history_uri: folder of the history that the figures are appended to.
        night: name of the night, for the history.
        say: takes a line where the webhook could not be notified.

    Raises:
        InputError: there is no study at one of the places, or they have nothing in common.
        UnfinishedError: one of them is not finished, or another run is at work on it.
    """
    from igbatch.audit.run import audit_settings, run_audit
    from igbatch.audit.webhook import notify

    settings = audit_settings(out, overrides)
    audit = run_audit(out, references, settings, history_uri=history_uri, night=night)
    output = Output(out)
    audited = verdict_digest(output)
    write_report(StudyResults(out), output)
    keep_derived(output, audit=audited)
    notify(audit, settings.webhook, os.environ, say=say)
    return audit


def write_figures(
    results: StudyResults, output: Output, options: PrintOptions, file_format: str
) -> tuple[str, list[str]]:
    """Draw figures for print into `report/print/` of a study's output.

    Returns where that folder lies, and the names of the files.

    Raises:
        InputError: there is no such format, or the study has no such image, variant or target.
    """
    from igbatch.report.figures.export import FOLDER, print_figures

    paths = print_figures(
        results, options, file_format, lambda path, data: output.put(output.path(path), data)
    )
    return output.uri_of(FOLDER), [path.removeprefix(f"{FOLDER}/") for path in paths]


def report_place(output: Output) -> str:
    """Return where the page of a report lies: a path where the output is local, its URI elsewhere."""
    return output.uri_of("report", "index.html")


def demo_study() -> Path:
    """Return the bundled study: package data where igbatch is installed, `jobs/` in a checkout.

    Raises:
        InputError: the installation is broken.
    """
    packaged = importlib.resources.files("igbatch") / "jobs" / DEMO_STUDY
    checkout = Path(__file__).resolve().parent.parent / "jobs" / DEMO_STUDY
    for place in (Path(str(packaged)), checkout):
        if place.is_file():
            return place
    raise InputError(f"{packaged}: the bundled study is missing; install igbatch again")


def study_of_script(script: str, study: str | None) -> Path:
    """Return the study that a script in `jobs/` runs: the one named, or the YAML file beside the script."""
    return Path(study) if study else Path(script).resolve().with_suffix(".yaml")
