"""What a run shows on a terminal: how far it is, the sums in boxes, and a trained model among random ones."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from igbatch.errors import printable
from igbatch.pipeline.messages import RunSummary
from igbatch.results import StudyResults
from igbatch.text import count

LINE_SECONDS = 15.0
"""Where nobody watches, a line of progress comes this often."""
_REMOVALS = {"deletion": "with the baseline in the box", "true_effect": "in the scene without the bird"}
"""What stands beside the sums where it was measured, by its column of `box_stats`."""
_OF_SEVERAL = {"deletion": "with a baseline in the box, as the mean over the baselines"}
"""The same where there are several baselines."""
_PRINTED = ("sum", "sum_over_change", "share")
_ASCII = str.maketrans({"→": "->", "−": "-", "₀": "0"})  # a terminal may know no others
_MAX_TARGETS = 12
"""Targets of a box and variant that are printed where each takes a line."""
_ANY_WIDTH = 100_000
_NUMBERS = ("trained", "random, 95 % of them", "p", "adjusted")


class TerminalProgress:
    """Shows pairs (image, variant) done, how many a second, time left, and what was quarantined or put back.

    A context manager.
    """

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
        rate = f"{speed:.2f} pairs/s, {(run.total - seen) / speed:.0f} s left" if seen else "starting"
        notes = [f"{under_way} of them not committed yet"] if under_way else []
        notes += [f"{run.quarantined} rows quarantined"] if run.quarantined else []
        notes += [f"{run.retries} shard{'s' if run.retries > 1 else ''} put back"] if run.retries else []
        self._bar.update(self._task, total=run.total, completed=seen, rate=rate, notes=", ".join(notes))
        late = now - self._last_line >= LINE_SECONDS and seen
        if not self.console.is_terminal and (late or run.images == run.total):
            self._last_line = now
            line = ", ".join([f"attribute: {seen} of {run.total} pairs (image, variant)", rate, *notes])
            self.console.print(line, highlight=False)


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
    boxes = boxes[boxes["sum"].notna()]
    if not len(boxes):
        where = "on the featured images" if len(results.aggregates) else "in the study"
        console.print(f"no visible boxes {where}: no box sums to show", highlight=False)
        return
    removals = [name for name in _REMOVALS if boxes[name].notna().any()]
    shown_images = boxes["image_id"].nunique()
    others = results.n_images - shown_images
    which = f", {shown_images} of {count(results.n_images, 'image')}" if others else ""
    single = shown_images == 1  # its name in every row would take the width of the sums
    title = f"Sum of attributions inside boxes{which}" + (f": {boxes['image_id'].iloc[0]}" if single else "")
    order = {variant: place for place, variant in enumerate(results.variants["variant_id"])}
    key = ["image_id", "box_id", "variant_id"]
    seen = boxes.set_index([*key, "target"])
    marks = seen["sign_agreement"].map(sign_mark)
    texts = seen["sum"].map("{:+.3g}".format).str.cat(marks, " ").str.strip()
    for name in removals:
        texts += seen[name].map(" / {:+.3g}".format, na_action="ignore").fillna("")
    sums = texts.unstack("target", "–")
    there = set(sums.index.unique("variant_id"))
    shown = set(shown_variants(results, [variant for variant in order if variant in there]))
    keys = [key for key in sums.index if key[2] in shown]
    classes = TargetTitles(results).classes(results, featured)
    rows = {}
    for key in sorted(keys, key=lambda key: (key[0], key[1], order[key[2]])):
        named = {target: classes.get((key[0], key[2], target), "") for target in results.target_names}
        cells = {target: f"{sums.loc[key].get(target, '–')} {each}".strip() for target, each in named.items()}
        rows[tuple(map(printable, key[single:]))] = cells
    table, targets_left = _sums_table([*([] if single else ["image"]), "box", "variant"], rows, console)
    table.title = Text(printable(title))
    console.print(table, markup=False)
    if targets_left:
        left = f"{count(targets_left, 'more target')} not shown; report/tables/box_sums.csv has all"
        console.print(left, highlight=False, soft_wrap=True)
    if removals:
        several = results.study.attribution.baselines > 1
        places = {**_REMOVALS, **(_OF_SEVERAL if several else {})}
        words = "; then ".join(places[name] for name in removals)
        console.print(f"after a sum: what the output loses {words}", highlight=False, soft_wrap=True)
    if marks.any():
        console.print(render("sign_depends.j2"), highlight=False, markup=False, soft_wrap=True)
    if others:
        console.print("box sums of other images are in the study's box_stats", highlight=False)
    if len(there) > len(shown):
        left = f"{len(there) - len(shown)} more variants are not shown; report/tables/box_sums.csv has all"
        console.print(left, highlight=False, soft_wrap=True)


def _sums_table(
    names: list[str], rows: dict[tuple[str, ...], dict[str, str]], console: Console
) -> tuple[Table, int]:
    """Return a table of sums, and how many targets it leaves out.

    A target is a column, or a row each of the first `_MAX_TARGETS` where the columns would not fit.

    Args:
        names: of the columns that say whose the sums of a row are.
        rows: for each value of these columns, the sum of each target as a text.
        console: on which it is to fit.
    """
    targets = list(next(iter(rows.values())))

    def table_of(*columns: str) -> Table:
        table = Table(title_justify="left", title_style="bold")
        for name in (*names, *columns):
            right = name == "sum" or name.startswith("target ")
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        return table

    wide = table_of(*(f"target {target}" for target in targets))
    for key, cells in rows.items():
        wide.add_row(*key, *cells.values())
    needed = console.measure(wide, options=console.options.update(width=_ANY_WIDTH)).maximum
    if needed <= console.width or len(targets) == 1:
        return wide, 0
    long = table_of("target", "sum")
    for key, cells in rows.items():
        shown = list(cells.items())[:_MAX_TARGETS]
        for place, (target, text) in enumerate(shown):
            whose = [""] * len(key) if place else key
            long.add_row(*whose, printable(target), text, end_section=place == len(shown) - 1)
    return long, max(0, len(targets) - _MAX_TARGETS)


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
