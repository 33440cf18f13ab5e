"""Tests of trained models against random ones: over the data set, and image by image where seeds are many.

Sources: Phipson and Smyth, *Permutation P-values Should Never Be Zero*, 2010, for p = (1 + exceedances) /
(1 + N); Benjamini and Hochberg 1995 for the adjustment within a family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.reduce.randomization.resampled import MIN_IMAGES, Resampled, interval
from igbatch.reduce.randomization.values import (
    BOX_COLUMNS,
    KEY,
    MAP_COLUMNS,
    STATISTICS,
    Statistic,
    VariantValues,
    image_values,
)
from igbatch.statistics.aggregates import Classes, named_classes
from igbatch.statistics.significance import (
    Alternative,
    benjamini_hochberg,
    effect_size,
    effect_sizes,
    empirical_p,
    empirical_p_values,
)
from igbatch.store.reader import Reader

MIN_NULLS_PER_IMAGE = 99
"""Random models that an image needs for tests of its own: p can then come down to 0.01."""

MAX_IMAGES = 200
"""Images that are tested one by one; of more, the first ones of the study's list."""

_NULL_QUANTILES = (0.025, 0.975)


def null_variants(variants: pd.DataFrame) -> list[str]:
    """Return the ids of those random variants, of one model's, that are computed on all images."""
    whole = (variants["kind"] == "random") & variants["images"].isna()
    return list(variants.loc[whole, "variant_id"])


def data_set_rows(
    values: Mapping[str, VariantValues], variants: pd.DataFrame, classes: Classes, output: str
) -> list[dict[str, Any]]:
    """Test each trained model over the data set, and the signs of every variant: rows of `SIGNIFICANCE`.

    The null of a trained model are the random variants of it that are computed on all images; of a statistic,
    those that have it of the same images as the trained model. Intervals come from resampling the images,
    jointly for all variants.

    Args:
        values: of the study's variants by id, under the same resamples.
        variants: rows of `schemas.VARIANTS`.
        classes: of the targets of the study.
        output: what maps are in units of, such as `probability`.
    """
    rows: list[dict[str, Any]] = []
    for model, own in variants[variants["variant_id"].isin(list(values))].groupby("model", sort=False):
        nulls = [values[each].means for each in null_variants(own)]
        for variant_id in own.loc[own["kind"] == "trained", "variant_id"]:
            common = {"model": model, "variant_id": variant_id, "output": output}
            rows += [common | row for row in _null_rows(values[variant_id].means, nulls, classes)]
        for variant_id in own["variant_id"]:
            common = {"family": "signs", "model": model, "variant_id": variant_id, "output": output}
            rows += [common | row for row in values[variant_id].signs]
    return _adjust(rows)


def _null_rows(
    trained: Mapping[Statistic, Resampled], nulls: Sequence[Mapping[Statistic, Resampled]], classes: Classes
) -> Iterator[dict[str, Any]]:
    for statistic, mean in trained.items():
        own = (each[statistic] for each in nulls if statistic in each)
        null = [each.means for each in own if each.which == mean.which]  # others differ by their images too
        if null and mean.images >= MIN_IMAGES:
            yield {
                "test": "null",
                "family": "scale-free" if statistic.scale_free else "of scale",
                **statistic._asdict(),
                "n_images": mean.images,
                **compare_with_null(mean.means, np.stack(null, axis=1), statistic.alternative(classes)),
            }


