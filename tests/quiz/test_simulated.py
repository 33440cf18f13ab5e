"""Who has the values is right; who sees the colours is where a normalization leaves something to see."""

import random
from typing import Any

import numpy as np
import pytest

from igbatch.quiz.cases import Case, ShownMap
from igbatch.quiz.simulated import choices_of, simulated_answers
from igbatch.report.figures.image_data import DrawnBox

MAPS = (ShownMap("trained", "eagle"), ShownMap("random-1", "eagle"))
NOISE = np.random.default_rng(0).normal(size=(16, 16))


def answers(case: Case, colors: Any, values: Any, boxes: Any = None) -> dict[str, Any]:
    return simulated_answers(case, colors, values, boxes or {}, random.Random(0))


def test_strength_is_seen_under_a_joint_range_and_not_under_each_maps_own() -> None:
    case = Case("stronger", "a.png", MAPS, "second", "", "", second="5-20")
    weak, strong = 0.1 * NOISE, NOISE
    own = [each / np.abs(each).max() for each in (weak, strong)]
    joint = [each / np.abs(strong).max() for each in (weak, strong)]
    assert answers(case, joint, [weak, strong])["pixels"] == ("second", "5-20")
    found = answers(case, own, [weak, strong])
    assert found["pixels"] == ("first", "less-2")
    assert found["values"] == ("second", "5-20")


def test_two_classes_look_like_one_where_only_the_scale_tells_them_apart() -> None:
    case = Case("targets", "a.png", MAPS, "two", "", "")
    other = NOISE + 0.2 * np.random.default_rng(1).normal(size=NOISE.shape)
    assert answers(case, [NOISE, other], [NOISE, other])["pixels"] == ("one", None)
    assert answers(case, [NOISE, -NOISE], [NOISE, NOISE])["pixels"] == ("two", None)
    assert answers(case, [NOISE, NOISE], [NOISE, NOISE])["values"] == ("one", None)


def test_of_maps_of_one_strength_the_smooth_one_is_taken_for_the_trained_models() -> None:
    case = Case("trained", "a.png", MAPS, "second", "", "")
    smooth = np.outer(np.sin(np.linspace(0, 3, 16)), np.ones(16))
    smooth *= np.abs(NOISE).sum() / np.abs(smooth).sum()
    assert answers(case, [NOISE, smooth], [NOISE, smooth])["pixels"] == ("second", None)


def test_a_box_is_found_by_its_sum_whatever_the_scale() -> None:
    from igbatch.report.quiz.model import Choice

    choices = tuple(Choice(id=f"box-{at}", label=f"{at}") for at in range(2))
    case = Case("box", "a.png", MAPS[:1], "box-1", "", "", choices=choices)
    values = np.zeros((16, 16))
    values[8:, 8:], values[:8, :8] = 1.0, -2.0
    boxes = {
        "box-0": DrawnBox("0", "0", 0, 0, 8, 8, "#000000"),
        "box-1": DrawnBox("1", "1", 8, 8, 16, 16, "#000000"),
    }
    found = answers(case, [values / 2], [values], boxes)
    assert found["pixels"] == found["values"] == ("box-1", None)


@pytest.mark.parametrize("kind", ["trained", "targets", "stronger", "changed"])
def test_maps_of_zeros_are_answered_too(kind: Any) -> None:
    case = Case(kind, "a.png", MAPS, "first", "", "")
    zeros = np.zeros((16, 16))
    choices, second = choices_of(case)
    for choice, other in answers(case, [zeros, zeros], [zeros, zeros]).values():
        assert choice in choices
        assert (other in second) if second else other is None
