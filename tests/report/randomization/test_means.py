from typing import Any

import pytest

from igbatch.report.randomization.means import Mean, Means, written
from igbatch.report.randomization.steps import ModelVariants


def test_means_are_found_by_what_they_are_of(means_of: Any, variants: ModelVariants) -> None:
    means = Means(means_of(), variants)
    level = means.random("spearman_abs", comparison="between_random")
    assert level is not None
    assert (level.value, level.span) == (0.2, (0.15, 0.25))
    trained, random, gap = means.compared("sobel_spearman", target="eagle")
    assert (trained.value, random.value, gap.above) == (0.2, 0.05, True)  # type: ignore[union-attr]
    (down, _) = variants.cascades
    found = means.along(down, "spearman")
    assert {place: mean.value for place, mean in found.items()} == {0: 0.8, 1: 0.3, 2: 0.0}
    assert (found[1].ends, found[1].images) == ((0.2, 0.4), 24)
    assert means.along(down, "hog") == {}
    assert (means.images(down), means.boxes) == (24, [])


@pytest.mark.parametrize(
    ("ends", "above"),
    [
        ((0.1, 0.3), True),
        ((-0.3, -0.1), False),
        ((-0.1, 0.3), None),
        ((0.0, 0.3), None),
        (None, None),
    ],
)
def test_an_interval_lies_above_zero_or_below_or_holds_it(ends: Any, above: bool | None) -> None:
    assert Mean(0.0, ends, 3).above is above


def test_numbers_as_people_read_them() -> None:
    assert written(0.99988) == "0.99988"
    assert Mean(0.5, (0.4, 0.6), 3).text == "0.500 (0.400 to 0.600)"
    assert Mean(0.5, None, 2).text == "0.500"