def compare_with_null(
    value: NDArray[np.float64], null: NDArray[np.float64], alternative: Alternative
) -> dict[str, Any]:
    """Test a value against its null, and again with the images resampled.

    Args:
        value: float64 [1 + resamples], as it was found first.
        null: float64 [1 + resamples, N], likewise.
        alternative: greater, less or two-sided.

    Returns:
        columns of `schemas.SIGNIFICANCE`; intervals are null where there are no resamples.
    """
    finite = null[0][np.isfinite(null[0])]
    found = empirical_p(float(value[0]), finite, alternative)
    p_values = empirical_p_values(value[1:], null[1:], alternative)
    resamples = int(np.isfinite(p_values).sum())
    low, high = interval(value[1:], resamples)
    p_low, p_high = interval(p_values, resamples)
    effect_low, effect_high = interval(effect_sizes(value[1:], null[1:]), resamples)
    null_low, null_high = np.quantile(finite, _NULL_QUANTILES)
    return {
        "alternative": alternative,
        "n_null": len(finite),
        "value": float(value[0]),
        "value_low": low,
        "value_high": high,
        "null_mean": float(finite.mean()),
        "null_low": float(null_low),
        "null_high": float(null_high),
        "effect": effect_size(float(value[0]), finite),
        "effect_low": effect_low,
        "effect_high": effect_high,
        "p": found.p,
        "p_low": p_low,
        "p_high": p_high,
        "p_smallest": found.smallest,
        "null": finite.tolist(),
    }


def image_rows(reader: Reader, variants: pd.DataFrame, output: str) -> list[dict[str, Any]]:
    """Return rows of `schemas.SIGNIFICANCE` of single images, of those that enough random models were run on.

    Subset variants count here. The rows of at most `MAX_IMAGES` images are held.
    """
    rows: list[dict[str, Any]] = []
    for model, own in variants.groupby("model", sort=False):
        trained, random = (list(own.loc[own["kind"] == each, "variant_id"]) for each in ("trained", "random"))
        if len(random) < MIN_NULLS_PER_IMAGE or not trained:
            continue
        counts = np.sum([reader.row_index(each).images for each in random], axis=0)
        chosen = np.flatnonzero((counts >= MIN_NULLS_PER_IMAGE) & reader.row_index(trained[0]).images)
        image_ids = reader.listing.ids(chosen[:MAX_IMAGES])
        common = {"model": model, "variant_id": trained[0], "output": output}
        one, *others = (_values_of(reader, image_ids, each) for each in (trained[0], *random))
        classes = named_classes(reader.target_names, reader.contrasts)
        tests = _tests_of_images(one, pd.concat(others), classes)
        rows += [common | row for row in tests]
    return _adjust(rows)


def _tests_of_images(
    trained: pd.DataFrame, random: pd.DataFrame, classes: Classes
) -> Iterator[dict[str, Any]]:
    nulls = dict(iter(random.groupby(KEY, sort=False)))
    for row in trained.to_dict("records"):
        image_id, target, label = key = tuple(row[name] for name in KEY)
        for name in STATISTICS if key in nulls else ():
            null = nulls[key][name].dropna().to_numpy(dtype=np.float64)
            if pd.isna(row[name]) or len(null) < MIN_NULLS_PER_IMAGE or name in _RATES:
                continue
            statistic = Statistic(target, None if label == _WHOLE else label, name)
            yield {
                "test": "null",
                "family": f"image, {'scale-free' if statistic.scale_free else 'of scale'}",
                "image_id": image_id,
                **statistic._asdict(),
                "n_images": 1,
                **compare_with_null(np.array([row[name]]), null[None], statistic.alternative(classes)),
            }


_WHOLE = "\n"
"""Stands for whole maps among the labels of boxes, which are one line each."""

_RATES = ("positive", "contains_peak")
"""Statistics that are yes or no of one image: rates over a data set alone."""


def _values_of(reader: Reader, image_ids: Sequence[str], variant_id: str) -> pd.DataFrame:
    boxes = reader.boxes_of(image_ids, BOX_COLUMNS, variant_id).to_pandas()
    maps = reader.rows_of(image_ids, MAP_COLUMNS, variant_id).to_pandas()
    return image_values(boxes, maps).fillna({"box_label": _WHOLE})


def _adjust(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adjust the p-values of every family of tests of one model, or of one variant's signs."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault((row["model"], row["variant_id"], row["test"], row["family"]), []).append(row)
    for family in families.values():
        p_values = np.array([np.nan if row["p"] is None else row["p"] for row in family], dtype=np.float64)
        for row, value in zip(family, benjamini_hochberg(p_values), strict=True):
            row["p_adjusted"] = None if np.isnan(value) else float(value)
    return rows
