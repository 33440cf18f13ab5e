import re
from typing import Any

import pytest

from igbatch.report.findings.boxes import box_findings
from igbatch.report.findings.model import Finding, Missing, Verdict, combine
from igbatch.report.findings.similarity import target_likeness
from igbatch.report.sentences import parts

Sums = tuple[tuple[float, float], tuple[float, float]]
"""Sums in (eagle's box, magpie's box), for the targets eagle and magpie."""

OPPOSED: Sums = ((0.8, -0.2), (-0.3, 0.7))
AGREEING: Sums = ((0.8, 0.2), (0.3, 0.7))
NEGLIGIBLE: Sums = ((1e-8, 2e-8), (3e-8, 1e-8))


def find(results: Any) -> list[Finding]:
    return [*box_findings(results), *target_likeness(results, list(results.images["image_id"]))]


def finding(results: Any, key: str) -> Finding:
    (found,) = findings(results, key)
    return found


def findings(results: Any, *keys: str) -> list[Finding]:
    every = find(results)
    chosen = [found for key in keys for found in every if found.key == key]
    assert [found.key for found in chosen] == [*keys]
    for found in chosen:
        assert found.answer.endswith(".")
        for text in (found.claim, found.criterion, found.answer, found.brief):
            assert not re.search(r" [.,;:)]|\( |  ", text), text
    return chosen


def test_the_claims_of_the_experiment_hold_where_they_are_true(study: Any) -> None:
    results = study({"random-1": NEGLIGIBLE, "random-2": NEGLIGIBLE, "trained": OPPOSED})
    claims = ("random_negligible", "trained_significant", "trained_opposition", "random_no_opposition")
    for found in findings(results, *claims):
        assert found.verdict is Verdict.HOLDS, found.key


def test_the_numbers_are_told(study: Any) -> None:
    results = study({"random-1": NEGLIGIBLE, "trained": OPPOSED})
    answer = finding(results, "trained_opposition").answer
    assert "eagle box counts against magpie in 6 of 6 images" in answer
    assert "magpie box counts against eagle in 6 of 6 images" in answer
    evidence = finding(results, "random_negligible").evidence
    assert evidence is not None
    assert len(evidence.rows) == 4
    assert all(len(row) == len(evidence.head) for row in evidence.rows)


def test_random_sums_of_size_are_not_negligible(study: Any) -> None:
    large = study({"random-1": AGREEING, "trained": OPPOSED})
    assert finding(large, "random_negligible").verdict is Verdict.FAILS
    some = study({"random-1": ((0.1, 1e-8), (1e-8, 1e-8)), "trained": OPPOSED})
    assert finding(some, "random_negligible").verdict is Verdict.MIXED


def test_negligible_is_judged_beside_the_trained_model_too(study: Any) -> None:
    faint = tuple(tuple(total / 1000 for total in row) for row in OPPOSED)
    results = study({"random-1": ((1e-3, 1e-3), (1e-3, 1e-3)), "trained": faint})
    assert finding(results, "random_negligible").verdict is Verdict.FAILS
    alone = study({"random-1": ((1e-3, 1e-3), (1e-3, 1e-3))})
    assert finding(alone, "random_negligible").verdict is Verdict.HOLDS


def test_trained_sums_that_vanish_are_not_significant(study: Any) -> None:
    results = study({"trained": NEGLIGIBLE})
    assert finding(results, "trained_significant").verdict is Verdict.FAILS
    some = study({"trained": ((0.8, 1e-8), (1e-8, 0.7))})
    assert finding(some, "trained_significant").verdict is Verdict.MIXED


def test_boxes_that_agree_are_not_opposed(study: Any) -> None:
    assert finding(study({"trained": AGREEING}), "trained_opposition").verdict is Verdict.FAILS
    half = study({"trained": ((0.8, -0.2), (0.3, 0.7))})
    assert finding(half, "trained_opposition").verdict is Verdict.MIXED


def test_random_models_that_show_the_pattern_are_named(study: Any) -> None:
    both = study({"random-1": OPPOSED, "random-2": OPPOSED, "trained": OPPOSED})
    assert finding(both, "random_no_opposition").verdict is Verdict.FAILS
    one = finding(study({"random-1": OPPOSED, "random-2": AGREEING}), "random_no_opposition")
    assert one.verdict is Verdict.MIXED
    assert "1 of 2 random variants show the whole pattern (random-1)" in one.answer


