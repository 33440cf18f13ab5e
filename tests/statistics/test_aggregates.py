import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.statistics.aggregates import (
    KEYS,
    MAX_RESAMPLED,
    MIN_IMAGES,
    aggregate_box_sums,
    mean_interval,
    share_interval,
)


def rows(n_images: int = 8, seed: int = 0) -> pd.DataFrame:
    """Box statistics of two variants, two targets and two labels, one box of each label in an image."""
    rng = np.random.default_rng(seed)
    records = []
    for variant in ("random-1", "trained"):
        for target in ("eagle", "magpie"):
            for label in ("eagle", "magpie"):
                for image in range(n_images):
                    records.append(record(variant, target, label, f"{image}.png", rng.normal()))
    return pd.DataFrame(records)


def record(variant: str, target: str, label: str, image: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "variant_id": variant, "target": target, "box_label": label, "image_id": image, "sum": value,
        "share": 0.25, "density_ratio": 2.0, "pixels": 100, **more,
    }  # fmt: skip


def only(table: pd.DataFrame, *key: str) -> Any:
    (row,) = table.set_index(KEYS).loc[[key]].itertuples()
    return row


def test_one_row_a_group_with_the_means_of_its_images() -> None:
    data = rows()
    table = aggregate_box_sums(data)
    assert len(table) == 8
    for row in table.itertuples():
        group = data.query(
            "variant_id == @row.variant_id and target == @row.target and box_label == @row.box_label"
        )
        assert row.mean_sum == pytest.approx(group["sum"].mean())
        assert (row.n_images, row.n_boxes) == (8, 8)
        assert row.mean_share == pytest.approx(0.25)
        assert row.mean_density_ratio == pytest.approx(2.0)


def test_the_order_of_the_rows_and_other_groups_change_nothing() -> None:
    data = rows()
    table = aggregate_box_sums(data)
    shuffled = data.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(aggregate_box_sums(shuffled), table)
    alone = aggregate_box_sums(data[data["variant_id"] == "trained"])
    pd.testing.assert_frame_equal(alone, table[table["variant_id"] == "trained"].reset_index(drop=True))
    other = aggregate_box_sums(data, seed=1)
    assert not other["mean_sum_low"].equals(table["mean_sum_low"]), "the seed is used"
    assert other["mean_sum"].equals(table["mean_sum"])


def test_boxes_of_one_label_are_added_within_an_image_first() -> None:
    key = ("trained", "eagle", "eagle")
    small: dict[str, Any] = {"share": 0.1, "density_ratio": 4.0, "pixels": 25}
    large: dict[str, Any] = {"share": 0.2, "density_ratio": 2.0, "pixels": 100}
    both: dict[str, Any] = {"share": 0.1 + 0.2, "density_ratio": (4.0 * 25 + 2.0 * 100) / 125, "pixels": 125}
    boxes = ((0.1, small), (0.2, large))
    split = pd.DataFrame([record(*key, f"{i}.png", value, **box) for i in range(4) for value, box in boxes])
    joined = pd.DataFrame([record(*key, f"{i}.png", 0.1 + 0.2, **both) for i in range(4)])
    found, expected = aggregate_box_sums(split), aggregate_box_sums(joined)
    assert (found["n_boxes"].item(), expected["n_boxes"].item()) == (8, 4)
    pd.testing.assert_frame_equal(found.drop(columns="n_boxes"), expected.drop(columns="n_boxes"))


def test_boxes_whose_sign_depends_on_the_baseline_are_counted() -> None:
    agreements = {"a": [1.0, 1.0], "b": [0.5, 0.99], "c": [None, None]}
    data = [
        record("trained", "eagle", label, image, 1.0, sign_agreement=agreement)
        for label, values in agreements.items()
        for image, agreement in zip(("0.png", "0.png"), values, strict=True)
    ]
    table = aggregate_box_sums(pd.DataFrame(data))
    counts = table["n_sign_depends"]
    assert counts.dtype == "Int64"
    assert counts[:2].tolist() == [0, 2]
    assert counts[2:].isna().all()
    assert aggregate_box_sums(rows())["n_sign_depends"].isna().all()  # of tables without the column


