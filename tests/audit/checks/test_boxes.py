"""Sums in boxes: their size, their sign, and the share that lies in a target's own box."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]


def sums(factors: dict[str, float], share: float = 0.5) -> dict[str, Any]:
    """A night whose eagle boxes hold 0.5 times the factor of their image."""

    def boxes(variant: str, image: str, target: str) -> list[dict[str, Any]]:
        return [{"box_label": "eagle", "sum": 0.5 * factors[image], "share": share}]

    return {"images": list(factors), "boxes": boxes}


ONES = dict.fromkeys("abc", 1.0)
MANY = [chr(ord("a") + number) for number in range(20)]


def test_the_change_of_the_mean_in_units_of_the_mean_size(checked: Checked) -> None:
    found = checked("box_sums", sums(ONES | {"b": 0.4}), sums(ONES))
    assert found.figure == pytest.approx(0.2)
    assert found.outcome is Outcome.FAILED  # three images are too few for a test: the size decides alone
    part = found.parts[0]
    assert (part.name, part.p, part.effect, part.n) == ("trained, eagle's box, target eagle", None, -1.0, 3)
    assert (part.now, part.before) == (pytest.approx(0.4), pytest.approx(0.5))
    assert [(each.image_id, each.words) for each in found.offenders][:2] == [
        ("b", "eagle's box 0.2, was 0.5")
    ] * 2


def test_a_shift_that_a_test_does_not_distinguish_from_chance_passes(checked: Checked) -> None:
    before = dict.fromkeys(MANY, 1.0)
    # fourteen up by a little more than six are down by much: the mean falls, the ranks disagree
    now = {
        image: 1 + (0.2 + number / 1000 if number < 14 else -0.9 - number / 1000)
        for number, image in enumerate(MANY)
    }
    found = checked("box_sums", sums(now), sums(before))
    part = found.parts[0]
    assert part.figure is not None
    assert 0.1 < part.figure < 0.2
    assert part.p is not None
    assert part.p > 0.05
    assert found.outcome is Outcome.PASSED


def test_the_same_shift_of_every_image_fails(checked: Checked) -> None:
    now = {image: 0.85 - number / 10_000 for number, image in enumerate(MANY)}
    found = checked("box_sums", sums(now), sums(dict.fromkeys(MANY, 1.0)))
    part = found.parts[0]
    assert part.effect == -1.0
    assert part.p is not None
    assert part.p == pytest.approx(2 / 2**20)  # all signs alike; adjusted over two equal tests
    assert found.outcome is Outcome.FAILED


def test_images_too_few_for_their_number_of_tests_are_judged_by_size(checked: Checked) -> None:
    few = MANY[:6]  # the least p is 2 / 2^6 = 0.031; adjusted over two tests that may be 0.063
    now = {image: 0.8 + (0.3 if number == 0 else 0.01 * number) for number, image in enumerate(few)}
    found = checked("box_sums", sums(now), sums(dict.fromkeys(few, 1.0)))
    part = found.parts[0]
    assert part.figure is not None
    assert part.figure < 0.2
    assert part.p is not None
    assert part.p > 0.05
    assert found.outcome is Outcome.FAILED


def test_a_shift_far_beyond_the_threshold_needs_no_test(checked: Checked) -> None:
    now = {image: 1.0 + (9.0 if number == 0 else 0.01 * (-1) ** number) for number, image in enumerate(MANY)}
    found = checked("box_sums", sums(now), sums(dict.fromkeys(MANY, 1.0)))
    part = found.parts[0]
    assert part.p is not None
    assert part.p > 0.05
    assert found.outcome is Outcome.FAILED


def test_a_group_of_next_to_nothing_is_held_against_the_largest_one(checked: Checked) -> None:
    def night(faint: float) -> dict[str, Any]:
        return {
            "boxes": lambda *place: [
                {"box_label": "eagle", "sum": 1.0, "share": 0.9},
                {"box_label": "gull", "sum": faint, "share": 0.1},
            ]
        }  # fmt: skip

    found = checked("box_sums", night(0.003), night(0.001))  # three times as much, of next to nothing
    assert found.outcome is Outcome.PASSED
    assert found.figure == pytest.approx(0.002 / 0.05)


def test_signs_that_changed_are_counted_among_sums_that_are_not_negligible(checked: Checked) -> None:
    before = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.01}
    found = checked("box_signs", sums({"a": 1.0, "b": -1.0, "c": 1.0, "d": -0.01}), sums(before))
    assert found.figure == pytest.approx(1 / 3)
    assert found.outcome is Outcome.FAILED
    assert {each.image_id for each in found.offenders} == {"b"}
    assert found.offenders[0].words == "eagle's box -0.5, was +0.5"


def test_the_share_in_a_targets_own_box_fell(checked: Checked) -> None:
    found = checked("localization", sums(ONES, share=0.4), sums(ONES, share=0.5))
    assert found.figure == pytest.approx(0.2)
    assert found.outcome is Outcome.FAILED
    assert [part.name for part in found.parts] == ["trained, eagle's box, target eagle"]  # not under magpie
    assert found.offenders[0].words == "40 % of |a| in its box, was 50 %"


def test_a_share_that_rose_is_no_fault(checked: Checked) -> None:
    assert checked("localization", sums(ONES, share=0.6), sums(ONES)).figure == 0.0


@pytest.mark.parametrize("name", ["box_sums", "box_signs", "localization", "sanity"])
def test_without_boxes_there_is_nothing_to_compare(checked: Checked, name: str) -> None:
    found = checked(name, {"boxes": lambda *place: []})
    assert found.outcome is Outcome.SKIPPED
    assert "box" in found.words


def test_deletions_are_held_against_the_references_where_both_measured_them(checked: Checked) -> None:
    def without(factor: float) -> dict[str, Any]:
        def boxes(variant: str, image: str, target: str) -> list[dict[str, Any]]:
            lost = None if image == "c" else 0.5 * (factor if image == "b" else 1.0)
            return [{"box_label": "eagle", "sum": 0.5, "share": 0.5, "deletion": lost}]

        return {"images": list("abc"), "boxes": boxes}

    found = checked("deletions", without(0.4), without(1.0))
    part = found.parts[0]
    assert (part.now, part.before, part.n) == (pytest.approx(0.35), pytest.approx(0.5), 2)
    assert (found.figure, found.outcome) == (pytest.approx(0.3), Outcome.FAILED)
    assert found.offenders[0].words == "without eagle's box 0.2 less, was 0.5"
