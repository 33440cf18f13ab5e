"""What is said of a study: what it is, sentences that other data turn, warnings where they apply."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.images.box_counts import BoxCounts
from igbatch.reduce.summary import Summary, WorstMap
from igbatch.report.color.wording import region_words
from igbatch.report.findings.boxes import box_findings
from igbatch.report.findings.deletions import deletion_findings
from igbatch.report.findings.model import Finding
from igbatch.report.findings.similarity import target_likeness
from igbatch.report.findings.summary import BaselineMean, cautions, describe, summary_sentences
from igbatch.report.page.csv_tables import take_quarantine
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import aggregate_box_sums
from igbatch.statistics.agreement import aggregate_deletions
from igbatch.text import number

OPPOSED = ((0.8, -0.2), (-0.3, 0.7))
AGREEING = ((0.8, 0.2), (0.3, 0.7))
NEGLIGIBLE = ((1e-8, 2e-8), (3e-8, 1e-8))
LOST = {"image_id": "0.png", "variant_id": "trained", "target": None, "stage": "image", "error": "broken"}


@pytest.fixture
def study(study: Callable[..., Any]) -> Callable[..., Any]:
    """Make such a study of twelve images, of which intervals can be told."""
    return partial(study, images=12)


def summed(results: StudyResults, *more: Finding) -> list[str]:
    images = results.listing.ids(range(results.n_images))
    findings = [*box_findings(results), *more, *target_likeness(results, images)]
    lines = summary_sentences(results, findings, take_quarantine(results, 1)[2])
    for sentence in lines:
        assert sentence.endswith(".")
        assert ". " not in sentence  # one sentence each
        assert sentence[0].isupper()
        assert not re.search(r" [.,;:)]|\( |  ", sentence), sentence
    return lines


def test_a_study_that_is_whole_says_so_and_one_that_is_not_counts_what_is_missing(
    study: Any, drawn: Any, noise: Any
) -> None:
    whole = summed(study({"random-1": NEGLIGIBLE, "trained": OPPOSED}))[0]
    assert "12 images in 1 trained model and 1 random model" in whole
    assert "is whole: all 48 maps are there" in whole
    maps = {("trained", "1.png", target): noise(1) for target in ("eagle", "magpie")}
    images = ["0.png", "1.png"]
    assert "2 of 4 maps are missing." in summed(drawn(maps, images=images))[0]
    lost = drawn(maps, images=images, quarantine=[LOST])
    assert "2 of 4 maps are missing, all of them in quarantine." in summed(lost)[0]


def test_what_normalization_does_follows_the_maps(drawn: Any, noise: Any, study: Any) -> None:
    blobs = np.kron(noise(0)[:8, :8] ** 2, np.ones((8, 8), np.float32))
    alike = {
        (variant, "a", target): blobs / strength
        for variant in ("trained", "random-1")
        for target, strength in (("eagle", 1), ("magpie", 100))
    }
    lines = summed(drawn(alike))[1]
    assert "holds for the trained model (SSIM on pixels 1.00, jointly 0." in lines
    assert " and for random models (SSIM on pixels 1.00" in lines
    apart = summed(study({"random-1": ((0.8, 0.0), (0.0, 0.8)), "trained": ((0.8, 0.0), (0.0, 0.8))}))[1]
    assert "does not hold for the trained model" in apart
    one = summed(drawn({("trained", "a.png", "eagle"): noise(1)}, targets=("eagle",)))[1]
    assert "cannot be told for the trained model (it takes maps of two targets that were kept," in one
    assert "for random models (the study has no variant with random parameters)" in one


def test_what_the_boxes_say_follows_the_sums(study: Any) -> None:
    lines = summed(study({"random-1": NEGLIGIBLE, "trained": OPPOSED}))[2]
    assert "the trained model's sums are significant (4 of 4" in lines
    assert "those of random models are negligible (" in lines
    assert "classes holds for the trained model (negative in 24 of 24 cases)" in lines
    turned = summed(study({"random-1": OPPOSED, "trained": NEGLIGIBLE}))[2]
    assert "the trained model's sums are not significant (0 of 4" in turned
    assert "those of random models are not negligible (" in turned
    agreeing = summed(study({"trained": AGREEING}))[2]
    assert "does not hold for the trained model (negative in 0 of 24 cases)" in agreeing
    assert (
        "those of random models cannot be judged (the study has no variant with random parameters)"
        in agreeing
    )
    assert summed(study({"trained": OPPOSED}, boxes=()))[2].startswith("Nothing is said of boxes")
    few = summed(study({"trained": OPPOSED}, images=1))[2]
    why, random = "no box label is on at least 4 computed images", "no variant with random parameters"
    assert few == f"What the sums in boxes say cannot be told: {why}, and the study has {random}."
    both = summed(study({"random-1": OPPOSED, "trained": OPPOSED}, images=1))[2]
    assert both == f"What the sums in boxes say cannot be told: {why}."


def significance(adjusted: list[float], models: int) -> pd.DataFrame:
    rows = [
        {
            "test": "null", "variant_id": "trained", "image_id": None, "box_label": "eagle",
            "target": "eagle", "statistic": name, "family": "scale-free", "n_null": models,
            "p_smallest": 1 / (models + 1), "p_adjusted": p,
        }
        for name, p in zip(("share", "density_ratio"), adjusted, strict=False)
    ]  # fmt: skip
    columns = ["test", "variant_id", "image_id", "box_label", "target", "statistic", "family", "n_null"]
    return pd.DataFrame(rows, columns=[*columns, "p_smallest", "p_adjusted"])


@pytest.mark.parametrize(
    ("adjusted", "models", "lines"),
    [
        ([0.01, 0.02], 40, "all tests free of scale reached an adjusted p of at most 5\u00a0%: where the"),
        ([0.01, 0.30], 40, "some tests free of scale reached an adjusted p of at most 5\u00a0%: its maps "
                           "differ from random ones in share of |a|, and"),
        ([0.40, 0.30], 40, "no tests free of scale reached an adjusted p of at most 5\u00a0%: its maps "
                           "have not been shown"),
        ([0.20, 0.20], 9, "cannot reach 5\u00a0% against 9 random models: it takes at least 19"),
        ([], 40, "There is no test over the data set"),
    ],
)  # fmt: skip
def test_what_the_tests_say_follows_their_p(
    study: Any, monkeypatch: pytest.MonkeyPatch, adjusted: list[float], models: int, lines: str
) -> None:
    results = study({"random-1": NEGLIGIBLE, "trained": OPPOSED}, images=1)
    monkeypatch.setattr(type(results), "randomized", True)
    results.significance = significance(adjusted, models)
    assert lines in summed(results)[3]


def test_without_tests_it_is_said_why(study: Any) -> None:
    both = summed(study({"random-1": NEGLIGIBLE, "random-2": NEGLIGIBLE, "trained": OPPOSED}))[3]
    assert "no randomization section, and its 2 random models are examples" in both
    assert "no random model to hold against" in summed(study({"trained": OPPOSED}))[3]
    assert "no trained model to hold against" in summed(study({"random-1": OPPOSED}))[3]


def test_what_to_be_careful_about_is_what_weighs_most(
    study: Any, drawn: Any, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = summed(study({"trained": OPPOSED}))[4]
    assert good.startswith("All maps converged (the largest error is 0\u00a0% of what is allowed)")
    off = summed(study({"trained": OPPOSED}, gap=0.5))[4]
    assert "24 of 24 maps did not converge, the worst one (trained, " in off
    maps = {("trained", "1.png", target): noise(1) for target in ("eagle", "magpie")}
    gone = summed(drawn(maps, images=["0.png", "1.png"]))[4]
    assert "50.0\u00a0% of the maps are not computed yet; 2 images give no interval" in gone
    lost = summed(drawn(maps, images=["0.png", "1.png"], quarantine=[LOST]))[4]
    assert "50.0\u00a0% of the maps are in quarantine" in lost
    results = study({"trained": OPPOSED})
    totals = results.totals
    totals.baselines["trained", "magpie"] = 0.3
    lines = summary_sentences(results, [*box_findings(results), *target_likeness(results, [])], 0)[4]
    assert lines == "Be careful most of all: trained gives magpie 30.0\u00a0% at the baseline already."


def test_a_study_of_which_nothing_is_computed_has_five_sentences(drawn: Any) -> None:
    lines = summed(drawn({}, images=["a.png"], kinds={"trained": "trained"}))
    assert "none of its 2 maps has been computed" in lines[0]
    assert "cannot be told" in lines[1]
    assert lines[2].startswith("Nothing is said of boxes")
    assert "nothing here is a result" in lines[4]


def test_names_of_the_data_are_one_visible_line(drawn: Any) -> None:
    target = "ea\ngle\u202e"
    maps = {("trained", "a.png", target): np.ones((16, 16), np.float32)}
    assert "ea�gle�" in summed(drawn(maps, targets=(target,)))[0]


@pytest.mark.parametrize(
    ("counts", "caution"),
    [
        (None, None),
        (BoxCounts(4, 2, 2), None),
        (BoxCounts(4, 2, 2, unknown_images=117_000), None),
        (BoxCounts(4, 1, 2), None),
        (BoxCounts(4, 1, 2, unknown_images=1),
         "Boxes: 4 boxes on 1 of 2 images; 1 of the file's images is not in the study."),
        (BoxCounts(4, 2, 2, crowd=3), "Boxes: 4 boxes on 2 of 2 images; 3 crowd regions are left out."),
    ],
)  # fmt: skip
def test_boxes_that_were_left_out_or_not_found_are_a_caution(
    drawn: Any, noise: Any, counts: BoxCounts | None, caution: str | None
) -> None:
    study = drawn({("trained", image, "eagle"): noise(1) for image in "ab"}, targets=["eagle"])
    study.record["boxes"] = counts and counts.record()
    lines = cautions(study, 0)
    assert [each for each in lines if each.startswith("Boxes")] == ([caution] if caution else [])


WORST = WorstMap(0.5, ("trained", "a.png", "eagle"), 50, 0.001, 0.002, True)
PLAIN: dict[str, Any] = {
    "rows": 12, "converged": 12, "estimated": 12, "largest_error": 0.009, "worst_map": WORST,
}  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "more", "added"),
    [
        ({}, {}, ()),
        ({}, {"raw_end": 0.05}, ("The raw scale ends at ±0.05 a pixel, the round number",)),
        ({}, {"raw_end": 0.05, "region": region_words(8)}, ("The raw scale ends at ±0.05 a patch of 8",)),
        ({"estimated": 0}, {}, ("With a fixed number of steps",)),
        ({"estimated": 3}, {}, ("The largest stated error is 0.90\u00a0% of its map", "With a fixed number")),
        ({"negligible": 1}, {}, ("1 map is negligible: too small",)),
        ({"negligible": 2}, {}, ("2 maps are negligible: too small",)),
        ({"constant": {("trained", "eagle"): 2}}, {}, ("2 maps are 0 (trained for eagle): the output",)),
        ({"constant": {("a", "eagle"): 1, ("b", "eagle"): 2}}, {},
         ("3 maps are 0, most of them of b for eagle (2): the output does not change",)),
        ({}, {"baseline": BaselineMean("trained", "eagle", 0.25)},
         ("The baseline is not nothing to the model: trained gives eagle 25.0\u00a0% there.",)),
        ({}, {"boxes": "3 boxes on 1 of 2 images"}, ("Boxes: 3 boxes on 1 of 2 images.",)),
        ({}, {"sign_depends": 3, "signed": 8}, ("The sign of 3 of 8 box sums depends on the baseline: ",)),
        ({}, {"gone": 2, "quarantined": 1}, ("2 maps of 13 are missing (some are in quarantine, see",)),
        ({}, {"gone": 2, "quarantined": 2}, ("2 maps of 13 are missing (all in quarantine, see",)),
        ({}, {"gone": 2}, ("2 maps of 13 are missing (they are not computed yet): ranges over",)),
    ],
)  # fmt: skip
def test_each_caution_stands_where_it_applies(
    summary: dict[str, Any], more: dict[str, Any], added: tuple[str, ...]
) -> None:
    nothing = {"raw_end": None, "baseline": None, "boxes": "", "expected": 13, "gone": 0, "quarantined": 0}
    nothing |= {"sign_depends": 0, "region": region_words(1)}
    settings = {"tolerance": 0.01, "atol": 1e-6, "baselines": 1, "copies": 1}
    lines = sentences("caveats.j2", summary=Summary(**PLAIN | summary), settings=settings, **nothing | more)
    expected = [
        "The same numbers look different under different ranges. ",
        "12 of 12 maps converged (allowed is an error of 1 %, of the sum of |a| where it is estimated",
        *(() if "estimated" in summary else ("The largest stated error is 0.90\u00a0% of its map (",)),
        *added,
    ]
    assert len(lines) == len(expected)
    for words in expected:
        assert any(each.startswith(words) for each in lines), words
    assert not [each for each in lines if re.search(r" [.,;:)]|\( ", each) or not each.endswith(".")]


def test_the_raw_scale_is_that_of_the_regions_that_are_shown(drawn: Any, noise: Any, study: Any) -> None:
    small = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], patches=False)
    for results, regions, one in (
        (study({"trained": OPPOSED}), "patch 8", "patch of 8"),
        (small, "pixel", "pixel"),
    ):
        end = number(results.scope_range("raw", regions=regions).maximum, 1)
        (said,) = [each for each in cautions(results, 0) if each.startswith("The raw scale")]
        assert said.startswith(f"The raw scale ends at ±{end} a {one}, the round number")
        assert f"the number of such {'patches' if regions == 'patch 8' else 'pixels'} stands" in said


def test_of_no_map_there_is_little_to_say(drawn: Any) -> None:
    study = drawn({}, images=["a"], kinds={"trained": "trained"})
    lines = cautions(study, 0)
    assert lines[1:] == ["No map has been computed."]


def fact(study: Any, name: str) -> str:
    return describe(study)[1][name]


@pytest.mark.parametrize(("map_error", "rule"), [(None, "gauss-legendre rule"), (0.01, "adaptive steps")])
def test_the_integration_is_named(drawn: Any, noise: Any, map_error: float | None, rule: str) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=map_error)
    assert fact(study, "Integration") == f"{rule}, 50 steps"
    rounded = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], precision="bfloat16")
    assert fact(rounded, "Arithmetic") == "bfloat16 on cpu"


def test_steps_of_a_map_over_several_baselines_are_told_by_path(
    drawn: Any, noise: Any, change_study: Any
) -> None:
    several = {"baseline": ["gray", "black"]}
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    change_study(study, attribution=several)
    assert fact(study, "Integration") == "gauss-legendre rule, 25 steps on each of 2 paths"
    assert "50 steps over 2 paths)" in " ".join(cautions(study, 0))
    adaptive = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=0.01)
    change_study(adaptive, attribution=several)
    assert fact(adaptive, "Integration") == "adaptive steps, 50 steps over 2 paths"
    nothing = drawn({}, kinds={"trained": "trained"})
    change_study(nothing, attribution=several)
    assert fact(nothing, "Integration") == "gauss-legendre rule, 50 steps on each of 2 paths"


def test_before_anything_is_computed_the_study_says_how(drawn: Any) -> None:
    kinds = {"trained": "trained"}
    assert fact(drawn({}, kinds=kinds), "Integration") == "gauss-legendre rule, 50 steps"
    adaptive = drawn({}, kinds=kinds, map_error=0.0)
    assert fact(adaptive, "Integration") == "adaptive steps, as many as needed"
    assert fact(adaptive, "Arithmetic") == "nothing yet on nothing yet"


def test_variants_of_some_images_are_told_and_complete_with_these(drawn: Any, noise: Any) -> None:
    maps = {("trained", image, "eagle"): noise(1) for image in "abc"}
    maps |= {("random-1", "b", "eagle"): noise(2)}
    study = drawn(maps, images=["a", "b", "c"], targets=["eagle"], subsets={"random-1": ["b"]})
    assert fact(study, "Variants") == "trained and random-1 (random parameters, on 1 image only)"
    assert "4 of 4 maps are there" in describe(study)[0]


def test_maps_that_are_not_smoothed_say_nothing_of_it(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    assert "Smoothing" not in describe(study)[1]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (None, "no boxes"),
        ("b.csv", "boxes of b.csv (812 boxes on 1 of 1 image)"),
        ({"path": "b.csv", "match": "stem"}, "boxes of b.csv (812 boxes on 1 of 1 image)"),
    ],
)
def test_boxes_are_told_with_their_number(
    drawn: Any, noise: Any, boxes: Any, words: str, change_study: Any
) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    change_study(study, images={"boxes": boxes})
    if boxes:
        study.record["boxes"] = BoxCounts(812, 1, 1, unchecked=812).record()
    assert fact(study, "Data") == f"1 image of photos, {words}"


def test_an_output_of_before_counted_no_boxes(drawn: Any, noise: Any, change_study: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    change_study(study, images={"boxes": "b.csv"})
    assert study.box_counts is None
    assert fact(study, "Data") == "1 image of photos, boxes of b.csv"


def contrasted(results: StudyResults, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Give a study the contrast of eagle and magpie; return its boxes with the differences of their sums."""
    name = "eagle - magpie"
    boxes = results.box_stats.astype({"deletion": float})
    keys = ["variant_id", "image_id", "box_label", "box_id"]
    eagle, magpie = (boxes[boxes["target"] == each].set_index(keys) for each in ("eagle", "magpie"))
    contrast = eagle.assign(target=name, sum=eagle["sum"] - magpie["sum"]).reset_index()[list(boxes)]
    boxes = pd.concat([boxes, contrast], ignore_index=True)
    results.__dict__["aggregates"] = aggregate_box_sums(boxes, contrasts={name: ("eagle", "magpie")})
    monkeypatch.setattr(type(results), "contrasts", {name: ("eagle", "magpie")})
    return boxes


