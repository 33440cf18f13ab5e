"""Means over images under shared resamples, and their intervals."""

import numpy as np
import pandas as pd
import pytest

from igbatch.reduce.randomization.resampled import MIN_IMAGES, RESAMPLES, image_means, interval


def test_values_are_put_to_their_images_and_what_is_missing_is_left_out() -> None:
    ids = ["a", "b", "c", "d"]
    columns = [pd.Series([3.0, 1.0], index=["c", "a"]), pd.Series([1.0, 2.0, 3.0, 6.0], index=ids)]
    found = image_means({("some",): columns[0], ("all",): columns[1], ("none",): columns[0][:0]}, ids)
    means = {key: (mean.images, mean.means[0]) for key, mean in found.items()}
    assert means == {("some",): (2, 2.0), ("all",): (4, 3.0)}
    assert all(mean.means.shape == (1 + RESAMPLES,) for mean in found.values())
    (again,) = image_means({("all",): columns[1]}, ids).values()
    np.testing.assert_allclose(again.means, found[("all",)].means, rtol=1e-12)  # whatever else is averaged
    assert image_means({}, ids) == {}


def test_intervals_need_a_few_images_and_leave_out_what_is_not_there() -> None:
    values = np.arange(101.0)
    assert interval(values, 30) == pytest.approx((2.5, 97.5))
    assert interval(np.append(values, np.nan), 30) == pytest.approx((2.5, 97.5))
    assert interval(values, MIN_IMAGES - 1) == (None, None)
    assert interval(np.full(3, np.nan), 30) == (None, None)
