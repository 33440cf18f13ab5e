"""Means over images with intervals, by variant, over random ones, and trained less random."""

import numpy as np
import pandas as pd
import pytest

from igbatch.reduce.randomization.resampled import image_means
from igbatch.reduce.randomization.summary import Measure, Summary, summary_rows

SSIM = Measure("similarity", "between_targets", None, None, "ssim_own")
EDGE = Measure("map_measures", None, "eagle", None, "sobel_spearman")
VARIANTS = pd.DataFrame(
    {
        "variant_id": ["trained", "random-1", "random-2", "few-1", "cascade-down-1-head"],
        "model": "m",
        "kind": ["trained", "random", "random", "random", "cascade"],
        "images": [None, None, None, ["a"], None],
    }
)


def summary(ssim: np.ndarray, edge: np.ndarray | None = None) -> Summary:
    ids = [str(number) for number in range(len(ssim))]
    columns = {SSIM: pd.Series(ssim, ids), **({} if edge is None else {EDGE: pd.Series(edge, ids)})}
    return image_means(columns, ids)


@pytest.fixture
def images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=30) for name in VARIANTS["variant_id"]}


def test_random_means_and_differences_are_those_of_the_images(images: dict[str, np.ndarray]) -> None:
    rows = summary_rows({name: summary(found) for name, found in images.items()}, VARIANTS)
    of = {kind: [row for row in rows if row["of"] == kind] for kind in {row["of"] for row in rows}}
    assert [row["mean"] for row in of["variant"]] == pytest.approx([each.mean() for each in images.values()])
    (random,) = of["random_mean"]
    mean = (images["random-1"] + images["random-2"]) / 2  # not those of a subset of the images
    assert random["mean"] == pytest.approx(mean.mean())
    assert random["n_variants"] == 2
    (gap,) = of["trained_minus_random"]
    assert gap["mean"] == pytest.approx((images["trained"] - mean).mean())


def test_intervals_of_differences_know_that_the_images_are_the_same(images: dict[str, np.ndarray]) -> None:
    common = 100 * np.random.default_rng(1).normal(size=30)
    shifted = {name: found + common for name, found in images.items()}
    for each in (images, shifted):
        rows = summary_rows({name: summary(found) for name, found in each.items()}, VARIANTS)
        gap = next(row for row in rows if row["of"] == "trained_minus_random")
        assert gap["high"] - gap["low"] < 2
    trained = next(row for row in rows if row["variant_id"] == "trained")
    assert trained["high"] - trained["low"] > 20


def test_a_measure_that_one_variant_lacks_is_averaged_over_the_others(images: dict[str, np.ndarray]) -> None:
    found = {name: summary(images[name]) for name in ("trained", "random-1", "random-2")}
    found["random-1"] = summary(images["random-1"], images["few-1"])
    rows = [row for row in summary_rows(found, VARIANTS) if row["measure"] == "sobel_spearman"]
    assert [(row["of"], row["n_variants"]) for row in rows] == [("variant", 1), ("random_mean", 1)]
