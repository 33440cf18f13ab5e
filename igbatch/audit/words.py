"""An audit in a few words, for whoever is told of it: a terminal, a chat, a page."""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.audit.verdict import Audit, Check, Outcome


def failed_checks(audit: Audit) -> list[tuple[str, Check]]:
    """Return the failed checks of all comparisons, each with the role of its reference."""
    return [
        (comparison.role, check)
        for comparison in audit.comparisons
        for check in comparison.checks
        if check.outcome is Outcome.FAILED
    ]


def headline(audit: Audit) -> str:
    """Say how many checks passed, in one sentence without names from the data."""
    outcomes = [check.outcome for comparison in audit.comparisons for check in comparison.checks]
    failed, skipped = outcomes.count(Outcome.FAILED), outcomes.count(Outcome.SKIPPED)
    told = len(outcomes) - skipped
    if failed:
        sentence = f"{failed} of {_count(told, 'check')} failed"
    else:
        sentence = f"{told} of {_count(told, 'check')} passed" if told else "Nothing could be checked"
    more = [f"against {_count(len(audit.comparisons), 'reference')}"]
    more += [f"{skipped} skipped"] if skipped else []
    return f"{sentence} ({', '.join(more)})."


def limit(check: Check) -> str:
    """Write what the figure of a check may be: "at most 0.05"; a hyphen where there is no threshold."""
    if check.threshold is None:
        return "-"
    return f"{'at least' if check.at_least else 'at most'} {number(check.threshold)}"


def figure(check: Check) -> str:
    """Write the figure of a check with its unit; a hyphen where there is none."""
    return "-" if check.figure is None else " ".join(filter(None, (number(check.figure), check.unit)))


def number(value: float) -> str:
    """Write a number with three significant digits."""
    return f"{value:.3g}"


def shown(names: Sequence[str], most: int) -> str:
    """Join the first names of many: "a, b and 3 more"."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
