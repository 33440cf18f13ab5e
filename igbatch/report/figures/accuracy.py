"""How far maps are off, by the measure that their convergence was judged by, beside what is allowed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from igbatch.report.text import number
from igbatch.statistics.image_stats import allowed_error
from igbatch.study import Attribution


def mark(row: Any, settings: Attribution) -> str:
    """Return in a few words how far a map that did not converge is off; empty where it did."""
    if row["converged"]:
        return ""
    error, allowed = map(float, allowed_error(row, settings.tolerance, settings.atol))
    much = number(error, 2)
    off = f"off by {much} or more" if pd.isna(row["map_error"]) else f"off by up to {much}"
    off += f", allowed {number(allowed, 2)}"
    return f"not converged: {off} ({row['steps']} steps)"
