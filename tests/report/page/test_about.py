from typing import Any

import pytest

from igbatch.images.box_counts import BoxCounts
from igbatch.report.page.about import describe


def fact(study: Any, name: str) -> str:
    return dict(describe(study, study.totals).facts)[name]


@pytest.mark.parametrize(("map_error", "rule"), [(None, "gauss-legendre rule"), (0.01, "adaptive steps")])
def test_the_integration_is_named(drawn: Any, noise: Any, map_error: float | None, rule: str) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=map_error)
    assert fact(study, "Integration") == f"{rule}, 50 steps"
    rounded = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], precision="bfloat16")
    assert fact(rounded, "Arithmetic") == "bfloat16 on cpu"


def test_before_anything_is_computed_the_study_says_how(drawn: Any) -> None:
    kinds = {"trained": "trained"}
    assert fact(drawn({}, kinds=kinds), "Integration") == "gauss-legendre rule, 50 steps"
    adaptive = drawn({}, kinds=kinds, map_error=0.0)
    assert fact(adaptive, "Integration") == "adaptive steps, as many as needed"
    assert fact(adaptive, "Arithmetic") == "nothing yet on nothing yet"


def test_variants_of_some_images_are_told_and_complete_with_these(drawn: Any, noise: Any) -> None:
    maps = {("trained", image, "eagle"): noise(1) for image in "abc"}
    maps |= {("random-1", "b", "eagle"): noise(2)}
    study = drawn(maps, images=["a", "b", "c"], targets=["eagle"], subsets={"random-1": ["b"]})
    assert fact(study, "Variants") == "trained and random-1 (random parameters, on 1 image only)"
    assert "4 of 4 maps are there" in describe(study, study.totals).summary


def test_maps_that_are_not_smoothed_say_nothing_of_it(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    assert "Smoothing" not in dict(describe(study, study.totals).facts)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (None, "no boxes"),
        ("b.csv", "boxes of b.csv (812 boxes on 1 of 1 image)"),
        ({"path": "b.csv", "match": "stem"}, "boxes of b.csv (812 boxes on 1 of 1 image)"),
    ],
)
def test_boxes_are_told_with_their_number(
    drawn: Any, noise: Any, boxes: Any, words: str, change_study: Any
) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    change_study(study, images={"boxes": boxes})
    if boxes:
        study.record["boxes"] = BoxCounts(812, 1, 1, unchecked=812).record()
    assert fact(study, "Data") == f"1 image of photos, {words}"


def test_an_output_of_before_counted_no_boxes(drawn: Any, noise: Any, change_study: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    change_study(study, images={"boxes": "b.csv"})
    assert study.box_counts is None
    assert fact(study, "Data") == "1 image of photos, boxes of b.csv"
