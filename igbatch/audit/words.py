"""Short texts of an audit, as the terminal, the webhook and the report page show it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from igbatch.audit.verdict import Audit, Check, Outcome
from igbatch.text import count


def headline(audit: Audit) -> str:
    """Say how many checks passed, in one sentence without names from the data."""
    outcomes = [check.outcome for comparison in audit.comparisons for check in comparison.checks]
    failed, skipped = outcomes.count(Outcome.FAILED), outcomes.count(Outcome.SKIPPED)
    judged = len(outcomes) - skipped
    if failed:
        sentence = f"{failed} of {count(judged, 'check')} failed"
    else:
        sentence = f"{judged} of {count(judged, 'check')} passed" if judged else "Nothing could be checked"
    aside = f", {skipped} skipped" if skipped else ""
    return f"{sentence} (against {count(len(audit.comparisons), 'reference')}{aside})."


def limit(check: Check) -> str:
    """Write what the figure of a check may be: "at most 0.05"; a hyphen where there is no threshold."""
    if check.threshold is None:
        return "-"
    return f"{'at least' if check.at_least else 'at most'} {short_number(check.threshold)}"


def figure(check: Check) -> str:
    """Write the figure of a check with its unit; a hyphen where there is none."""
    return "-" if check.figure is None else f"{short_number(check.figure)} {check.unit}".rstrip()


def short_number(value: float | None) -> str:
    """Write a number with three significant digits; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3g}"


def abridged(names: Sequence[str], max_names: int, total: int = 0) -> str:
    """Join the first names of many, of which there are `total` or as many as given: "a, b and 3 more"."""
    shown = ", ".join(names[:max_names])
    more = max(len(names), total) - len(names[:max_names])
    return f"{shown} and {more:,} more" if more else shown
