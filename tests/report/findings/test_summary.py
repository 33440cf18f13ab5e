"""Five sentences, each of which other data turn."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.report.findings.find import find
from igbatch.report.findings.summary import five_sentences
from igbatch.report.page.quarantine import take_quarantine
from igbatch.results import StudyResults

OPPOSED = ((0.8, -0.2), (-0.3, 0.7))
AGREEING = ((0.8, 0.2), (0.3, 0.7))
NEGLIGIBLE = ((1e-8, 2e-8), (3e-8, 1e-8))
LOST = {"image_id": "0.png", "variant_id": "trained", "target": None, "stage": "image", "error": "broken"}


@pytest.fixture
def study(drawn: Any, birds: Any) -> Callable[..., Any]:
    """Make a study of variants with given box sums, on a number of images."""

    def make(sums: dict[str, Any], images: int = 12, **more: Any) -> Any:
        maps = {
            (variant, f"{index}.png", target): values
            for number, (variant, (eagle, magpie)) in enumerate(sums.items())
            for index in range(images)
            for target, values in birds(eagle, magpie, seed=100 * number + index).items()
        }
        return drawn(maps, **more)

    return make


def summed(results: StudyResults) -> tuple[str, ...]:
    findings = find(results, results.listing.ids(range(results.n_images)))
    total = take_quarantine(results, 1, 1).total
    said = five_sentences(results, findings, results.totals, total)
    assert len(said) == 5
    for sentence in said:
        assert sentence.endswith(".")
        assert ". " not in sentence  # one sentence each
        assert sentence[0].isupper()
        assert not re.search(r" [.,;:)]|\( |  ", sentence), sentence
    return said


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
    assert "2 of 4 maps are missing, 1 of them in quarantine." in summed(lost)[0]


def test_what_normalization_does_follows_the_maps(drawn: Any, noise: Any, study: Any) -> None:
    blobs = np.kron(noise(0)[:8, :8] ** 2, np.ones((8, 8), np.float32))
    alike = {
        (variant, "a", target): blobs / strength
        for variant in ("trained", "random-1")
        for target, strength in (("eagle", 1), ("magpie", 100))
    }
    said = summed(drawn(alike))[1]
    assert "holds for the trained model (SSIM on pixels 1.00, jointly 0." in said
    assert " and for random models (SSIM on pixels 1.00" in said
    apart = summed(study({"random-1": ((0.8, 0.0), (0.0, 0.8)), "trained": ((0.8, 0.0), (0.0, 0.8))}))[1]
    assert "does not hold for the trained model" in apart
    one = summed(drawn({("trained", "a.png", "eagle"): noise(1)}, targets=("eagle",)))[1]
    assert "cannot be told for the trained model (it takes maps of two targets that were kept," in one
    assert "for random models (the study has no variant with random parameters)" in one


def test_what_the_boxes_say_follows_the_sums(study: Any) -> None:
    said = summed(study({"random-1": NEGLIGIBLE, "trained": OPPOSED}))[2]
    assert "the trained model's sums are significant (4 of 4" in said
    assert "those of random models are negligible (" in said
    assert "classes holds for the trained model (negative in 24 of 24 cases)" in said
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
    assert few.startswith("What the sums in boxes say cannot be told")


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
    ("adjusted", "models", "said"),
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
    study: Any, monkeypatch: pytest.MonkeyPatch, adjusted: list[float], models: int, said: str
) -> None:
    results = study({"random-1": NEGLIGIBLE, "trained": OPPOSED}, images=1)
    monkeypatch.setattr(type(results), "randomized", True)
    results.significance = significance(adjusted, models)
    assert said in summed(results)[3]


def test_without_tests_it_is_said_why(study: Any) -> None:
    both = summed(study({"random-1": NEGLIGIBLE, "random-2": NEGLIGIBLE, "trained": OPPOSED}))[3]
    assert "no randomization section, and its 2 random models are examples" in both
    assert "no random model to hold against" in summed(study({"trained": OPPOSED}))[3]
    assert "no trained model to hold against" in summed(study({"random-1": OPPOSED}))[3]


def test_what_to_be_careful_about_is_what_weighs_most(
    study: Any, drawn: Any, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = summed(study({"trained": OPPOSED}))[4]
    assert good.startswith("All maps converged (the worst one is off by 0\u00a0% of what is allowed)")
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
    said = five_sentences(results, find(results, []), totals, 0)[4]
    assert said == "Be careful most of all: trained gives magpie 30.0\u00a0% at the baseline already."


def test_a_study_of_which_nothing_is_computed_has_five_sentences(drawn: Any) -> None:
    said = summed(drawn({}, images=["a.png"], kinds={"trained": "trained"}))
    assert "none of its 2 maps has been computed" in said[0]
    assert "cannot be told" in said[1]
    assert said[2].startswith("Nothing is said of boxes")
    assert "nothing here is a result" in said[4]


def test_names_of_the_data_are_one_visible_line(drawn: Any) -> None:
    target = "ea\ngle\u202e"
    maps = {("trained", "a.png", target): np.ones((16, 16), np.float32)}
    assert "ea�gle�" in summed(drawn(maps, targets=(target,)))[0]
