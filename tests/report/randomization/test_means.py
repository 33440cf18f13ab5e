from typing import Any

import pytest

from igbatch.report.randomization.means import Mean, Means, told, two_places


def test_means_are_found_by_what_they_are_of(means_of: Any) -> None:
    means = Means(means_of(), "small")
    found = means.likeness("cascade-down-1-body", "to_trained", "spearman")
    assert found is not None
    assert (found.value, found.ends, found.images) == (0.3, (0.2, 0.4), 24)
    level = means.random_likeness("between_random", "spearman_abs")
    assert level is not None
    assert (level.value, level.variants) == (0.2, 30)
    gap = means.of_maps("trained_minus_random", "eagle", "sobel_spearman")
    assert gap is not None
    assert gap.above
    assert means.likeness("cascade-down-1-body", "to_trained", "hog") is None
    assert Means(means_of(), "other").random_likeness("between_random", "spearman") is None


@pytest.mark.parametrize(
    ("ends", "above"),
    [
        ((0.1, 0.3), True),
        ((-0.3, -0.1), False),
        ((-0.1, 0.3), None),
        ((0.0, 0.3), None),
        ((None, None), None),
    ],
)
def test_an_interval_lies_above_zero_or_below_or_holds_it(ends: Any, above: bool | None) -> None:
    assert Mean(0.0, *ends, 1, 3).above is above


def test_numbers_as_people_read_them() -> None:
    assert [two_places(value) for value in (-0.004, -0.54, 0.999)] == ["0.00", "−0.54", "1.00"]
    assert told(0.99988) == "0.99988"
    assert Mean(0.5, 0.4, 0.6, 1, 3).prose == "0.50 (0.40 to 0.60)"
    assert Mean(0.5, None, None, 1, 2).text == "0.500"
