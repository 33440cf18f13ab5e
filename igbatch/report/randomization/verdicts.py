"""What the tests against random models say, and the limits of a study, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from igbatch.report.randomization.statistics import (
    SIGNIFICANT,
    STATISTICS,
    p_text,
    scale_free,
)
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.text import count, listing, percent

LEVEL = f"{100 * SIGNIFICANT:.0f}\u00a0%"

FEWEST_MODELS = 19
"""Random models from which on a one-sided p of 1 / (models + 1) reaches `SIGNIFICANT`."""

OFTEN = 0.2
"""Share of random models from which on a test that rejects in them says little of the trained one."""


@dataclass(frozen=True)
class Setting:
    """What the limits of a study follow from: its images, and whether maps are means over noisy copies."""

    images: int
    smoothed: bool


def what_tests_say(
    nulls: pd.DataFrame,
    by_image: pd.DataFrame,
    signs: Sequence[Mapping[Any, Any]],
    variants: ModelVariants,
    setting: Setting,
) -> list[str]:
    """Say what the tests of a trained model show and do not show.

    Args:
        nulls: tests against the null over the data set (`statistics.null_tests`).
        by_image: the same of single images, may be empty.
        signs: tests of signs (`table.sign_rows`).
        variants: of the model.
        setting: of the study.

    Returns:
        texts of some sentences each.
    """
    texts = [[*_nulls(nulls), *_images(by_image)], _signs(signs), _limits(variants, setting)]
    return [" ".join(text) for text in texts if text]


def _nulls(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return ["There is no test over the data set: it takes a trained model, random ones, and boxes."]
    models, smallest = int(rows["n_null"].max()), float(rows["p_smallest"].min())
    sentences = [
        f"The trained model is held against {count(models, 'random model')}, so that no one-sided p is below "
        f"{p_text(smallest)}."
    ]
    if smallest > SIGNIFICANT:
        return [
            *sentences,
            f"No test can reach {LEVEL} with so few: it takes at least {FEWEST_MODELS}.",
        ]
    free = rows[[scale_free(row) for row in rows.to_dict("records")]]
    bound = rows.drop(free.index)
    if len(free):
        passed = _passed(free)
        sentences.append(
            f"Of {count(len(free), 'test')} of statistics free of scale, {passed.sum()} reached an adjusted "
            f"p of at most {LEVEL}: {_by_statistic(free, passed)}. {_free_verdict(passed)}"
        )
    if len(bound):
        passed = _passed(bound)
        sentences.append(
            f"Of {count(len(bound), 'test')} bound to scale, {passed.sum()} did: "
            + (
                "the trained model's values are of another size than random models', which its confidence "
                "alone can bring about."
                if passed.any()
                else "not even in size are the trained model's values told from random models'."
            )
        )
    return sentences


def _passed(rows: pd.DataFrame) -> Any:
    return (rows["p_adjusted"] <= SIGNIFICANT).to_numpy(dtype=bool)


def _free_verdict(passed: Any) -> str:
    if passed.all():
        return "So its maps lie in the boxes, and sign them, as those of random models do not."
    if passed.any():
        return (
            "So its maps differ from random models' in these respects, and have not been shown to in others."
        )
    return "So its maps have not been shown to lie in boxes, or to sign them, otherwise than random models'."


def _by_statistic(rows: pd.DataFrame, passed: Any) -> str:
    counts = []
    for name, words in STATISTICS.items():
        own = (rows["statistic"] == name).to_numpy(dtype=bool)
        if own.any():
            counts.append(f"{words} ({int(np.count_nonzero(passed & own))} of {int(np.count_nonzero(own))})")
    return listing(counts, most=9)


def _images(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return []
    free = rows[[scale_free(row) for row in rows.to_dict("records")]]
    if not len(free):
        return []
    passed = _passed(free)
    return [
        f"Image by image ({count(free['image_id'].nunique(), 'image')} with {int(free['n_null'].min())} or "
        f"more random models), {passed.sum()} of {count(len(free), 'test')} free of scale reached it: "
        f"{_by_statistic(free, passed)}."
    ]


def _signs(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    sentences = []
    for row in rows:
        if pd.isna(row["p"]):
            continue
        shown = row["p_adjusted"] <= SIGNIFICANT
        words = (
            f"{row['question']} in {percent(row['sign_share'])} of {count(int(row['n_images']), 'image')}: "
            f"{'shown' if shown else 'not shown'} (sign test, p = {p_text(row['p'])}, adjusted "
            f"{p_text(row['p_adjusted'])})"
        )
        if row["models"]:
            words += (
                f"; the same test rejects in {row['rejecting']} of {count(row['models'], 'random model')}"
            )
            if shown and row["rejecting"] > OFTEN * row["models"]:
                words += ", so that this sign alone does not set the trained model apart"
        sentences.append(f"{words}.")
    return sentences


def _limits(variants: ModelVariants, setting: Setting) -> list[str]:
    """Say what holds of any such study, as far as it applies to this one."""
    sentences = []
    if setting.smoothed:
        sentences.append(
            "Maps are means over noisy copies of the images, so this is the smooth variant of the test "
            "(Hedström et al. 2024)."
        )
    if variants.cascades or variants.independent:
        seeds = {each.seed for each in (*variants.cascades, *variants.independent)}
        sentences.append(f"Layers were randomized with {count(len(seeds), 'seed')}.")
    if any(each.direction == "down" for each in variants.cascades):
        sentences.append(
            "Randomizing from the head down leaves the early layers as they were trained, so that maps keep "
            "structure of the image however faithful they are: it ranks no methods by faithfulness (Binder "
            "et al. 2023)."
        )
    sentences.append(
        f"All this is about one data set of {count(setting.images, 'image')}: intervals tell how it would "
        "vary with other images of the same kind, not of another. Similarity measures judge likeness, and "
        "tests against random models judge difference from these; neither judges whether a map is true."
    )
    return sentences
