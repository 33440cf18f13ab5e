"""Verdicts follow the numbers, and sentences the verdicts: numbers that flip an outcome flip the words."""

from typing import Any

import pytest

from igbatch.report.randomization import verdicts
from igbatch.report.randomization.means import Means
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.sentences import sentences

TARGETS = ["eagle", "magpie"]


@pytest.fixture
def means(means_of: Any, variants: ModelVariants) -> Any:
    return lambda changes=None: Means(means_of(changes), variants)


@pytest.fixture
def nothing(means_of: Any, variants: ModelVariants) -> Means:
    return Means(means_of().iloc[:0], variants)


def said(template: str, **values: Any) -> str:
    """What stands below a heading; no paragraph has more than three sentences."""
    _, *paragraphs = sentences(f"randomization/{template}.j2", **values)
    assert all(text.count(". ") + text.count("? ") <= 3 for text in paragraphs)
    assert not any(" ." in text or " ;" in text or "  " in text for text in paragraphs)
    return " ".join(paragraphs)


@pytest.mark.parametrize(
    ("signed", "size", "places", "words"),
    [
        (-0.6, 0.7, "opposite signs", "lie in the same places, with opposite signs;"),
        (0.6, 0.7, "same signs", "lie in the same places, with the same signs;"),
        (0.1, 0.7, "unrelated signs", "lie in the same places, with signs that do not go together;"),
        (-0.6, 0.1, "apart", "lie in different places;"),
    ],
)
def test_places_and_signs_of_two_targets(
    means: Any, signed: float, size: float, places: str, words: str
) -> None:
    changes = {"spearman": signed, "spearman_abs": size}
    found = verdicts.strong_pixels(means({("trained", "between_targets", k): v for k, v in changes.items()}))
    assert found["trained"].places == places
    text = said("targets", **found)
    assert f"The strong pixels of the trained model's maps for two targets {words}" in text
    assert "those of the mean random model's lie in different places." in text
    assert "judged under Findings" in text
    alone = said("targets", trained=None, random=found["trained"])
    assert f"of the mean random model's maps for two targets {words[:-1]}." in alone


def test_a_high_similarity_of_unlike_ranks_is_explained(means: Any) -> None:
    found = verdicts.strong_pixels(means())
    assert "SSIM of the trained model's and the random models' is high all the same" in said(
        "targets", **found
    )
    alike = {(who, "between_targets", "spearman"): 0.9 for who in ("trained", "random")}
    assert "SSIM of" not in said("targets", **verdicts.strong_pixels(means(alike)))


@pytest.mark.parametrize(
    ("trained", "nearer", "words"),
    [
        ((0.22, 0.17, 0.27), "neither", "as far from the trained model's as from each other"),
        ((0.5, 0.45, 0.55), "to the trained model", "nearer to the trained model's than to each other"),
        ((0.02, 0.0, 0.04), "to each other", "nearer to each other than to the trained model's"),
        ((0.22, None, None), "unknown", "of too few images"),
    ],
)
def test_random_models_among_each_other(means: Any, trained: Any, nearer: str, words: str) -> None:
    found = verdicts.nearer(means({("random", "to_trained", "spearman_abs"): trained}))
    assert found == {"signed": "unrelated", "size": nearer}
    text = said("random_models", **found)
    assert words in text
    assert "By rank, maps of random models have next to nothing in common" in text


STEPS = ("head", "body", "stem")  # of the cascade down, which begins by 0.8, 0.3, 0.0
NO_LEVEL = {("random", "between_random", "spearman"): None}


