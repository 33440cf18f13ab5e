from typing import Any

import pytest

from igbatch.report.randomization.statistics import (
    MAX_BOXES,
    box_name,
    images_with_tests,
    null_tests,
    scale,
    shown_boxes,
    statistic_name,
)


def test_tests_of_the_data_set_and_of_images_are_told_apart(randomized: Any) -> None:
    rows = null_tests(randomized, "trained")
    assert list(rows["statistic"]) == ["sum", "share", "abs_sum"]  # boxes first, then whole maps
    assert rows["image_id"].isna().all()
    assert images_with_tests(randomized, "trained") == ["c.png"]
    assert list(null_tests(randomized, "trained", "c.png")["n_images"]) == [1]
    assert not len(null_tests(randomized, "random-1"))


def test_boxes_of_targets_come_first_and_many_are_cut(
    tests_of: Any, tested: Any, randomized: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ["zebra", "magpie", "eagle"]
    rows = [tested(box_label=label, target=target) for label in labels for target in ("magpie", "eagle")]
    rows.append(tested(box_label=None, statistic="sum"))
    monkeypatch.setitem(randomized.__dict__, "significance", tests_of(rows))
    ordered = null_tests(randomized, "trained")
    names = [box_name(row) for row in ordered.to_dict("records")]
    assert names[:3] == ["eagle box → eagle", "eagle box → magpie", "magpie box → eagle"]
    assert names[-1] == "whole map → eagle"
    many = tests_of([tested(box_label=f"bird-{n}") for n in range(MAX_BOXES + 3)])
    groups, left_out = shown_boxes(many)
    assert (len(groups), left_out) == (MAX_BOXES, 3)


def test_statistics_are_named_with_their_scale(tested: Any) -> None:
    assert (scale(tested()), scale(tested(family="image, of scale"))) == ("free of", "bound to")
    assert statistic_name(tested(statistic="sum")) == "sum in the box"
    assert statistic_name(tested(statistic="sum", box_label=None)) == "sum of the map"
