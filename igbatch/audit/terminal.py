"""Prints an audit on a terminal: one table a reference, readable without colour."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.audit.files import JUNIT, MARKDOWN, VERDICT
from igbatch.audit.verdict import Audit, Comparison, Outcome
from igbatch.audit.words import figure, headline, limit
from igbatch.store.output import Output
from igbatch.text import plain

MAX_SHOWN = 3
"""Offenders of a failed check; the files have more."""

_OUTCOMES = {
    Outcome.PASSED: Text("passed"),
    Outcome.FAILED: Text("FAILED", "bold red"),
    Outcome.SKIPPED: Text("skipped", "dim"),
}


def print_audit(audit: Audit, console: Console) -> None:
    """Print the verdict, the checks, the worst images of those that failed, and where the files are."""
    for comparison in audit.comparisons:
        console.print(_table(comparison))
        lines = []
        for check in comparison.failed:
            lines.append(f"FAILED {check.title}: {check.words}")
            lines += [f"  {each.image_id}: {each.words}" for each in check.offenders[:MAX_SHOWN]]
        lines += [f"changed: {each.what}: {each.before} -> {each.now}" for each in comparison.changes]
        _print_lines(console, lines)
    files = ", ".join(map(Output(audit.uri).uri_of, (VERDICT, JUNIT, MARKDOWN)))
    verdict = "passed" if audit.passed else "FAILED"
    _print_lines(console, [f"{verdict}: {headline(audit)}", f"files: {files}"])


def _print_lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(Text(plain(line)), soft_wrap=True)


def _table(comparison: Comparison) -> Table:
    title = Text(plain(f"Against the {comparison.role}: {comparison.uri}"))
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("check", "outcome", "figure", "allowed"):
        table.add_column(name, justify="right" if name == "figure" else "left", overflow="fold")
    for check in comparison.checks:
        title, value, allowed = (Text(plain(each)) for each in (check.title, figure(check), limit(check)))
        table.add_row(title, _OUTCOMES[check.outcome], value, allowed)
    return table
