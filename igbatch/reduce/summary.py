"""Summary of all rows of a study: counts, errors, steps, and the map that is furthest off."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.reduce.variant_scan import VariantScan
from igbatch.statistics.image_stats import AllowedError
from igbatch.store.reader import Reader

COLUMNS = (
    "score", "score_baseline", "abs_sum", "convergence_delta", "map_error", "steps", "converged",
    "negligible", "precision", "device",
)  # fmt: skip
"""Columns of `image_stats` that a summary follows from."""


@dataclass(frozen=True)
class WorstMap:
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

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> WorstMap:
        """Take it from a row of `summary.parquet`."""
        key = (str(row["variant_id"]), str(row["worst_image_id"]), str(row["target"]))
        return cls(
            float(row["worst_ratio"]),
            key,
            int(row["worst_steps"]),
            float(row["worst_error"]),
            float(row["worst_allowed"]),
            bool(row["worst_estimated"]),
        )


@dataclass(frozen=True)
class Summary:
    """Counts over all rows of a study, from its table `summary.parquet`.

    Attributes:
        rows: of `image_stats`.
        boxes: rows of `box_stats`.
        converged, negligible, estimated: maps that converged, are negligible, have a `map_error`.
        largest_error: the largest `map_error`; NaN where there is none.
        worst_map: None where there is no row.
        steps: the fewest and the most steps of each variant that has a row, sorted by its id.
        seen: values of the columns precision and device.
        baselines: the mean of `score_baseline` of each variant and target, sorted.
        constant: maps of each variant and target that are 0 since the output does not change from the
            baseline to the image; only where there are some, sorted.
    """

    rows: int = 0
    boxes: int = 0
    converged: int = 0
    negligible: int = 0
    estimated: int = 0
    largest_error: float = math.nan
    worst_map: WorstMap | None = None
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    baselines: dict[tuple[str, str], float] = field(default_factory=dict)
    constant: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pd.DataFrame) -> Summary:
        """Add up the rows of `summary.parquet`."""
        rows = table[table["n_maps"] > 0].sort_values(["variant_id", "target"])
        furthest = rows.sort_values(
            ["worst_ratio", "variant_id", "worst_image_id", "target"], ascending=[False, True, True, True]
        ).head(1)
        keys = list(zip(rows["variant_id"], rows["target"], strict=True))
        constant = zip(keys, map(int, rows["n_constant"]), strict=True)
        return cls(
            rows=int(rows["n_maps"].sum()),
            boxes=int(rows["n_boxes"].sum()),
            converged=int(rows["n_converged"].sum()),
            negligible=int(rows["n_negligible"].sum()),
            estimated=int(rows["n_estimated"].sum()),
            largest_error=float(rows["largest_map_error"].max()),
            worst_map=next(map(WorstMap.of, furthest.to_dict("records")), None),
            steps={
                str(name): (int(own["steps_min"].min()), int(own["steps_max"].max()))
                for name, own in rows.groupby("variant_id", sort=True)
            },
            seen={
                name: {str(value) for values in rows[f"{name}s"] for value in values}
                for name in ("precision", "device")
            },
            baselines=dict(zip(keys, map(float, rows["score_baseline_mean"]), strict=True)),
            constant={key: count for key, count in constant if count},
        )


def summary_rows(
    scan: VariantScan, off: AllowedError, reader: Reader, variant_id: str
) -> Iterator[dict[str, Any]]:
    """Yield the rows of `schemas.SUMMARY` of a variant, one a target; boxes are not counted yet.

    Args:
        scan: of the variant, its columns `COLUMNS`.
        off: the error of each map, [images, targets].
    """
    for place, target in enumerate(reader.target_names):
        there = np.flatnonzero(scan.present[:, place])
        of = {name: column[there, place] for name, column in scan.columns.items()}
        known = of["map_error"][~np.isnan(of["map_error"])]
        row: dict[str, Any] = {
            "variant_id": variant_id,
            "target": target,
            "n_expected": reader.expected_images(variant_id),
            "n_maps": len(there),
            "n_converged": int(of["converged"].sum()),
            "n_negligible": int(of["negligible"].sum()),
            "n_constant": int(np.sum((of["abs_sum"] == 0) & (of["score"] == of["score_baseline"]))),
            "n_estimated": len(known),
            "precisions": _seen(scan, of, "precision"),
            "devices": _seen(scan, of, "device"),
        }
        if len(there):
            ratios = off.ratio[there, place]
            tied = np.flatnonzero(ratios == ratios.max())
            image_id, worst_map = min(zip(reader.listing.ids(there[tied]), tied.tolist(), strict=True))
            row |= {
                "largest_map_error": float(known.max()) if len(known) else None,
                "steps_min": int(of["steps"].min()),
                "steps_max": int(of["steps"].max()),
                "score_baseline_mean": math.fsum(of["score_baseline"]) / len(there),
                "worst_image_id": image_id,
                "worst_ratio": float(ratios[worst_map]),
                "worst_error": float(off.error[there[worst_map], place]),
                "worst_allowed": float(off.allowed[there[worst_map], place]),
                "worst_steps": int(of["steps"][worst_map]),
                "worst_estimated": not np.isnan(of["map_error"][worst_map]),
            }
        yield row


def _seen(scan: VariantScan, of: dict[str, NDArray[Any]], name: str) -> list[str]:
    return sorted(scan.texts[name][code] for code in np.unique(of[name]))
