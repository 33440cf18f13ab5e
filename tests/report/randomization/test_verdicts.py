"""Verdicts follow the numbers, and sentences the verdicts: numbers that flip an outcome flip the words."""

from typing import Any

import pandas as pd
import pytest

from igbatch.report.randomization import verdicts
from igbatch.report.randomization.means import Means
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.sentences import sentences

TARGETS = ["eagle", "magpie"]
RANKS = "rank correlation with the trained model's maps"
NO_LEVEL = {("random", "between_random", "spearman"): None}


def rendered(template: str, **values: Any) -> str:
    """What stands below a heading; no paragraph has more than three sentences."""
    _, *paragraphs = sentences(f"randomization/{template}.j2", **values)
    assert all(text.count(". ") + text.count("? ") <= 3 for text in paragraphs)
    assert not any(" ." in text or " ;" in text for text in paragraphs)
    return " ".join(paragraphs)


def statement(template: str, means: Means, variants: ModelVariants) -> str:
    """What a part of the section says of some means."""
    if template == "targets":
        return rendered(template, **verdicts.strong_pixels(means))
    if template == "random_models":
        return rendered(template, **verdicts.nearer(means))
    if template == "cascade":
        down = variants.cascades[0]
        return rendered(template, fall=verdicts.fall(means, down), direction="down", whence=down.whence)
    if template == "layers":
        found = verdicts.single_layers(means, variants.independent[0])
        return rendered(template, found=found, related=verdicts.RELATED, untouched=verdicts.UNTOUCHED)
    likeness, rise = verdicts.edge_likeness(means, TARGETS), verdicts.complexity_rise(means, TARGETS)
    return rendered(template, likeness=likeness, rise=rise)


def between(who: str, **numbers: Any) -> dict[Any, Any]:
    return {(who, "between_targets", measure): value for measure, value in numbers.items()}


def random(rank: Any) -> dict[Any, Any]:
    return {("random", "to_trained", "spearman_abs"): rank}


def steps(kind: str, **values: Any) -> dict[Any, Any]:
    return {(f"{kind}-1-{layer}", "to_trained", "spearman"): value for layer, value in values.items()}


def edges(trained: float, random: float, gap: Any) -> dict[Any, Any]:
    numbers = {"trained": trained, "random": random, "difference": gap}
    return {(who, "eagle", "sobel_spearman"): value for who, value in numbers.items()}


def rise(value: Any) -> dict[Any, Any]:
    return {("random", "eagle", "complexity_rise"): value}


@pytest.mark.parametrize(("template", "changes", "words"), [
    ("targets", {}, "in the same places, with opposite signs; those of the mean random model's lie in diff"),
    ("targets", between("trained", spearman=0.6, spearman_abs=0.7), "with the same signs;"),
    ("targets", between("trained", spearman=0.1, spearman_abs=0.7), "with signs that do not go together;"),
    ("targets", between("trained", spearman_abs=0.1), "for two targets lie in different places;"),
    ("targets", between("trained", spearman=None), "mean random model's maps for two targets lie in"),
    ("targets", {}, "SSIM of the trained model's and the random models' is high all the same"),
    ("targets", between("random", spearman=0.9), "SSIM of the trained model's is high all the same"),
    ("targets", {}, "Whether the maps look alike is judged under Findings."),
    ("random_models", {}, "By rank, maps of random models have next to nothing in common"),
    ("random_models", {}, "absolute values are as far from the trained model's as from each other."),
    ("random_models", random((0.5, 0.45, 0.55)), "nearer to the trained model's than to each other."),
    ("random_models", random((0.02, 0.0, 0.04)), "nearer to each other than to the trained model's."),
    ("random_models", random((0.22, None, None)), "of too few images to tell"),
    ("cascade", {}, f"From the head down, {RANKS} falls more than half way"),
    ("cascade", {}, "at body (step 2 of 3) and meets that level at stem."),
    ("cascade", steps("cascade-down", stem=(0.2, 0.15, 0.25)), "and never meets that level."),
    ("cascade", steps("cascade-down", head=0.0), "falls to the level between random models at head (step 1"),
    ("cascade", steps("cascade-down", body=0.9, stem=0.9), "the maps hardly depend on parameters."),
    ("cascade", NO_LEVEL, "falls below one half at body (step 2 of 3)."),
    ("layers", {}, f"stem alone brings {RANKS} below 0.3; head alone leaves it at 0.9 or more."),
    ("layers", steps("independent", head=0.1), f"stem and head each alone brings {RANKS} below 0.3."),
    ("layers", steps("independent", stem=0.8), f"no single layer brings {RANKS} below 0.3"),
    ("edges", {}, "For eagle, the trained model's maps are more like edges than random ones, but neither is"),
    ("edges", edges(0.05, 0.2, (-0.15, -0.2, -0.1)), "less like edges than random ones, but neither is"),
    ("edges", edges(0.8, 0.1, (0.7, 0.6, 0.8)), "more like edges than random ones."),
    ("edges", edges(0.8, 0.79, (0.01, -0.1, 0.1)), "as an edge detector's would."),
    ("edges", edges(0.1, 0.1, (0.0, -0.1, 0.1)), "no difference from random models can be told, and neither"),
    ("edges", {}, "maps grow more complex"),
    ("edges", rise((-0.5, -0.6, -0.4)), "maps grow less complex"),
    ("edges", rise((0.1, -0.5, 0.5)), "No rise in complexity under full randomization can be told"),
])  # fmt: skip
def test_numbers_decide_what_is_said(
    template: str, changes: Any, words: str, means_of: Any, variants: ModelVariants
) -> None:
    assert words in statement(template, Means(means_of(changes), variants), variants)


