"""Trained models against the null: p-values, effects, sides and families, on values made up for it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from igbatch.reduce.randomization import nulls
from igbatch.reduce.randomization.nulls import compare_with_null, data_set_rows, image_rows
from igbatch.reduce.randomization.resampled import image_means
from igbatch.reduce.randomization.values import Statistic, VariantValues
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader

TARGETS = {"eagle": ("eagle",), "magpie": ("magpie",)}


def values(columns: Mapping[Statistic, Sequence[float]]) -> VariantValues:
    ids = [str(number) for number in range(20)]
    return VariantValues(image_means({key: pd.Series(found, ids) for key, found in columns.items()}, ids), [])


def variants(random: int, **more: object) -> pd.DataFrame:
    rows = [{"variant_id": "trained", "kind": "trained"}]
    rows += [{"variant_id": f"random-{seed}", "kind": "random"} for seed in range(random)]
    return pd.DataFrame([{"model": "m", "images": None, **row, **more} for row in rows])


OWN = Statistic("eagle", "eagle", "sum")
OTHER = Statistic("magpie", "eagle", "sum")
SHARE = Statistic("eagle", "eagle", "share")


def made(rng: np.random.Generator, shift: float) -> dict[Statistic, Sequence[float]]:
    return {OWN: rng.normal(shift, 1, 20), OTHER: rng.normal(-shift, 1, 20), SHARE: rng.uniform(0, 1, 20)}


def test_a_trained_model_far_from_its_null_gets_the_smallest_p_of_the_expected_side() -> None:
    rng = np.random.default_rng(0)
    found = {"trained": values(made(rng, 9.0))} | {f"random-{n}": values(made(rng, 0.0)) for n in range(19)}
    rows = {
        (row["target"], row["statistic"]): row
        for row in data_set_rows(found, variants(19), TARGETS, "logit")
        if row["test"] == "null"
    }
    own, other, share = rows["eagle", "sum"], rows["magpie", "sum"], rows["eagle", "share"]
    assert (own["alternative"], other["alternative"], share["alternative"]) == ("greater", "less", "greater")
    assert own["p"] == other["p"] == own["p_smallest"] == 1 / 20
    assert (own["p_low"], own["p_high"]) == (1 / 20, 1 / 20)
    assert own["effect"] > 10 > -10 > other["effect"]
    assert own["value_low"] < own["value"] < own["value_high"]
    assert (own["family"], share["family"]) == ("of scale", "scale-free")
    assert own["p_adjusted"] == pytest.approx(1 / 20)  # two tests of one family, both at the smallest p
    assert share["p"] > 1 / 20
    assert {row["output"] for row in rows.values()} == {"logit"}
    null = [found[f"random-{n}"].means[OWN].means[0] for n in range(19)]
    assert own["null"] == null
    assert own["null_mean"] == pytest.approx(np.mean(null))


def test_a_trained_model_drawn_like_its_null_is_significant_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(1)
    p_values = [
        compare_with_null(rng.normal(size=1), rng.normal(size=(1, 39)), "greater")["p"] for _ in range(2000)
    ]
    assert stats.kstest(p_values, "uniform").statistic < 0.05
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_adjustment_is_that_of_the_whole_family() -> None:
    rng = np.random.default_rng(2)
    labels = [Statistic(target, f"label-{n}", "share") for n in range(6) for target in TARGETS]
    found = {"trained": values({each: rng.uniform(0, 1, 20) + 0.1 for each in labels})}
    found |= {f"random-{n}": values({each: rng.uniform(0, 1, 20) for each in labels}) for n in range(30)}
    rows = data_set_rows(found, variants(30), TARGETS, "probability")
    p_values = np.array([row["p"] for row in rows])
    expected = stats.false_discovery_control(p_values)
    np.testing.assert_allclose([row["p_adjusted"] for row in rows], expected)
    assert len(rows) == 12


def test_random_variants_of_a_subset_are_no_part_of_the_null_over_the_data_set() -> None:
    rng = np.random.default_rng(3)
    found = {name: values(made(rng, 0.0)) for name in ("trained", "random-0", "random-1", "random-2")}
    table = variants(3)
    table.at[3, "images"] = ["a", "b"]
    rows = data_set_rows(found, table, TARGETS, "probability")
    assert {row["n_null"] for row in rows} == {2}


def test_what_too_few_images_have_is_not_tested() -> None:
    few = {OWN: [1.0, 2.0, *[np.nan] * 18], SHARE: [0.5] * 20}
    found = {"trained": values(few), "random-0": values(few)}
    rows = data_set_rows(found, variants(1), TARGETS, "probability")
    assert [row["statistic"] for row in rows] == ["share"]


def test_means_over_other_images_are_no_null() -> None:
    rng = np.random.default_rng(5)
    deletion = OWN._replace(statistic="deletion")
    older = np.repeat([True, False], 10)  # images that random models were not measured on without their boxes

    def one(*, whole: bool) -> VariantValues:
        drawn = rng.normal(0, 1, 20)
        return values({OWN: drawn, deletion: drawn if whole else np.where(older, np.nan, drawn)})

    found = {"trained": one(whole=True)} | {f"random-{n}": one(whole=False) for n in range(9)}
    rows = data_set_rows(found, variants(9), TARGETS, "probability")
    assert [(row["statistic"], row["n_images"], row["n_null"]) for row in rows] == [("sum", 20, 9)]
    found["random-9"] = one(whole=True)
    _, lost = data_set_rows(found, variants(10), TARGETS, "probability")
    assert (lost["n_images"], lost["n_null"]) == (20, 1)


def test_a_study_without_random_or_trained_variants_has_no_test_against_a_null(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(4)
    alone = {"trained": values(made(rng, 1.0))}
    assert data_set_rows(alone, variants(0), TARGETS, "probability") == []
    random = {"random-0": values(made(rng, 1.0))}
    assert data_set_rows(random, variants(1).iloc[1:], TARGETS, "probability") == []


def test_images_with_seeds_enough_are_tested_one_by_one(
    randomized: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(randomized)
    frame = reader.variants.to_pandas()
    assert image_rows(reader, frame, "probability") == []  # three seeds are not enough
    monkeypatch.setattr(nulls, "MIN_NULLS_PER_IMAGE", 3)
    rows = image_rows(reader, frame, "probability")
    assert {row["image_id"] for row in rows} == set(reader.listing.image_ids.to_pylist())
    assert {row["n_null"] for row in rows} == {3}
    boxes = reader.box_stats(columns=["variant_id", "image_id", "target", "box_label", "sum"]).to_pandas()
    for row in rows:
        if row["box_label"] is None or row["statistic"] != "sum":
            continue
        of_box = boxes[
            (boxes["image_id"] == row["image_id"])
            & (boxes["target"] == row["target"])
            & (boxes["box_label"] == row["box_label"])
        ].groupby("variant_id")["sum"].sum()  # fmt: skip
        assert row["value"] == pytest.approx(of_box["trained"])
        null = of_box[[f"random-{seed}" for seed in (1, 2, 3)]]
        assert sorted(row["null"]) == pytest.approx(sorted(null))
        above, below = 1 + int((null >= row["value"]).sum()), 1 + int((null <= row["value"]).sum())
        sides = {"greater": above / 4, "less": below / 4, "two-sided": min(1, 2 * min(above, below) / 4)}
        assert row["p"] == sides[row["alternative"]]
    assert set(rows[0]) <= set(schemas.SIGNIFICANCE.names)
