"""Runs a study from its file to its report; the command line and the scripts of `jobs/` call it."""

from __future__ import annotations

import importlib.resources
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from igbatch.audit.files import verdict_digest
from igbatch.errors import InputError, printable
from igbatch.filesystem import is_local
from igbatch.pipeline.messages import RunSummary
from igbatch.pipeline.reduction_state import keep_derived, read_derived
from igbatch.pipeline.run import run_stage
from igbatch.reduce.study import update_tables
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.provenance import TABLES
from igbatch.study_file import LoadedStudy, load_study
from igbatch.text import count

if TYPE_CHECKING:
    from igbatch.audit.verdict import Audit
    from igbatch.report.figures.export import PrintOptions

LINE_SECONDS = 15.0
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
            "attribution.tolerance; the report names the worst"
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


class TerminalProgress:
    """Shows images done, images/s, time left, and what was quarantined or put back; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began: float | None = None
        self._last_line = 0.0
        self._bar = Progress(
            TextColumn("attribute"), BarColumn(bar_width=30), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("{task.fields[notes]}"), console=console, transient=False,
        )  # fmt: skip
        self._task = self._bar.add_task("attribute", total=None, start=False, rate="", notes="")

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def __call__(self, run: RunSummary) -> None:
        """Show how far a run is."""
        now = time.monotonic()
        if self._began is None:
            self._began = self._last_line = now
            self._bar.start_task(self._task)
            if self.console.is_terminal:
                self._bar.start()
        under_way = min(run.under_way, run.total - run.images)
        seen = run.images + under_way
        speed = seen / max(1e-9, now - self._began)
        rate = f"{speed:.2f} images/s, {(run.total - seen) / speed:.0f} s left" if seen else "starting"
        notes = [f"{under_way} of them not committed yet"] if under_way else []
        notes += [f"{run.quarantined} rows quarantined"] if run.quarantined else []
        notes += [f"{run.retries} shard{'s' if run.retries > 1 else ''} put back"] if run.retries else []
        self._bar.update(self._task, total=run.total, completed=seen, rate=rate, notes=", ".join(notes))
        late = now - self._last_line >= LINE_SECONDS and seen
        if not self.console.is_terminal and (late or run.images == run.total):
            self._last_line = now
            line = ", ".join([f"attribute: {seen} of {run.total} images", rate, *notes])
            self.console.print(line, highlight=False)


def default_out(loaded: LoadedStudy) -> str:
    """Return where a study's output goes where `--out` is not given."""
    return f"./igbatch-out/{loaded.study.name}"


def write_report(results: StudyResults, output: Output) -> str:
    """Render the report of a study into `report/` of its output and return where the page lies.

    `igbatch.report.build.render_report` documents what is in memory. Tables of the reducer that were not made
    from what is committed now are made first.

    Raises:
        InputError: the study is not reduced yet.
    """
    from igbatch.report.build import render_report

    if not any(map(results.has, TABLES)):
        raise InputError(f"{output.uri}: not reduced yet; run `igbatch reduce` first")
    update_tables(output)
    render_report(results, lambda path, data: output.put(output.path(path), data))
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


_REMOVALS = {"deletion": "with the baseline in the box", "true_effect": "in the scene without the bird"}
"""What stands beside the sums where it was measured, by its column of `box_stats`."""


