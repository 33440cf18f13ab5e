"""Means of curves over images: areas, gains over random orders, and bands."""

import numpy as np
import pandas as pd
import pytest

from igbatch.statistics.aggregates import mean_interval
from igbatch.statistics.curves import curve_areas, mean_curve

AREAS = {"a": (0.2, [0.5, 0.7]), "b": (0.3, [0.2, 0.2]), "c": (0.1, [0.4, 0.6])}
"""Of each image the area in order of attribution, and those of random orders."""


def rows(kind: str = "deletion", areas: dict[str, tuple[float, list[float]]] | None = None) -> pd.DataFrame:
    of = {"variant_id": "trained", "target": "eagle", "kind": kind, "regions": "pixel", "fill": "blurred"}
    return pd.DataFrame(
        [
            {**of, "image_id": image, "order": order, "area": area}
            for image, (own, drawn) in (areas or AREAS).items()
            for order, area in (("attribution", own), *(("random", each) for each in drawn))
        ]
    )


def test_an_image_counts_once_and_the_gain_is_positive_where_the_order_is_better() -> None:
    found = curve_areas(pd.concat([rows(), rows("insertion")]))
    assert found["kind"].tolist() == ["deletion", "insertion"]
    for sign, row in zip((1, -1), found.to_dict("records"), strict=True):
        gains = sign * np.array([0.4, -0.1, 0.4])
        assert row["n_images"] == 3
        assert (row["area"], row["random_area"]) == (pytest.approx(0.2), pytest.approx(1.3 / 3))
        assert row["random_spread"] == pytest.approx(np.mean([np.std([0, 0.2], ddof=1)] * 2 + [0]))
        assert row["gain"] == pytest.approx(gains.mean())
        assert (row["gain_low"], row["gain_high"]) == pytest.approx(mean_interval(gains))
        assert row["gain_share"] == pytest.approx((gains > 0).mean())


def test_of_two_images_and_of_one_random_order_no_interval_and_no_spread_is_told() -> None:
    row = curve_areas(rows(areas={"a": (0.2, [0.5]), "b": (0.3, [0.2])})).iloc[0]
    assert row[["area_low", "gain_low", "random_spread"]].isna().all()


def test_a_mean_curve_is_of_images_and_its_band_narrows_to_the_ends_that_all_share() -> None:
    at = np.array([0.0, 0.4, 1.0])
    outputs = [np.array([1.0, value, 0.0]) for value in (0.2, 0.4, 0.6, 0.8)]
    twice = [*outputs, outputs[0]]
    found = mean_curve([at] * 5, twice, ["a", "b", "c", "d", "a"])
    assert np.allclose(found[:2], [at, [1, 0.5, 0]])
    assert np.allclose(found[2:, [0, 2]], [[1, 0], [1, 0]])
    assert 0.2 < found[2, 1] < 0.5 < found[3, 1] < 0.8
    other = mean_curve([at, np.array([0.0, 0.2, 1.0])], [at, np.array([0.0, 0.2, 1.0])], ["a", "b"])
    assert np.allclose(other[:2], [at, at])  # read between its points
    assert np.isnan(other[2:]).all()
