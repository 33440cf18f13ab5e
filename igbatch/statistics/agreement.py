"""Sums in boxes beside what removing the boxes does, over a data set: means, and how often both agree."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.statistics.aggregates import CONFIDENCE, KEYS, mean_interval, share_interval
from igbatch.statistics.ranks import correlation, standard_ranks

MEASURES = ("deletion", "deletion_blurred", "true_effect")
"""Columns of `box_stats` that tell what the output loses without a box."""

PAIRS = (
    ("deletion", "sum"), ("deletion_blurred", "sum"), ("true_effect", "sum"),
    ("deletion", "true_effect"), ("deletion_blurred", "true_effect"),
)  # fmt: skip
"""What is held against what."""

MIN_RANKED = 4
"""Images below which no interval of a rank correlation is given."""

NUMBERS = (
    "mean", "mean_low", "mean_high", "mean_against",
    "sign_share", "sign_share_low", "sign_share_high", "spearman", "spearman_low", "spearman_high",
)  # fmt: skip


def aggregate_deletions(box_stats: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Hold sums in boxes and removals against each other over images, by variant, target and box label.

    Several boxes of one label in an image are added first, as sums are; each was removed by itself. Rows are
    of boxes that may be added (`igbatch.images.box_unions`). Boxes without a visible pixel, and what was not
    measured, are left out.

    Args:
        box_stats: rows of a study's `box_stats`: variant_id, image_id, target, box_label, sum and `MEASURES`.
        seed: of the resampling.

    Returns:
        One row a group and pair of `PAIRS` of which an image has both, sorted: variant_id, target,
        box_label; `measure` and `against`, what is compared; n_images; mean of the measure with mean_low and
        mean_high, and mean_against; sign_share, the share of images in which both have the same sign, with
        its 95 % interval (Wilson); spearman, the rank correlation over images with its 95 % interval by
        Fisher's z (Bonett and Wright 2000), null where one of both is constant, and the interval also where
        all ranks agree or images are fewer than `MIN_RANKED`.
    """
    names = ["sum", *MEASURES]
    seen = box_stats.loc[box_stats["sum"].notna(), [*KEYS, "image_id", *names]]
    if not seen[list(MEASURES)].notna().any(axis=None):  # as in most studies
        return _table([])
    images = seen.groupby([*KEYS, "image_id"], sort=True, observed=True)[names].sum(min_count=1).reset_index()
    rows = []
    for each, group in images.groupby(KEYS, sort=True, observed=True):
        of = {name: group[name].to_numpy(dtype=np.float64) for name in names}
        means = {
            name: (float(np.mean(known)), *mean_interval(known, seed))
            for name in MEASURES
            if len(known := of[name][~np.isnan(of[name])])
        }
        for measure, against in PAIRS:
            both = ~np.isnan(of[measure]) & ~np.isnan(of[against])
            if both.any():
                key = dict(zip(KEYS, map(str, each), strict=True))
                found = _compared(of[measure][both], of[against][both])
                mean = dict(zip(("mean", "mean_low", "mean_high"), means[measure], strict=True))
                rows.append({**key, "measure": measure, "against": against, **found, **mean})
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = {name: [row[name] for row in rows] for name in (*KEYS, "measure", "against")}
    numbers = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in NUMBERS}
    n_images = np.array([row["n_images"] for row in rows], dtype=np.int64)
    return pd.DataFrame({**columns, "n_images": n_images, **numbers})


def _compared(values: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, Any]:
    """Return how often signs agree, and how far ranks do; both arrays are [images]."""
    agreeing = int(np.count_nonzero(np.sign(values) == np.sign(others)))
    low, high = share_interval(agreeing, len(values))
    rank = correlation(standard_ranks(values), standard_ranks(others))
    rank_low, rank_high = rank_interval(rank, len(values))
    return {
        "n_images": len(values), "mean_against": float(others.mean()),
        "sign_share": agreeing / len(values), "sign_share_low": low, "sign_share_high": high,
        "spearman": rank, "spearman_low": rank_low, "spearman_high": rank_high,
    }  # fmt: skip


def rank_interval(rank: float | None, images: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of Spearman's correlation over images; (None, None) where there is none.

    Source: Bonett and Wright, *Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations*, 2000: the variance of Fisher's z is (1 + r^2 / 2) / (n - 3).
    """
    if rank is None or images < MIN_RANKED or 1 - abs(rank) < 1e-6:
        return None, None
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt((1 + rank**2 / 2) / (images - 3))
    return float(np.tanh(np.arctanh(rank) - half)), float(np.tanh(np.arctanh(rank) + half))
