"""What is said of the tests follows from their p-values, and the limits from the study."""

from dataclasses import replace
from typing import Any

import pytest

from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.randomization.verdicts import Setting, what_tests_say

HERE = Setting(24, smoothed=False)


@pytest.fixture
def say(variants: ModelVariants, tests_of: Any) -> Any:
    def said(nulls: Any, signs: Any = (), by_image: Any = (), setting: Setting = HERE, of: Any = None) -> str:
        texts = what_tests_say(
            tests_of(nulls), tests_of(list(by_image)), list(signs), of or variants, setting
        )
        return " ".join(texts)

    return said


def sign(p: float, rejecting: int) -> dict[str, Any]:
    question = "The eagle box counts against magpie (its sum is below 0)"
    return {
        "question": question,
        "p": p,
        "p_adjusted": p,
        "sign_share": 0.9,
        "n_images": 24,
        "rejecting": rejecting,
        "models": 30,
    }


def test_the_number_of_random_models_bounds_p(say: Any, tested: Any) -> None:
    assert "30 random models, so that no one-sided p is below 0.032" in say([tested()])
    few = say([tested(n_null=5, p_smallest=1 / 6, p=1 / 6, p_adjusted=1 / 6)])
    assert "No test can reach 5\u00a0% with so few: it takes at least 19." in few
    assert "of statistics free of scale" not in few


@pytest.mark.parametrize(
    ("adjusted", "words"),
    [
        ((0.04, 0.04), "lie in the boxes, and sign them, as those of random models do not"),
        ((0.04, 0.4), "differ from random models' in these respects"),
        ((0.4, 0.4), "have not been shown to lie in boxes"),
    ],
)
def test_the_verdict_on_statistics_free_of_scale(
    say: Any, tested: Any, adjusted: tuple[float, float], words: str
) -> None:
    names = ("share", "contains_peak")
    rows = [tested(statistic=name, p_adjusted=p) for name, p in zip(names, adjusted, strict=True)]
    said = say(rows)
    assert words in said
    passed = sum(p <= 0.05 for p in adjusted)
    assert f"Of 2 tests of statistics free of scale, {passed} reached" in said
    assert f"peak in the box ({int(adjusted[1] <= 0.05)} of 1)" in said


@pytest.mark.parametrize(("p", "words"), [(0.04, "its confidence alone"), (0.4, "not even in size")])
def test_tests_bound_to_scale_prove_little(say: Any, tested: Any, p: float, words: str) -> None:
    said = say([tested(statistic="sum", family="of scale", p_adjusted=p)])
    assert words in said
    assert "free of scale" not in said


@pytest.mark.parametrize(
    ("p", "rejecting", "verdict", "apart"),
    [(0.001, 0, ": shown", False), (0.001, 20, ": shown", True), (0.3, 20, ": not shown", False)],
)
def test_signs_are_shown_where_p_is_small_and_set_apart_where_random_models_do_not_reject(
    say: Any, tested: Any, p: float, rejecting: int, verdict: str, apart: bool
) -> None:
    said = say([tested()], [sign(p, rejecting)])
    assert f"in 90.0\u00a0% of 24 images{verdict}" in said
    assert f"rejects in {rejecting} of 30 random models" in said
    assert ("does not set the trained model apart" in said) is apart


def test_single_images_have_a_sentence_of_their_own(say: Any, tested: Any) -> None:
    rows = [tested(image_id=name, family="image, scale-free", n_null=99) for name in ("a", "b")]
    said = say([tested()], by_image=rows)
    assert "(2 images with 99 or more random models), 2 of 2 tests free of scale reached it" in said
    assert "share of |a| (2 of 2)" in said


def test_limits_follow_the_study(say: Any, tested: Any, variants: ModelVariants) -> None:
    assert "Binder et al. 2023" in say([tested()])
    up = tuple(each for each in variants.cascades if each.direction == "up")
    assert "Binder et al. 2023" not in say([tested()], of=replace(variants, cascades=up))
    assert "smooth variant" not in say([tested()])
    assert "smooth variant of the test (Hedström" in say([tested()], setting=Setting(24, smoothed=True))
    assert "neither judges whether a map is true" in say([tested()])


def test_a_study_without_tests_says_why(say: Any) -> None:
    assert "it takes a trained model, random ones, and boxes" in say([])