def test_signs_that_differ_between_images_are_mixed(drawn: Any, birds: Any) -> None:
    maps = {}
    for index in range(8):
        turned = -1 if index % 2 else 1
        for target, values in birds((0.8, 0.2 * turned), (0.3 * turned, 0.7), index).items():
            maps["trained", f"{index}.png", target] = values
    found = finding(drawn(maps), "trained_opposition")
    assert found.verdict is Verdict.MIXED
    assert "in 4 of 8 images" in found.answer


@pytest.mark.parametrize("images", [1, 3])
def test_too_few_images_cannot_tell(study: Any, images: int) -> None:
    results = study({"random-1": NEGLIGIBLE, "trained": OPPOSED}, images=images)
    for key in ("trained_opposition", "random_no_opposition"):
        found = finding(results, key)
        assert found.verdict is Verdict.UNKNOWN
        assert "too few images" in found.answer


def test_what_is_not_in_the_study_cannot_be_told(study: Any) -> None:
    trained = study({"trained": OPPOSED})
    for key in ("random_negligible", "random_no_opposition", "random_alike"):
        found = finding(trained, key)
        assert found.verdict is Verdict.UNKNOWN
        assert "the study has no" in found.answer
    random = study({"random-1": OPPOSED})
    for key in ("trained_significant", "trained_opposition", "trained_alike"):
        assert finding(random, key).verdict is Verdict.UNKNOWN


def test_without_boxes_only_the_maps_are_compared(study: Any) -> None:
    results = study({"random-1": NEGLIGIBLE, "trained": OPPOSED}, boxes=())
    found = {f.key: f.verdict for f in find(results)}
    assert [key for key, verdict in found.items() if verdict is not Verdict.UNKNOWN] == [
        "random_alike",
        "trained_alike",
    ]


def test_outputs_without_a_scale_are_judged_beside_the_trained_model(study: Any) -> None:
    sums = {"random-1": ((0.02, 0.02), (0.02, 0.02)), "trained": ((8.0, -2.0), (-3.0, 7.0))}
    assert finding(study(sums, output="logit"), "random_negligible").verdict is Verdict.HOLDS
    alone = {"random-1": sums["random-1"]}
    assert finding(study(alone, output="logit"), "random_negligible").verdict is Verdict.UNKNOWN


def test_other_targets_than_boxes_have_no_opposition(drawn: Any, noise: Any) -> None:
    maps = {("trained", f"{i}.png", t): noise(i) for i in range(5) for t in ("predicted", "top-2")}
    found = finding(drawn(maps, targets=("predicted", "top-2")), "trained_opposition")
    assert found.verdict is Verdict.UNKNOWN
    assert "two classes" in found.answer


def test_every_reason_that_a_claim_cannot_be_told_has_words() -> None:
    numbers: dict[str, Any] = {"min_images": 4, "largest_count": 2, "min_count": 4}
    numbers |= {"measure": "deletion", "measured": 2, "counted": 9}
    words = {each: parts("findings/missing.j2", missing=each, **numbers) for each in Missing}
    assert len({texts["brief"] for texts in words.values()}) == len(Missing)
    for texts in words.values():
        assert texts["brief"]
        assert texts["answer"] == f"It cannot be told: {texts['brief']}."


@pytest.mark.parametrize(
    ("passed", "verdict"),
    [
        ([True, True], Verdict.HOLDS), ([False, None], Verdict.FAILS), ([True, False], Verdict.MIXED),
        ([None], Verdict.UNKNOWN), ([], Verdict.UNKNOWN),
    ],
)  # fmt: skip
def test_combining_parts(passed: list[bool | None], verdict: Verdict) -> None:
    assert combine(passed) is verdict


@pytest.mark.parametrize(
    ("sides", "claim"),
    [
        ((True, False), "the box of the eagle for the eagle, and that of the none against it."),
        ((True,), "the box of the eagle for the eagle."),
        ((False, False), "the box of the none against the eagle."),
        ((), "the box of the eagle for the eagle, and that of the none against it."),
    ],
)
def test_a_contrast_claims_nothing_of_a_class_without_boxes(sides: tuple[bool, ...], claim: str) -> None:
    sums = [{"for_first": side} for side in sides]
    numbers = {"output": "logit", "min_count": 4, "min_images": 3}
    said = parts(
        "findings/contrast.j2", first="eagle", other="none", sums=sums, missing=True, why="", **numbers
    )
    assert said["claim"] == f"Asked “eagle or none”, the trained model counts {claim}"
