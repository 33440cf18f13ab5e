"""How far maps are off, by the measure that their convergence was judged by, beside what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.report.text import count, number, percent, plain
from igbatch.study import Attribution

if TYPE_CHECKING:
    from igbatch.report.findings.census import Census


def errors(stats: pd.DataFrame, settings: Attribution) -> pd.DataFrame:
    """Return how far each map is off and how far it may be, in units of the output, indexed like `stats`.

    Columns: error, allowed. As in `statistics.image_stats.convergence`: where the error of a map was
    estimated, the larger of it and of the gap of completeness counts against the map's absolute sum;
    elsewhere the gap counts against |F(image) − F(baseline)|.

    Args:
        stats: rows of `image_stats`.
        settings: the study's `attribution` section (tolerance, atol).
    """
    estimated = stats["map_error"].notna()
    gap = stats["convergence_delta"].abs()
    difference = (stats["score"] - stats["score_baseline"]).abs()
    bound = stats["map_error"].astype("float64") * stats["abs_sum"]
    error = bound.clip(lower=gap).where(estimated, gap)
    norm = stats["abs_sum"].where(estimated, difference)
    return pd.DataFrame({"error": error, "allowed": settings.tolerance * norm + settings.atol})


def excess(stats: pd.DataFrame, settings: Attribution) -> NDArray[np.float64]:
    """Return the error of each map over what is allowed (`errors`): float64 [rows]."""
    off = errors(stats, settings)
    ratios: NDArray[np.float64] = (off["error"] / off["allowed"].clip(lower=1e-300)).to_numpy(np.float64)
    return ratios


def mark(row: Any, settings: Attribution) -> str:
    """Return in a few words how far a map that did not converge is off; empty where it did."""
    if row["converged"]:
        return ""
    found = errors(pd.DataFrame([row]), settings).iloc[0]
    much = number(found["error"], 2)
    off = f"off by {much} or more" if pd.isna(row["map_error"]) else f"off by up to {much}"
    off += f", allowed {number(found['allowed'], 2)}"
    return f"not converged: {off} ({row['steps']} steps)"


def convergence_words(census: Census, settings: Attribution) -> str:
    """Return how many maps converged, what was allowed, and how far off the worst one is.

    Args:
        census: of a study that has rows.
        settings: the study's `attribution` section.
    """
    worst = census.worst
    assert worst is not None
    where = ", ".join(map(plain, worst.key))
    about = "up to " if worst.estimated else ""
    said = (
        f"{census.converged:,} of {count(census.rows, 'map')} converged ({tolerance_words(settings)}). The "
        f"worst one ({where}, {worst.steps} steps) is off by {about}{number(worst.error, 2)}, allowed are "
        f"{number(worst.allowed, 2)}."
    )
    if census.estimated:
        largest = percent(census.largest_error)
        said += (
            f" The largest stated error is {largest} of its map (relative L2; fewer than one map in a "
            "hundred is further off than stated)."
        )
    if census.estimated < census.rows:
        said += (
            " With a fixed number of steps the gap between a map's sum and F(image) − F(baseline) is the "
            "least that it can be off: errors of opposite sign cancel in it."
        )
    return said


def tolerance_words(settings: Attribution) -> str:
    """Return what error is allowed, in words."""
    share = f"{100 * settings.tolerance:.3g} %"
    return (
        f"allowed is an error of {share}, of the sum of |a| where it is estimated and of F(image) − "
        f"F(baseline) where only the gap is known, plus {number(settings.atol, 1)}"
    )
