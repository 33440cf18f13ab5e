"""What all rows of a study say together: counts, errors, steps, and the map that is furthest off."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.reduce.variant_scan import VariantScan
from igbatch.statistics.image_stats import AllowedError
from igbatch.store import schemas

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


@dataclass(frozen=True)
class Summary:
    """Counts over all rows of a study, from its table `summary.parquet`.

    Attributes:
        rows: of `image_stats`.
        boxes: rows of `box_stats`.
        converged, negligible, estimated: maps that converged, are negligible, have a `map_error`.
        largest_error: the largest `map_error`; NaN where there is none.
        worst: None where there is no row.
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
    worst: WorstMap | None = None
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    baselines: dict[tuple[str, str], float] = field(default_factory=dict)
    constant: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pd.DataFrame) -> Summary:
        """Add up the rows of `summary.parquet`."""
        rows = table[table["n_maps"] > 0].sort_values(["variant_id", "target"])
        keys = list(zip(rows["variant_id"], rows["target"], strict=True))
        by_variant = rows.groupby("variant_id", sort=True)
        constant = zip(keys, map(int, rows["n_constant"]), strict=True)
        return cls(
            rows=int(rows["n_maps"].sum()),
            boxes=int(rows["n_boxes"].sum()),
            converged=int(rows["n_converged"].sum()),
            negligible=int(rows["n_negligible"].sum()),
            estimated=int(rows["n_estimated"].sum()),
            largest_error=float(rows["largest_map_error"].max()),
            worst=min(
                map(_worst, rows.to_dict("records")), key=lambda one: (-one.ratio, one.key), default=None
            ),
            steps={
                str(name): (int(own["steps_min"].min()), int(own["steps_max"].max()))
                for name, own in by_variant
            },
            seen={
                name: {str(value) for values in rows[f"{name}s"] for value in values}
                for name in ("precision", "device")
            },
            baselines=dict(zip(keys, map(float, rows["score_baseline_mean"]), strict=True)),
            constant={key: count for key, count in constant if count},
        )


def _worst(row: dict[Any, Any]) -> WorstMap:
    return WorstMap(
        float(row["worst_ratio"]),
        (str(row["variant_id"]), str(row["worst_image_id"]), str(row["target"])),
        int(row["worst_steps"]),
        float(row["worst_error"]),
        float(row["worst_allowed"]),
        bool(row["worst_estimated"]),
    )


def summary_rows(
    scan: VariantScan,
    off: AllowedError,
    image_ids: pa.Array,
    keys: list[tuple[str, str]],
    expected: int,
) -> pa.Table:
    """Return the rows of `schemas.SUMMARY` of a variant, one a target; boxes are not counted yet.

    Args:
        scan: of the variant, its columns `COLUMNS`.
        off: the error of each map, [images, targets].
        image_ids: of the study.
        keys: variant and target of each row.
        expected: images that the variant is computed on.
    """
    rows, ratio = [], off.ratio
    for place, key in enumerate(keys):
        there = scan.present[:, place]
        of = {name: column[there, place] for name, column in scan.columns.items()}
        constant = (of["abs_sum"] == 0) & (of["score"] == of["score_baseline"])
        row: dict[str, Any] = {
            "variant_id": key[0],
            "target": key[1],
            "n_expected": expected,
            "n_maps": int(there.sum()),
            "n_converged": int(of["converged"].sum()),
            "n_negligible": int(of["negligible"].sum()),
            "n_constant": int(constant.sum()),
            "n_estimated": int((~np.isnan(of["map_error"])).sum()),
            "n_boxes": 0,
            "precisions": _seen(scan, of, "precision"),
            "devices": _seen(scan, of, "device"),
        }
        if there.any():
            known = of["map_error"][~np.isnan(of["map_error"])]
            ratios, places = ratio[there, place], np.flatnonzero(there)
            tied = places[ratios == ratios.max()]
            names = image_ids.take(pa.array(tied)).to_pylist()
            worst = tied[names.index(min(names))]
            row |= {
                "largest_map_error": float(known.max()) if len(known) else None,
                "steps_min": int(of["steps"].min()),
                "steps_max": int(of["steps"].max()),
                "score_baseline_mean": math.fsum(of["score_baseline"]) / len(places),
                "worst_image_id": min(names),
                "worst_ratio": float(ratio[worst, place]),
                "worst_error": float(off.error[worst, place]),
                "worst_allowed": float(off.allowed[worst, place]),
                "worst_steps": int(scan.columns["steps"][worst, place]),
                "worst_estimated": not np.isnan(scan.columns["map_error"][worst, place]),
            }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schemas.SUMMARY)


def with_boxes(rows: pa.Table, boxes: NDArray[np.int64]) -> pa.Table:
    """Return rows of `schemas.SUMMARY` with the number of rows of `box_stats` of each target."""
    place = rows.column_names.index("n_boxes")
    return rows.set_column(place, rows.schema.field(place), pa.array(boxes))


def _seen(scan: VariantScan, of: dict[str, NDArray[Any]], name: str) -> list[str]:
    return sorted(scan.texts[name][code] for code in np.unique(of[name]))