def test_expected_signs() -> None:
    records = [record("trained", target, label, f"{image}.png", value)
               for target in ("eagle", "magpie", "predicted", "top-1")
               for label in ("eagle", "magpie", "crow")
               for image, value in enumerate((0.3, 0.2, -0.1, 0.0))]  # fmt: skip
    table = aggregate_box_sums(pd.DataFrame(records))
    assert only(table, "trained", "eagle", "eagle").expected_sign == 1
    assert only(table, "trained", "eagle", "eagle").sign_share == 0.5
    assert only(table, "trained", "eagle", "magpie").expected_sign == -1
    assert only(table, "trained", "eagle", "magpie").sign_share == 0.25
    # Neither a label that is no target nor a target that is no class lets one expect anything.
    for key in (("eagle", "crow"), ("predicted", "eagle"), ("top-1", "magpie")):
        row = only(table, "trained", *key)
        assert row.expected_sign is pd.NA
        assert np.isnan(row.sign_share)
        assert np.isnan(row.sign_share_low)


def test_boxes_without_a_visible_pixel_are_left_out() -> None:
    data = rows(n_images=4)
    nothing = {"share": np.nan, "density_ratio": np.nan, "pixels": 0}
    hidden = [record("trained", "eagle", "eagle", "hidden.png", np.nan, **nothing)]
    pd.testing.assert_frame_equal(
        aggregate_box_sums(pd.concat([data, pd.DataFrame(hidden)], ignore_index=True)),
        aggregate_box_sums(data),
    )


def test_no_rows_give_the_same_columns() -> None:
    empty, full = aggregate_box_sums(rows().iloc[:0]), aggregate_box_sums(rows())
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert list(empty.dtypes[3:]) == list(full.dtypes[3:])


def test_few_images_have_no_interval_of_the_mean() -> None:
    few, enough = aggregate_box_sums(rows(MIN_IMAGES - 1)), aggregate_box_sums(rows(MIN_IMAGES))
    assert few["mean_sum"].notna().all()
    assert few["mean_sum_low"].isna().all()
    assert enough["mean_sum_low"].notna().all()


@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=3, max_size=30), st.floats(-9, 3))
def test_an_interval_lies_around_the_mean_within_the_values(values: list[float], power: float) -> None:
    data = np.array(values) * 10.0**power
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = mean_interval(data)
    assert low is not None
    assert high is not None
    slack = 1e-9 * np.abs(data).max()
    assert data.min() - slack <= low <= data.mean() + slack
    assert data.mean() - slack <= high <= data.max() + slack


def test_an_interval_scales_and_moves_with_the_values() -> None:
    data = np.random.default_rng(0).gamma(1.0, size=24)
    low, high = mean_interval(data)
    assert low is not None
    assert high is not None
    assert mean_interval(1e-8 * data) == pytest.approx((1e-8 * low, 1e-8 * high), rel=1e-9)
    assert mean_interval(data + 5) == pytest.approx((low + 5, high + 5), rel=1e-9)


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        low, high = mean_interval(rng.normal(0.3, 1.0, size=40))
        covered += low is not None and high is not None and low <= 0.3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_bootstrap_meets_the_normal_interval_where_they_change_over() -> None:
    data = np.random.default_rng(2).normal(1.0, 1.0, size=MAX_RESAMPLED + 1)
    resampled, normal = mean_interval(data[:-1]), mean_interval(data)
    np.testing.assert_allclose(np.array(resampled, float), np.array(normal, float), atol=0.01)


@pytest.mark.parametrize(("agreeing", "images"), [(0, 1), (1, 1), (0, 8), (4, 8), (8, 8), (900, 1000)])
def test_wilson_intervals_solve_their_equation(agreeing: int, images: int) -> None:
    """Both ends are shares p from which the observed share lies 1.96 standard errors of p (Wilson 1927)."""
    low, high = share_interval(agreeing, images)
    assert low is not None
    assert high is not None
    observed = agreeing / images
    assert 0 <= low <= observed <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert (observed - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / images, rel=1e-4)