@pytest.mark.parametrize(
    ("values", "more", "found", "words"),
    [
        ((0.8, 0.3, 0.0), {}, (2, "body", "stem"), "at body (step 2 of 3) and meets that level at stem."),
        (
            (0.0, 0.0, 0.0),
            {},
            (1, "head", "head"),
            "falls to the level between random models at head (step 1",
        ),
        ((0.8, 0.3, 0.2), {}, (2, "body", None), "and never meets that level."),
        ((0.9, 0.9, 0.9), {}, (None, None, None), "the maps hardly depend on parameters."),
        ((0.8, 0.3, 0.0), NO_LEVEL, (2, "body", None), "falls below one half at body (step 2 of 3)."),
    ],
)
def test_depth_is_told_by_layer(
    means: Any, variants: ModelVariants, values: Any, more: Any, found: Any, words: str
) -> None:
    cascade = variants.cascades[0]
    changes = {
        (f"cascade-down-1-{layer}", "to_trained", "spearman"): v
        for layer, v in zip(STEPS, values, strict=True)
    }
    fall = verdicts.fall(means({**changes, **more}), cascade)
    assert fall is not None
    assert (fall.steps, fall.step, fall.half, fall.met) == (3, *found)
    text = said("cascade", fall=fall, direction="down", whence=cascade.whence)
    assert text.startswith("From the head down, rank correlation with the trained model's maps")
    assert words in text
    assert "Binder et al. 2023" in text
    assert "Binder" not in said("cascade", fall=fall, direction="up", whence=variants.cascades[1].whence)


@pytest.mark.parametrize(
    ("stem", "head", "words"),
    [
        (
            0.1,
            0.95,
            "stem alone brings rank correlation with the trained model's maps below 0.3; head alone leaves",
        ),
        (
            0.1,
            0.1,
            "stem and head each alone brings rank correlation with the trained model's maps below 0.3.",
        ),
        (0.8, 0.8, "no single layer brings rank correlation with the trained model's maps below 0.3."),
    ],
)
def test_single_layers_that_matter_and_that_do_not(
    means: Any, variants: ModelVariants, stem: float, head: float, words: str
) -> None:
    changes = {
        (f"independent-1-{name}", "to_trained", "spearman"): v for name, v in (("stem", stem), ("head", head))
    }
    found = verdicts.single_layers(means(changes), variants.independent[0])
    assert words in said("layers", found=found, related=verdicts.RELATED, untouched=verdicts.UNTOUCHED)


@pytest.mark.parametrize(
    ("trained", "random", "gap", "words"),
    [
        (0.2, 0.05, (0.15, 0.1, 0.2), "more like edges than random ones, but neither is an edge map."),
        (0.05, 0.2, (-0.15, -0.2, -0.1), "less like edges than random ones, but neither is an edge map."),
        (0.8, 0.1, (0.7, 0.6, 0.8), "more like edges than random ones."),
        (0.8, 0.79, (0.01, -0.1, 0.1), "as an edge detector's would."),
        (
            0.1,
            0.1,
            (0.0, -0.1, 0.1),
            "no difference from random models can be told, and neither is an edge map.",
        ),
    ],
)
def test_edge_detectors_are_told(means: Any, trained: float, random: float, gap: Any, words: str) -> None:
    numbers = {"trained": trained, "random": random, "difference": gap}
    found = means({(who, "eagle", "sobel_spearman"): value for who, value in numbers.items()})
    text = said("edges", likeness=verdicts.edge_likeness(found, TARGETS), rise=None)
    assert text.startswith("Is it an edge detector? For eagle, ")
    assert words in text


@pytest.mark.parametrize(
    ("rise", "verdict", "words"),
    [
        ((1.5, 1.0, 2.0), "more", "maps grow more complex"),
        ((-0.5, -0.6, -0.4), "less", "maps grow less complex"),
        ((0.1, -0.5, 0.5), "unknown", "No rise in complexity under full randomization can be told"),
    ],
)
def test_the_efficient_score_is_judged_by_its_sign(means: Any, rise: Any, verdict: str, words: str) -> None:
    found = verdicts.complexity_rise(means({("random", "eagle", "complexity_rise"): rise}), TARGETS)
    assert found == verdict
    assert words in said("edges", likeness={}, rise=found)


