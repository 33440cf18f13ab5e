"""How far maps are off, by the measure that their convergence was judged by, beside what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from igbatch.reduce.summary import Summary
from igbatch.report.text import count, number, percent, plain
from igbatch.statistics.image_stats import allowed_error


def mark(row: Any, settings: Mapping[str, Any]) -> str:
    """Return in a few words how far a map that did not converge is off; empty where it did."""
    if row["converged"]:
        return ""
    error, allowed = map(float, allowed_error(row, settings["tolerance"], settings["atol"]))
    much = number(error, 2)
    off = f"off by {much} or more" if pd.isna(row["map_error"]) else f"off by up to {much}"
    off += f", allowed {number(allowed, 2)}"
    return f"not converged: {off} ({row['steps']} steps)"


def convergence_words(summary: Summary, settings: Mapping[str, Any]) -> str:
    """Return how many maps converged, what was allowed, and how far off the worst one is.

    Args:
        summary: of a study that has rows.
        settings: the study's `attribution` section.
    """
    worst = summary.worst
    assert worst is not None
    where = ", ".join(map(plain, worst.key))
    about = "up to " if worst.estimated else ""
    said = (
        f"{summary.converged:,} of {count(summary.rows, 'map')} converged ({tolerance_words(settings)}). The "
        f"worst one ({where}, {worst.steps} steps) is off by {about}{number(worst.error, 2)}, allowed are "
        f"{number(worst.allowed, 2)}."
    )
    if summary.estimated:
        largest = percent(summary.largest_error)
        said += (
            f" The largest stated error is {largest} of its map (relative L2; fewer than one map in a "
            "hundred is further off than stated)."
        )
    if summary.estimated < summary.rows:
        said += (
            " With a fixed number of steps the gap between a map's sum and F(image) − F(baseline) is the "
            "least that it can be off: errors of opposite sign cancel in it."
        )
    return said


def tolerance_words(settings: Mapping[str, Any]) -> str:
    """Return what error is allowed, in words."""
    share = f"{100 * settings['tolerance']:.3g} %"
    return (
        f"allowed is an error of {share}, of the sum of |a| where it is estimated and of F(image) − "
        f"F(baseline) where only the gap is known, plus {number(settings['atol'], 1)}"
    )
