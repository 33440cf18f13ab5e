"""How far maps are off, by the measure that their convergence was judged by, beside what is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.report.text import number
from igbatch.study import Attribution


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
