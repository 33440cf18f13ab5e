"""An audit on a terminal: one table a reference, readable without colour."""

from __future__ import annotations

import unicodedata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.audit.files import JUNIT, MARKDOWN, VERDICT
from igbatch.audit.verdict import Audit, Comparison, Outcome
from igbatch.audit.words import figure, headline, limit
from igbatch.store.output import Output

MOST_SHOWN = 3
"""Offenders of a failed check; the files have more."""

_WORDS = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "skipped"}
_STYLES = {Outcome.PASSED: "", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


def print_audit(audit: Audit, console: Console) -> None:
    """Print the verdict, the checks, the worst images of those that failed, and where the files are."""

    def say(line: str) -> None:
        console.print(Text(visible(line)), soft_wrap=True)

    for comparison in audit.comparisons:
        console.print(_table(comparison))
        for check in comparison.checks:
            if check.outcome is not Outcome.FAILED:
                continue
            say(f"FAILED {check.title}: {check.words}")
            for offender in check.offenders[:MOST_SHOWN]:
                say(f"  {offender.image_id}: {offender.words}")
        for change in comparison.changes:
            say(f"changed: {change.what}: {change.before} -> {change.now}")
    output = Output(audit.uri)
    say(f"{'passed' if audit.passed else 'FAILED'}: {headline(audit)}")
    say(f"files: {', '.join(output.uri_of(name) for name in (VERDICT, JUNIT, MARKDOWN))}")


def visible(text: str) -> str:
    """Return a text that a terminal takes for nothing but text: control characters become �."""
    return "".join("�" if unicodedata.category(each)[0] == "C" else each for each in text)


def _table(comparison: Comparison) -> Table:
    title = Text(visible(f"Against the {comparison.role}: {comparison.uri}"))
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("check", "outcome", "figure", "allowed"):
        table.add_column(name, justify="right" if name == "figure" else "left", overflow="fold")
    for check in comparison.checks:
        outcome = Text(_WORDS[check.outcome], _STYLES[check.outcome])
        cells = (check.title, figure(check), limit(check))
        first, second, third = (Text(visible(cell)) for cell in cells)
        table.add_row(first, outcome, second, third)
    return table