def test_what_was_not_measured_has_no_verdict(variants: ModelVariants, means_of: Any, tests_of: Any) -> None:
    nothing = Means(means_of().iloc[:0], variants)
    assert verdicts.strong_pixels(nothing) == {"trained": None, "random": None}
    assert verdicts.nearer(nothing) == {"signed": None, "size": None}
    assert verdicts.fall(nothing, variants.cascades[0]) is None
    assert verdicts.single_layers(nothing, variants.independent[0]) is None
    assert verdicts.edge_likeness(nothing, TARGETS) == {}
    assert verdicts.complexity_rise(nothing, TARGETS) is None
    assert verdicts.null_verdict(tests_of([])) is None
    assert rendered("cascade", fall=None, direction="up", whence="") == ""
    assert "Binder et al. 2023" in statement("cascade", nothing, variants)


@pytest.mark.parametrize(("changes", "words"), [
    ([{"n_null": 5, "p_smallest": 1 / 6}], "No test can reach 5\u00a0% against 5 random models: it takes"),
    ([{}, {"statistic": "contains_peak"}], "Held against 30 random models, the trained model's maps lie in"),
    ([{}, {"statistic": "contains_peak", "p_adjusted": 0.4}], "shown to in peak in the box."),
    ([{"p_adjusted": 0.4}], "have not been shown to lie in boxes"),
    ([{"family": "of scale"}], "which its confidence alone can bring about"),
    ([{"family": "of scale", "p_adjusted": 0.4}], "Not even in size"),
    ([], "it takes a trained model, random ones, and boxes"),
])  # fmt: skip
def test_tests_against_random_models(tests_of: Any, tested: Any, changes: Any, words: str) -> None:
    found = verdicts.null_verdict(tests_of([tested(**each) for each in changes]))
    text = rendered("nulls", found=found, level="5\u00a0%", min_models=verdicts.MIN_MODELS)
    assert words in text
    assert ("Held against" in text) == (bool(changes) and changes[0].keys() <= {"p_adjusted"})


@pytest.mark.parametrize(
    ("p", "rejecting", "words"),
    [
        (0.001, 0, "Shown at 5\u00a0% adjusted, and in few random models: Q."),
        (0.001, 20, "Shown, but so often in random models that it does not set the trained model apart: Q."),
        (0.3, 20, "Not shown by the sign test: that q."),
        (None, 0, "The last column"),
    ],
)
def test_signs_set_apart_where_random_models_do_not_reject(p: Any, rejecting: int, words: str) -> None:
    row = {"hypothesis": "Q", "p": p, "p_adjusted": p or 1.0, "rejecting": rejecting, "models": 30}
    assert rendered("signs", found=verdicts.sign_verdict(pd.DataFrame([row])), level="5\u00a0%").startswith(
        words
    )


def test_limits_follow_the_study() -> None:
    text = rendered("limits", images=24, smoothed=True, seeds=1, left_out=2)
    assert "smooth variant of the test (Hedström" in text
    assert "2 partly random models computed on some of the images are not drawn above" in text
    assert "Layers were randomized with 1 seed. All this is about one data set of 24 images" in text
    assert rendered("limits", images=24, smoothed=False, seeds=0, left_out=0).startswith("All this is about")
