"""`audit.md`: an audit in short, for a chat or the summary of a CI run."""

from __future__ import annotations

import re
import unicodedata

from igbatch.audit.verdict import Audit, Check, Comparison, Outcome
from igbatch.audit.words import figure, headline, limit

MOST_SHOWN = 5
"""Offenders of a failed check, and changes; `audit.json` has more."""

_MARKS = {Outcome.PASSED: "passed", Outcome.FAILED: "**failed**", Outcome.SKIPPED: "skipped"}
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~#:@$^]|(?<=www)\.", re.IGNORECASE)
"""What begins emphasis, links, code or mathematics inside a line, in CommonMark or GitHub's Markdown."""
_LEADING = re.compile(r"^([-+=]|\d+(?=[.)]))")
"""What begins a list or a heading at the start of a line."""
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def markdown(audit: Audit) -> str:
    """Return an audit as Markdown with tables (GitHub's): verdict, checks, worst images, what changed."""
    lines = [
        f"# {'Passed' if audit.passed else 'Failed'}: audit of {escape(audit.study)}",
        "",
        f"{headline(audit)} Made {audit.made_at} by igbatch {escape(audit.igbatch)}.",
    ]
    for comparison in audit.comparisons:
        lines += ["", *_comparison(comparison)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line; control characters become �.

    `<`, `>` and `&` become entities, since readers of Markdown differ in how they take HTML; other signs
    that would mean something gets a backslash, so that texts stay readable where Markdown is shown as it is.
    """
    line = " ".join(text.split())
    visible = "".join("�" if unicodedata.category(each)[0] == "C" else each for each in line)
    escaped = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), visible)
    return _LEADING.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", escaped)


def _comparison(comparison: Comparison) -> list[str]:
    lines = [f"## Against the {escape(comparison.role)}: {escape(comparison.uri)}", ""]
    lines += ["| check | outcome | figure | allowed |", "| --- | --- | ---: | --- |"]
    for check in comparison.checks:
        cells = (escape(check.title), _MARKS[check.outcome], escape(figure(check)), escape(limit(check)))
        lines.append(f"| {' | '.join(cells)} |")
    for check in comparison.checks:
        if check.outcome is Outcome.FAILED:
            lines += ["", *_failure(check)]
    if comparison.changes:
        lines += ["", "### What changed around the numbers", ""]
        for change in comparison.changes[:MOST_SHOWN]:
            lines.append(f"- {escape(change.what)}: {escape(change.before)} → {escape(change.now)}")
        lines += _more(len(comparison.changes), "change")
    return lines


def _failure(check: Check) -> list[str]:
    lines = [f"### {escape(check.title)}", "", escape(check.words), ""]
    for offender in check.offenders[:MOST_SHOWN]:
        lines.append(f"- {escape(offender.image_id)}: {escape(offender.words)}")
    return (lines + _more(len(check.offenders), "image")) if check.offenders else lines[:-1]


def _more(number: int, noun: str) -> list[str]:
    left = number - MOST_SHOWN
    return [f"- and {left} more {noun}{'' if left == 1 else 's'} in audit.json"] if left > 0 else []
