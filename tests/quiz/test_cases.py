"""What is asked follows from the study's numbers, and where two answers lie near there is nothing to ask."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from igbatch.quiz.build import KINDS
from igbatch.quiz.cases import EDGE, FACTORS, Case, Cases
from igbatch.statistics.patches import patch_sums

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def cases(asked: Any) -> Cases:
    return Cases(asked, seed=0)


def of(results: Any, kind: Any, **how: Any) -> list[Case]:
    return Cases(results, 0, **how).of(kind)


def peak(results: Any, case: Case, at: int) -> float:
    shown = case.maps[at]
    values = results.attribution(shown.variant_id, case.image_id, shown.target).astype(np.float64)
    return float(np.abs(values if case.regions == "pixel" else patch_sums(values, 8)).max())


def test_the_trained_map_stands_first_beside_a_random_one_of_its_class(cases: Cases) -> None:
    found = cases.of("trained")
    assert len(found) == 6 * 2 * 2
    for case in found:
        trained, other = case.maps
        assert (trained.variant_id, case.choice) == ("trained", "first")
        assert other.variant_id in ("random-1", "random-2")
        assert trained.target == other.target


def test_one_class_is_one_map_twice_and_two_are_of_one_model(cases: Cases) -> None:
    for case in cases.of("targets"):
        one, other = case.maps
        assert one.variant_id == other.variant_id
        assert (one == other) == (case.choice == "one")


def test_which_is_stronger_and_by_how_much_is_true_of_the_unit_shown(asked: Any, cases: Cases) -> None:
    found = cases.of("stronger")
    assert {case.regions for case in found} == {"pixel", "patch 8"}
    limits = [*FACTORS.items(), ("", np.inf)]
    for case in found:
        ratio = peak(asked, case, 0) / peak(asked, case, 1)
        (low,) = (limit for name, limit in limits if name == case.second)
        high = limits[[name for name, _ in limits].index(case.second) + 1][1]
        assert low * (1 + EDGE / 2) < ratio < high * (1 - EDGE / 2)


def test_the_box_is_the_one_with_the_largest_sum(asked: Any, cases: Cases) -> None:
    sums = asked.box_stats.set_index(["variant_id", "image_id", "target", "box_label"])["sum"]
    found = cases.of("box")
    assert found
    for case in found:
        (shown,) = case.maps
        of_boxes = sums.loc[shown.variant_id, case.image_id, shown.target]
        right = {each.id: each.label for each in case.choices}[case.choice]
        assert of_boxes.idxmax() == right


def test_boxes_whose_sums_are_nearly_equal_make_no_case(study_of: Make) -> None:
    flat = np.ones((16, 16), dtype=np.float32)
    boxes = [("0", "eagle", 0, 0, 8, 8), ("1", "magpie", 8, 8, 16, 16)]
    from drawn_studies import Box, DrawnResults

    maps = {("trained", "a.png", target): flat for target in ("eagle", "magpie")}
    assert of(DrawnResults(maps, boxes=[Box(*each) for each in boxes]), "box") == []


def test_what_changed_did_so_clearly_or_not_at_all(study_of: Make) -> None:
    tonight, before = study_of(night=1), study_of()
    found = of(tonight, "changed", reference=before)
    assert {case.choice for case in found} == {"yes", "no"}
    for case in found:
        earlier, now = case.maps
        assert (earlier.reference, now.reference) == (True, False)
        one = before.attribution(now.variant_id, case.image_id, now.target)
        other = tonight.attribution(now.variant_id, case.image_id, now.target)
        assert np.array_equal(one, other) == (case.choice == "no")


def test_maps_that_have_not_converged_are_not_asked_about(study_of: Make) -> None:
    results = study_of(gap=0.5)
    assert not results.image_stats["converged"].any()
    assert [of(results, kind) for kind in KINDS] == [[]] * len(KINDS)


def test_of_two_random_models_and_one_image_more_than_that_is_not_read(
    study_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igbatch.quiz.cases.MAX_RANDOM", 1)
    monkeypatch.setattr("igbatch.quiz.cases.MAX_IMAGES", 2)
    cases = Cases(study_of(), seed=3)
    assert len(cases.image_ids) == 2
    assert len({variant for rows in cases.rows.values() for variant, _ in rows}) == 2
