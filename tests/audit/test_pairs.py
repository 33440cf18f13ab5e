"""Two studies are joined by image and target, whatever order and shape each one has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igbatch.audit.pairs import Pairing, VariantPair
from igbatch.results import StudyResults

Make = Callable[..., StudyResults]


def numbered(variant: str, image: str, target: str) -> dict[str, Any]:
    """A probability that tells where a row belongs."""
    return {"target_probability": ord(image) / 1000 + len(target) / 10_000}


def boxed(variant: str, image: str, target: str) -> list[dict[str, Any]]:
    value = ord(image) + len(target)
    return [
        {"box_label": label, "sum": sign * value, "share": 0.25} for label, sign in (("owl", 1), ("kite", -1))
    ]


def pairs(
    tmp_path: Path, make: Make, now: dict[str, Any], before: dict[str, Any]
) -> tuple[Pairing, dict[str, VariantPair]]:
    pairing = Pairing(make(tmp_path / "now", **now), make(tmp_path / "before", **before))
    return pairing, {pair.variant_id: pair for pair in pairing.variants()}


def test_rows_stand_side_by_side_whatever_the_order_of_images_and_targets(
    tmp_path: Path, make_night: Make
) -> None:
    now = {"images": ["d", "b", "a"], "targets": ["eagle", "magpie"], "row": numbered}
    before = {"images": ["a", "b", "c"], "targets": ["magpie", "crow", "eagle"], "row": numbered}
    pairing, found = pairs(tmp_path, make_night, now, before)
    assert [pairing.image_id(place) for place in range(pairing.n_images)] == ["b", "a"]
    assert pairing.targets == ["eagle", "magpie"]
    expected = [
        [numbered("", image, target)["target_probability"] for target in pairing.targets] for image in "ba"
    ]
    for side in (found["trained"].now, found["trained"].before):
        np.testing.assert_array_equal(side["target_probability"], expected)


def test_boxes_stand_side_by_side_and_those_of_a_label_are_added(tmp_path: Path, make_night: Make) -> None:
    def twice(variant: str, image: str, target: str) -> list[dict[str, Any]]:
        return [box for box in boxed(variant, image, target) if box["box_label"] == "owl"] * 2

    now = {"images": ["d", "b", "a"], "boxes": twice}
    before = {"images": ["a", "b"], "targets": ["magpie", "eagle"], "boxes": boxed}
    _, found = pairs(tmp_path, make_night, now, before)
    groups = found["trained"].boxes
    assert [(group.label, group.target) for group in groups] == [("owl", "eagle"), ("owl", "magpie")]
    for group in groups:
        values = [ord(image) + len(group.target) for image in "ba"]
        np.testing.assert_array_equal(group.images, [0, 1])
        np.testing.assert_array_equal(group.sums[0], np.multiply(values, 2))
        np.testing.assert_array_equal(group.sums[1], values)
        np.testing.assert_array_equal(group.shares[0], [0.5, 0.5])


def test_what_one_side_lacks_is_nan(tmp_path: Path, make_night: Make) -> None:
    now = {"missing": [("trained", "b")]}
    _, found = pairs(tmp_path, make_night, now, {})
    lost = np.isnan(found["trained"].now["target_probability"])
    np.testing.assert_array_equal(lost, [[False] * 2, [True] * 2, [False] * 2])
    assert not np.isnan(found["trained"].before["target_probability"]).any()


def test_variants_of_one_side_or_of_two_kinds_are_left_out(tmp_path: Path, make_night: Make) -> None:
    now = {"kinds": {"trained": "trained", "random-1": "random", "new": "random"}}
    before = {"kinds": {"trained": "trained", "random-1": "independent"}}
    _, found = pairs(tmp_path, make_night, now, before)
    assert list(found) == ["trained"]


@pytest.mark.parametrize("now", [{"images": ["x"]}, {"targets": ["crow"]}])
def test_nothing_in_common_is_no_pair(tmp_path: Path, make_night: Make, now: dict[str, Any]) -> None:
    assert pairs(tmp_path, make_night, now, {})[1] == {}


def test_ranges_are_those_of_all_maps_of_each_study(tmp_path: Path, make_night: Make) -> None:
    def bright(variant: str, image: str, target: str) -> dict[str, Any]:
        return {"minimum": -1.0, "maximum": 9.0 if image == "z" else 2.0}

    _, found = pairs(
        tmp_path, make_night, {"images": ["a", "z"], "row": bright}, {"images": ["a"], "row": bright}
    )
    assert found["trained"].ranges == {"": ((-1.0, 9.0), (-1.0, 2.0))}