def test_what_was_not_measured_has_no_verdict(nothing: Means, variants: ModelVariants, tests_of: Any) -> None:
    assert verdicts.strong_pixels(nothing) == {"trained": None, "random": None}
    assert verdicts.nearer(nothing) == {"signed": None, "size": None}
    assert verdicts.fall(nothing, variants.cascades[0]) is None
    assert verdicts.single_layers(nothing, variants.independent[0]) is None
    assert verdicts.edge_likeness(nothing, TARGETS) == {}
    assert verdicts.complexity_rise(nothing, TARGETS) is None
    assert verdicts.null_verdict(tests_of([])) is None
    assert said("cascade", fall=None, direction="up", whence="") == ""


def nulls(rows: Any) -> str:
    return said("nulls", found=verdicts.null_verdict(rows), level="5\u00a0%", min_models=verdicts.MIN_MODELS)


def test_the_number_of_random_models_bounds_p(tests_of: Any, tested: Any) -> None:
    few = nulls(tests_of([tested(n_null=5, p_smallest=1 / 6, p=1 / 6, p_adjusted=1 / 6)]))
    assert few == "No test can reach 5\u00a0% against 5 random models: it takes at least 19."
    assert "it takes a trained model, random ones, and boxes" in nulls(tests_of([]))


@pytest.mark.parametrize(
    ("adjusted", "apart", "words"),
    [
        ((0.04, 0.04), 2, "lie in the boxes, and sign them, as those of random models do not"),
        (
            (0.04, 0.4),
            1,
            "in share of |a|, in at least one box. They have not been shown to in peak in the box.",
        ),
        ((0.4, 0.4), 0, "have not been shown to lie in boxes"),
    ],
)
def test_the_verdict_on_statistics_free_of_scale(
    tests_of: Any, tested: Any, adjusted: tuple[float, float], apart: int, words: str
) -> None:
    names = ("share", "contains_peak")
    rows = tests_of([tested(statistic=name, p_adjusted=p) for name, p in zip(names, adjusted, strict=True)])
    found = verdicts.null_verdict(rows)
    assert found is not None
    assert (len(found.apart), len(found.not_apart), found.bound) == (apart, 2 - apart, None)
    assert f"Held against 30 random models, the trained model's maps {words}"[:40] in nulls(rows)
    assert words in nulls(rows)


@pytest.mark.parametrize(("p", "words"), [(0.04, "its confidence alone"), (0.4, "Not even in size")])
def test_tests_bound_to_scale_prove_little(tests_of: Any, tested: Any, p: float, words: str) -> None:
    text = nulls(tests_of([tested(statistic="sum", family="of scale", p_adjusted=p)]))
    assert words in text
    assert "Held against" not in text


@pytest.mark.parametrize(
    ("p", "rejecting", "words"),
    [
        (0.001, 0, "Shown at 5\u00a0% adjusted, and in few random models: Q."),
        (0.001, 20, "Shown, but so often in random models that it does not set the trained model apart: Q."),
        (0.3, 20, "Not shown: Q."),
        (None, 0, ""),
    ],
)
def test_signs_set_apart_where_random_models_do_not_reject(p: Any, rejecting: int, words: str) -> None:
    row = {"question": "Q", "p": p, "p_adjusted": p or 1.0, "rejecting": rejecting, "models": 30}
    text = said("signs", found=verdicts.sign_verdict([row]), level="5\u00a0%")
    assert text.startswith(words)
    assert text.endswith(
        "The last column counts random models in which the same sign test gives p of at most 5\u00a0%."
    )


def test_limits_follow_the_study() -> None:
    text = said("limits", images=24, smoothed=True, seeds=1)
    assert "smooth variant of the test (Hedström" in text
    assert "Layers were randomized with 1 seed. All this is about one data set of 24 images" in text
    assert said("limits", images=24, smoothed=False, seeds=0).startswith("All this is about")
