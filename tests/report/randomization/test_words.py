"""Sentences follow the numbers: numbers that flip the outcome flip the words."""

from typing import Any

import pytest

from igbatch.report.randomization.means import Means
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.randomization.words import what_maps_depend_on

BETWEEN = "between_targets"
OWN, GAP = "ssim_own", "ssim_own_minus_pair"


@pytest.fixture
def say(means_of: Any, variants: ModelVariants) -> Any:
    def said(changes: Any = None) -> str:
        texts = what_maps_depend_on(Means(means_of(changes), "small"), variants, ["eagle", "magpie"])
        return " ".join(texts)

    return said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "which supports the claim."),
        ({("trained", BETWEEN, GAP): (-0.1, -0.2, -0.05)}, "which speaks against the claim."),
        ({("trained", BETWEEN, GAP): (0.1, -0.2, 0.3)}, "so that the claim has no support."),
        ({("trained", BETWEEN, OWN): 0.2, ("trained", BETWEEN, GAP): -0.1}, "they look alike by neither"),
        ({("trained", BETWEEN, OWN): 0.2}, "which supports the claim in part."),
    ],
)
def test_the_central_claim_is_judged_by_the_gap_and_by_its_interval(
    say: Any, changes: Any, words: str
) -> None:
    (sentence,) = [each for each in say(changes).split("For ") if each.startswith("the trained model, SSIM")]
    assert words in sentence


@pytest.mark.parametrize(
    ("signed", "size", "words"),
    [
        (-0.6, 0.7, "in the same places, with opposite signs"),
        (0.6, 0.7, "in the same places, with the same signs"),
        (0.1, 0.7, "in the same places, with signs that do not go together"),
        (0.1, 0.1, "in different places"),
    ],
)
def test_places_and_signs_of_two_targets(say: Any, signed: float, size: float, words: str) -> None:
    said = say({("trained", BETWEEN, "spearman"): signed, ("trained", BETWEEN, "spearman_abs"): size})
    assert words in said.split("For the mean of")[0]


def test_a_high_similarity_of_unlike_ranks_is_explained(say: Any) -> None:
    assert "SSIM is high all the same" in say()
    alike = {
        (who, BETWEEN, name): 0.9 for who in ("trained", "random") for name in ("spearman", "spearman_abs")
    }
    assert "SSIM is high all the same" not in say(alike)


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        ((0.22, 0.17, 0.27), "as far from the trained model as from each other"),
        ((0.5, 0.45, 0.55), "nearer to the trained model than to each other"),
        ((0.02, 0.0, 0.04), "nearer to each other than to the trained model"),
    ],
)
def test_random_models_among_each_other(say: Any, trained: Any, words: str) -> None:
    said = say({("random", "to_trained", "spearman_abs"): trained})
    assert words in said
    assert "both are next to nothing" in said  # of signed ranks


def test_depth_is_told_by_layer(say: Any) -> None:
    said = say()
    assert "at body (0.30 (0.20 to 0.40), step 2 of 3) and meets that level at stem" in said
    assert (
        "From the patch embedding up, rank correlation with the trained model's maps falls to the level"
        in said
    )
    still = {
        (f"cascade-down-1-{layer}", "to_trained", "spearman"): 0.95 for layer in ("head", "body", "stem")
    }
    assert "the maps hardly depend on parameters; with all layers random it is 0.95" in say(still)
    far = {("cascade-down-1-stem", "to_trained", "spearman"): (0.2, 0.15, 0.25)}
    assert "and never meets that level" in say(far)


def test_single_layers_that_matter_and_that_do_not(say: Any) -> None:
    assert "stem alone brings it below 0.3; head alone leaves it at 0.9 or more." in say()
    both = {
        ("independent-1-stem", "to_trained", "spearman"): 0.1,
        ("independent-1-head", "to_trained", "spearman"): 0.1,
    }
    assert "stem and head each alone brings it below 0.3." in say(both)
    changes = {
        ("independent-1-stem", "to_trained", "spearman"): 0.8,
        ("independent-1-head", "to_trained", "spearman"): 0.8,
    }
    assert "no single layer brings it below 0.3." in say(changes)


@pytest.mark.parametrize(
    ("trained", "random", "gap", "words"),
    [
        (0.2, 0.05, (0.15, 0.1, 0.2), "more like edges than random ones, but neither is an edge map"),
        (0.05, 0.2, (-0.15, -0.2, -0.1), "less like edges than random ones, but neither is an edge map"),
        (0.8, 0.1, (0.7, 0.6, 0.8), "more like edges than random ones."),
        (0.8, 0.79, (0.01, -0.1, 0.1), "as an edge detector's would"),
        (0.1, 0.1, (0.0, -0.1, 0.1), "no difference can be told, and neither is an edge map"),
    ],
)
def test_edge_detectors_are_told(say: Any, trained: float, random: float, gap: Any, words: str) -> None:
    changes = {
        ("trained", "eagle", "sobel_spearman"): trained,
        ("random", "eagle", "sobel_spearman"): random,
        ("difference", "eagle", "sobel_spearman"): gap,
    }
    assert words in say(changes)


@pytest.mark.parametrize(
    ("rise", "words"),
    [((1.5, 1.0, 2.0), "maps grow more complex"), ((-0.5, -0.6, -0.4), "maps grow less complex"),
     ((0.1, -0.5, 0.5), "no rise in complexity can be told")],
)  # fmt: skip
def test_the_efficient_score_is_judged_by_its_sign(say: Any, rise: Any, words: str) -> None:
    assert words in say({("random", "eagle", "complexity_rise"): rise})


def test_nothing_is_said_of_what_was_not_measured(variants: ModelVariants, means_of: Any) -> None:
    nothing = Means(means_of().iloc[:0], "small")
    assert what_maps_depend_on(nothing, variants, ["eagle"]) == ["No maps were compared: none are kept."]