def test_removals_and_contrasts_have_a_sentence_each(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    results = study({"trained": AGREEING})
    assert len(summed(results)) == 5
    boxes = contrasted(results, monkeypatch)
    odd = (boxes["target"] == "eagle") & (boxes["box_label"] == "magpie") & (boxes["image_id"] == "0.png")
    boxes["deletion"] = boxes["sum"].where(~odd, -1.0)
    results.__dict__["deletions"] = aggregate_deletions(boxes)
    removed, asked = summed(results, *deletion_findings(results))[3:5]
    share = "98.6\u00a0%, 95 % interval 75.8\u00a0% to 100\u00a0% if each image counts once"
    assert f"the sign of the sum in it in 71 of 72 cases (image, box label, target; {share})" in removed
    assert "least often in the magpie box for eagle (91.7\u00a0% of 12 images, 64.6\u00a0% to " in removed
    assert asked.startswith(
        "Asked “eagle or magpie”, the trained model counts the eagle box for the eagle in 12 of"
    )
    assert "counts the magpie box against the eagle in 12 of 12 images" in asked
    assert "which the sums for the eagle alone do not say (negative in 0, mean " in asked


def test_several_trained_models_are_named_and_a_box_that_counts_for_the_other_side_is_said_to(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = study({"trained": OPPOSED, "trained-2": ((0.2, 0.3), (0.8, 0.2))})
    contrasted(results, monkeypatch)
    asked = next(line for line in summed(results) if line.startswith("Asked"))
    first, second = asked.split(", and the trained model trained-2 ")
    assert first.startswith("Asked “eagle or magpie”, the trained model trained counts the eagle box for")
    assert "not for its side" not in first
    assert second.startswith("counts the eagle box for the eagle in 0 of 12 images")
    assert " and so not for its side, and counts the magpie box against the eagle in " in second
    assert ") and so not for its side, nor do the sums for the eagle alone as a rule (neg" in second
    answers = {each.key: each.answer for each in box_findings(results)}
    for key in ("trained_contrast", "trained_opposition"):
        assert answers[key].startswith("In trained the eagle box counts")
        assert "; in trained-2 the eagle box counts" in answers[key]