def print_box_sums(results: StudyResults, console: Console) -> None:
    """Print the sum inside each box of the featured images, per variant and target, and of how many it is.

    What the output loses without the box stands behind it, where that was measured.

    The boxes of these images are read, and no others. Of many variants the trained ones and the first of each
    kind are printed.
    """
    from igbatch.report.columns import sign_mark
    from igbatch.report.selection import shown_variants
    from igbatch.report.sentences import render
    from igbatch.report.target_titles import TargetTitles

    featured = results.study.report.featured or results.listing.ids(range(min(results.n_images, 1)))
    boxes = results.boxes_of(featured)
    if not len(boxes):
        console.print("no boxes on the featured images: no box sums to show", highlight=False)
        return
    removals = [name for name in _REMOVALS if boxes[name].notna().any()]
    shown_images = boxes["image_id"].nunique()
    others = results.n_images - shown_images
    which = f", {shown_images} of {count(results.n_images, 'image')}" if others else ""
    title = f"Sum of attributions inside boxes{which}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("image", "box", "variant", *(f"target {target}" for target in results.target_names)):
        table.add_column(name, justify="right" if name.startswith("target ") else "left", overflow="fold")
    order = {variant: place for place, variant in enumerate(results.variants["variant_id"])}
    key = ["image_id", "box_id", "variant_id"]
    seen = boxes[boxes["sum"].notna()].set_index([*key, "target"])
    marks = seen["sign_agreement"].map(sign_mark)
    texts = seen["sum"].map("{:+.3g}".format).str.cat(marks, " ").str.strip()
    for name in removals:
        texts += seen[name].map(" / {:+.3g}".format, na_action="ignore").fillna("")
    sums = texts.unstack("target", "–") if len(seen) else seen
    there = set(sums.index.unique("variant_id"))
    shown = set(shown_variants(results, [variant for variant in order if variant in there]))
    keys = [key for key in sums.index if key[2] in shown]
    classes = TargetTitles(results).classes(results, featured)
    for key in sorted(keys, key=lambda key: (key[0], key[1], order[key[2]])):
        named = {target: classes.get((key[0], key[2], target), "") for target in results.target_names}
        cells = [f"{sums.loc[key].get(target, '–')} {each}".strip() for target, each in named.items()]
        table.add_row(*map(printable, key), *cells)
    console.print(table, markup=False)
    if removals:
        words = "; then ".join(_REMOVALS[name] for name in removals)
        console.print(f"after a sum: what the output loses {words}", highlight=False, soft_wrap=True)
    if marks.any():
        console.print(render("sign_depends.j2"), highlight=False, markup=False, soft_wrap=True)
    if others:
        console.print("box sums of other images are in the study's box_stats", highlight=False)
    if len(there) > len(shown):
        left = f"{len(there) - len(shown)} more variants are not shown; report/tables/box_sums.csv has all"
        console.print(left, highlight=False, soft_wrap=True)


def print_randomization(results: StudyResults, console: Console) -> None:
    """Print the trained models among random ones, per box label and target; nothing of other studies."""
    if not results.randomized:
        return
    from igbatch.report.randomization.statistics import (
        SIDES,
        box_name,
        null_tests,
        shown_boxes,
        statistic_name,
    )

    for trained in results.variants.loc[results.variants["kind"] == "trained", "variant_id"]:
        rows = null_tests(results, str(trained))
        groups, left_out = shown_boxes(rows[rows["statistic"].isin(_PRINTED) & rows["box_label"].notna()])
        if not groups:
            continue
        models = max(int(row["n_null"]) for group in groups for row in group)
        table = Table(
            title=f"{trained} among {models} random models, means over the data set",
            title_justify="left",
            title_style="bold",
        )
        for name in ("box -> target", "statistic", "trained", "random, 95 % of them", "p", "adjusted"):
            table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
        for row in (row for group in groups for row in group):
            p = f"{row['p']:.2g} {SIDES[row['alternative']]}"
            null = f"{row['null_low']:+.2g} to {row['null_high']:+.2g}"
            names = (box_name(row), statistic_name(row))
            cells = (*names, f"{row['value']:+.3g}", null, p, f"{row['p_adjusted']:.2g}")
            table.add_row(*(printable(cell.translate(_ASCII)) for cell in cells))
        console.print(table, markup=False)
        if left_out:
            left = f"{left_out} more boxes and targets are not shown; report/tables/significance.csv has all"
            console.print(left, highlight=False, soft_wrap=True)


_PRINTED = ("sum", "sum_over_change", "share")
_ASCII = str.maketrans({"→": "->", "−": "-", "₀": "0"})  # a terminal may know no others
_NUMBERS = ("trained", "random, 95 % of them", "p", "adjusted")


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
