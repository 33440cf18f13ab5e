"""Sums in boxes over a data set: their means, intervals, and how often signs are as expected."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

KEYS = ["variant_id", "target", "box_label"]
CONFIDENCE = 0.95
RESAMPLES = 2_000
MIN_IMAGES = 3
"""Images below which no interval of a mean is given."""

MAX_RESAMPLED = 1_000
"""Images above which the interval is the normal one, which the bootstrap approaches at a higher cost."""

COUNTS = ["mean_abs_sum", "n_negative", "n_both", "n_negative_both"]
"""Columns that findings follow from; tables to read go without them."""

_SYMBOLIC = re.compile(r"predicted|label|top-\d+")
_COLUMNS = ["sum", "share", "density_ratio", "pixels"]


Classes = Mapping[str, tuple[str, ...]]
"""Of each target that names any, its class, or the two of a contrast."""


def aggregate_box_sums(
    box_stats: pd.DataFrame, seed: int = 0, contrasts: Mapping[str, tuple[str, str]] = MappingProxyType({})
) -> pd.DataFrame:
    """Aggregate the sums in boxes over images, for each variant, target and box label.

    Several boxes of one label in an image are added first (their density ratios averaged by pixels), so that
    images weigh alike; rows are of boxes that may be added (`igbatch.images.box_unions`). Boxes without a
    visible pixel are left out. A group's numbers depend on its own rows and the seed only, in any order.

    Args:
        box_stats: rows of a study's `box_stats`: variant_id, image_id, target, box_label, sum, share,
            density_ratio, pixels, and sign_agreement where it is known.
        seed: of the resampling.
        contrasts: the two classes of each target that is a contrast.

    Returns:
        One row a group, sorted: variant_id, target, box_label; n_images, n_boxes; mean_sum with mean_sum_low
        and mean_sum_high (95 % interval over images: bias-corrected and accelerated bootstrap, Efron 1987;
        normal above `MAX_RESAMPLED` images, null below `MIN_IMAGES`); expected_sign (1 where the label is
        the target's, or the first of a contrast's, -1 where it is another target's, or the second of a
        contrast's, null elsewhere); sign_share, the share of images whose
        sum has that sign, with sign_share_low and sign_share_high (95 % Wilson interval); mean_share;
        mean_density_ratio; mean_abs_sum, the mean of |sum|; n_negative, the images whose sum is negative;
        n_both, those of the images that have a box of the target (of a contrast, of its first class), too,
        and n_negative_both of these; n_sign_depends, the boxes whose sum's sign depends on the baseline, null
        where there is one baseline.
    """
    known = [name for name in (*_COLUMNS, "sign_agreement") if name in box_stats]
    images = _one_row_an_image(box_stats.loc[box_stats["sum"].notna(), [*KEYS, "image_id", *known]])
    classes = named_classes(box_stats["target"].unique(), contrasts)
    having = {
        (str(variant_id), str(label)): rows["image_id"].unique()
        for (variant_id, label), rows in images.groupby(["variant_id", "box_label"], observed=True)
    }
    none = images["image_id"].iloc[:0]
    rows = []
    for each, group in images.groupby(KEYS, sort=True, observed=True):
        variant_id, target, label = key = tuple(map(str, each))
        sign = expected_sign(target, label, classes)
        found = _aggregate(group, sign, having.get((variant_id, classes.get(target, ("",))[0]), none), seed)
        rows.append(dict(zip(KEYS, key, strict=True)) | found)
    kinds = {"expected_sign": "Int8", "n_sign_depends": "Int64"}
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in KEYS}
    for name in _aggregate(images.iloc[:0], None, none, seed):
        values = [row[name] for row in rows]
        kind = np.int64 if name.startswith("n_") else np.float64
        columns[name] = values if name in kinds else np.array(values, dtype=kind)
    return pd.DataFrame(columns).astype(kinds)


def _one_row_an_image(boxes: pd.DataFrame) -> pd.DataFrame:
    agreement = boxes.get("sign_agreement", pd.Series(np.nan, boxes.index))
    depends = (agreement < 1).where(agreement.notna()).astype(np.float64)
    weighted = boxes.assign(
        weighted=boxes["density_ratio"] * boxes["pixels"], n_boxes=1, n_sign_depends=depends
    )
    keys = [*KEYS, "image_id"]
    numbers = ["sum", "share", "weighted", "pixels", "n_boxes", "n_sign_depends"]
    if weighted.duplicated(keys).any():
        by_image = weighted.groupby(keys, sort=True, observed=True)
        images = by_image[numbers].sum(min_count=1).reset_index()
    else:  # the same, without grouping
        images = weighted[[*keys, *numbers]].sort_values(keys, ignore_index=True)
    return images.assign(
        density_ratio=images["weighted"] / images["pixels"],
        share=images["share"].clip(upper=1),  # boxes side by side may share the pixels between them
    )


def named_classes(targets: Iterable[str], contrasts: Mapping[str, tuple[str, str]]) -> Classes:
    """Return the classes of those of a study's targets that name any, and are not found for each image.

    Args:
        targets: of the study.
        contrasts: the two classes of each that is a contrast.
    """
    return {target: contrasts.get(target, (target,)) for target in targets if not _SYMBOLIC.fullmatch(target)}


def expected_sign(target: str, label: str, classes: Classes) -> int | None:
    """Return 1 where a box's label is the target's, -1 where it is another target's, None elsewhere.

    A contrast's two classes stand on its two sides, whatever else the study has as targets.
    """
    of = classes.get(target, ())
    if len(of) == 1 and len(classes.get(label, ())) != 1:
        return None
    return None if label not in of and len(of) != 1 else 1 if label == of[0] else -1


def _aggregate(group: pd.DataFrame, sign: int | None, having: Any, seed: int) -> dict[str, Any]:
    """Aggregate the images of a group; `having` are those that have a box of the target."""
    sums = group["sum"].to_numpy(dtype=np.float64)
    negative, both = sums < 0, group["image_id"].isin(having).to_numpy()
    low, high = mean_interval(sums, seed)
    agreeing = None if sign is None else int(np.count_nonzero(np.sign(sums) == sign))
    share_low, share_high = (None, None) if agreeing is None else share_interval(agreeing, len(sums))
    return {
        "n_images": len(group),
        "n_boxes": int(group["n_boxes"].sum()),
        "mean_sum": sums.mean() if len(sums) else None,
        "mean_sum_low": low,
        "mean_sum_high": high,
        "expected_sign": sign,
        "sign_share": None if agreeing is None else agreeing / len(sums),
        "sign_share_low": share_low,
        "sign_share_high": share_high,
        "mean_share": group["share"].mean(),
        "mean_density_ratio": group["density_ratio"].mean(),
        "mean_abs_sum": np.abs(sums).mean() if len(sums) else None,
        "n_negative": np.count_nonzero(negative),
        "n_both": np.count_nonzero(both),
        "n_negative_both": np.count_nonzero(negative & both),
        "n_sign_depends": group["n_sign_depends"].sum() if group["n_sign_depends"].notna().any() else None,
    }


def mean_interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean of values [images], (None, None) below `MIN_IMAGES`."""
    if len(values) < MIN_IMAGES:
        return None, None
    mean, spread = float(values.mean()), float(values.std())
    if spread <= 1e-12 * np.abs(values).max():  # all alike, up to rounding
        return mean, mean
    from scipy import stats  # takes a second to import

    standard = (values - mean) / spread  # so that no magnitude is too small to resample
    if len(values) > MAX_RESAMPLED:
        half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) / np.sqrt(len(values) - 1)
        low, high = -half, half
    else:
        low, high = stats.bootstrap(
            (standard,),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return mean + spread * float(low), mean + spread * float(high)


def share_interval(agreeing: int, images: int) -> tuple[float | None, float | None]:
    """Return the 95 % Wilson interval of a share, (None, None) of no image (Wilson 1927)."""
    if images == 0:
        return None, None
    from scipy.special import ndtri  # a tenth of what scipy.stats takes to import

    z, share = float(ndtri((1 + CONFIDENCE) / 2)), agreeing / images
    denominator = 2 * (images + z**2)
    center = (2 * images * share + z**2) / denominator
    half = z / denominator * math.sqrt(4 * images * share * (1 - share) + z**2)
    return 0.0 if agreeing == 0 else center - half, 1.0 if agreeing == images else center + half
