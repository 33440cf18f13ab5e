"""What all rows of a study say together, counted in one scan of few columns, some rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from igbatch.report.figures.accuracy import errors, excess
from igbatch.results import StudyResults
from igbatch.study import Attribution

COLUMNS = (
    "variant_id", "image_id", "target", "score", "score_baseline", "abs_sum", "convergence_delta",
    "map_error", "steps", "converged", "negligible", "precision", "device",
)  # fmt: skip


@dataclass(frozen=True)
class Worst:
    """The map that is furthest off for what is allowed; of several, the first in the order of their names.

    Attributes:
        ratio: of error to allowed.
        key: variant, image and target.
        error, allowed: in units of the output.
        estimated: whether its error was estimated, and not only its gap known.
    """

    ratio: float
    key: tuple[str, str, str]
    steps: int
    error: float
    allowed: float
    estimated: bool


@dataclass
class Census:
    """Counts over all rows of a study; it takes a few numbers for each variant.

    Attributes:
        rows: of `image_stats`.
        converged, negligible, estimated: of these, maps that converged, are negligible, have a `map_error`.
        largest_error: the largest `map_error`; NaN where there is none.
        worst: None where there is no row.
        steps: the fewest and the most steps of each variant that has a row, sorted by its id.
        seen: values of the columns precision and device.
        baselines: the mean of `score_baseline` of each variant and target, sorted.
        constant: maps of each variant and target that are 0 since the output does not change from the
            baseline to the image; only where there are some, sorted.
    """

    rows: int = 0
    converged: int = 0
    negligible: int = 0
    estimated: int = 0
    largest_error: float = math.nan
    worst: Worst | None = None
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=lambda: {"precision": set(), "device": set()})
    baselines: dict[tuple[str, str], float] = field(default_factory=dict)
    constant: dict[tuple[str, str], int] = field(default_factory=dict)


def take_census(results: StudyResults) -> Census:
    """Count all rows of a study; some 100,000 of them, few columns each, are held at a time."""
    found = Census()
    settings = results.study.attribution
    for variant_id in sorted(results.variants["variant_id"]):
        sums: dict[str, list[float]] = {}
        counts: dict[str, int] = {}
        for table in results.scans.rows(variant_id, COLUMNS):
            rows: pd.DataFrame = table.to_pandas()
            _count(found, rows, settings)
            unchanged = rows[(rows["abs_sum"] == 0) & (rows["score"] == rows["score_baseline"])]
            for target, count in unchanged["target"].value_counts(sort=False).items():
                key = (variant_id, str(target))
                found.constant[key] = found.constant.get(key, 0) + int(count)
            for target, scores in rows.groupby("target", sort=True)["score_baseline"]:
                sums.setdefault(str(target), []).append(math.fsum(scores))
                counts[str(target)] = counts.get(str(target), 0) + len(scores)
        for target in sorted(sums):
            found.baselines[variant_id, target] = math.fsum(sums[target]) / counts[target]
    found.constant = dict(sorted(found.constant.items()))
    return found


def _count(found: Census, rows: pd.DataFrame, settings: Attribution) -> None:
    known = rows["map_error"].notna()
    found.rows += len(rows)
    found.converged += int(rows["converged"].sum())
    found.negligible += int(rows["negligible"].sum())
    found.estimated += int(known.sum())
    if known.any():
        found.largest_error = float(np.fmax(found.largest_error, rows["map_error"].max()))
    for name, values in found.seen.items():
        values.update(map(str, rows[name].unique()))
    variant_id = str(rows["variant_id"].iloc[0])
    low, high = int(rows["steps"].min()), int(rows["steps"].max())
    before = found.steps.get(variant_id, (low, high))
    found.steps[variant_id] = (min(before[0], low), max(before[1], high))
    off, ratios = errors(rows, settings), excess(rows, settings)
    tied = np.flatnonzero(ratios == ratios.max())
    names = rows[["image_id", "target"]].iloc[tied].reset_index(drop=True)
    place = int(tied[int(names.sort_values(["image_id", "target"]).index[0])])
    row: Any = rows.iloc[place]
    one = Worst(
        float(ratios[place]),
        (variant_id, str(row["image_id"]), str(row["target"])),
        int(row["steps"]),
        float(off["error"].iloc[place]),
        float(off["allowed"].iloc[place]),
        bool(known.iloc[place]),
    )
    if found.worst is None or (-one.ratio, one.key) < (-found.worst.ratio, found.worst.key):
        found.worst = one
