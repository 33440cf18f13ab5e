"""Levels come equally often, alone and two by two; so do answers, images and sides."""

import random
from collections import Counter
from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from igbatch.quiz.build import KINDS
from igbatch.quiz.cases import Cases
from igbatch.quiz.design import CaseDrawer, balanced_levels

FACTORS = {"kind": "abcd", "scope": "vwxyz", "regions": "ps", "numbers": (True, False), "palette": "1234"}


@settings(max_examples=8)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_every_level_comes_as_often_as_any_other_after_any_number_of_questions(count: int, seed: int) -> None:
    drawn = balanced_levels(FACTORS, count, random.Random(seed))
    assert len(drawn) == count
    for name, levels in FACTORS.items():
        found = Counter(each[name] for each in drawn)
        often = [found[level] for level in levels]
        assert max(often) - min(often) <= 2, name


def test_kinds_meet_every_normalization_with_numbers_and_without_and_pairs_come_about_as_often() -> None:
    drawn = balanced_levels(FACTORS, 80, random.Random(5))
    crossed = Counter((each["kind"], each["scope"], each["numbers"]) for each in drawn)
    assert (len(crossed), set(crossed.values())) == (40, {2})
    for one, other in combinations(FACTORS, 2):
        found = Counter((each[one], each[other]) for each in drawn)
        often = [found[pair] for pair in product(FACTORS[one], FACTORS[other])]
        assert max(often) - min(often) <= 3, (one, other)


def test_answers_sides_and_images_come_equally_often(asked: Any) -> None:
    cases = Cases(asked, seed=0)
    drawer = CaseDrawer({kind: cases.of(kind) for kind in KINDS}, random.Random(1))
    for kind in ("trained", "targets", "stronger"):
        drawn = [drawer.draw(kind, "pixel") for _ in range(12)]
        answers = Counter(case.choice for case in drawn)
        assert set(answers.values()) == {6}, kind
        assert max(Counter(case.image_id for case in drawn).values()) <= 3
        assert len({(case.image_id, case.maps, case.choice) for case in drawn}) == 12
