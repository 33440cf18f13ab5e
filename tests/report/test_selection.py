from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from igbatch.images.selection import select_images
from igbatch.report.selection import (
    MAX_TARGETS,
    MAX_VARIANTS,
    MAX_VARIANTS_RANDOMIZED,
    Selection,
    compared_images,
    left_out,
    select,
    shown_variants,
)
from igbatch.study import SeededSample, Study

STUDY = Study.model_validate(
    {"name": "s", "images": {"root": "."}, "models": {"m": {}}, "targets": ["eagle"]}
)


class Fake:
    """A study of which only variants are known."""

    def __init__(self, kinds: list[tuple[str, str | None]], randomized: bool) -> None:
        self.randomized = randomized
        self.study = STUDY
        self.variants = pd.DataFrame(
            {
                "variant_id": [f"{kind}-{direction}-{n}" for n, (kind, direction) in enumerate(kinds)],
                "model": "small",
                "kind": [kind for kind, _ in kinds],
                "direction": [direction for _, direction in kinds],
            }
        )


KINDS: list[tuple[str, str | None]] = [
    *[("random", None)] * 20, ("trained", None), *[("cascade", "down")] * 5, *[("cascade", "up")] * 5,
]  # fmt: skip


def test_few_variants_are_all_shown() -> None:
    study: Any = Fake(KINDS[:MAX_VARIANTS], True)
    every = list(study.variants["variant_id"])
    assert shown_variants(study, every) == every


def test_of_many_the_trained_ones_and_the_first_of_every_kind_are_shown_in_order() -> None:
    study: Any = Fake(KINDS, True)
    shown = shown_variants(study, list(study.variants["variant_id"]))
    assert shown == [
        "random-None-0", "random-None-1", "trained-None-20", "cascade-down-21", "cascade-down-22",
        "cascade-up-26",
    ]  # fmt: skip
    assert len(shown) == MAX_VARIANTS_RANDOMIZED


def test_other_studies_show_more() -> None:
    study: Any = Fake(KINDS, False)
    every = list(study.variants["variant_id"])
    shown = shown_variants(study, every)
    assert len(shown) == MAX_VARIANTS
    assert shown == [each for each in every if each in shown]


def test_named_variants_are_shown_in_the_order_of_the_study(change_study: Any) -> None:
    study: Any = Fake(KINDS, True)
    change_study(study, report={"variants": ["cascade-up-28", "random-None-3"]})
    assert shown_variants(study, list(study.variants["variant_id"])) == ["random-None-3", "cascade-up-28"]


IMAGES = [f"{index}.png" for index in range(6)]


@pytest.fixture
def study(drawn: Any, noise: Any, change_study: Any) -> Callable[..., Any]:
    """Make a study of six images whose report section is given; the last image has no map."""

    def make(**report: Any) -> Any:
        maps = {
            ("trained", image, target): noise(10 * index + place)
            for index, image in enumerate(IMAGES[:5])
            for place, target in enumerate(("eagle", "magpie"))
        }
        results = drawn(maps, images=IMAGES)
        change_study(results, report=report)
        return results

    return make


def chosen_by(results: Any) -> Selection:
    selection = select(results)
    assert set(selection.reasons) == set(selection.images)
    assert all(selection.reasons.values())
    return selection


def test_the_first_images_are_shown_by_default(study: Any) -> None:
    selection = chosen_by(study(max_images=3))
    assert selection.images == ("0.png", "1.png", "2.png")
    assert selection.featured == ("0.png",)
    assert selection.reasons["1.png"] == "among the first of the study"


def test_featured_images_come_first_whatever_the_rule_and_each_once(study: Any) -> None:
    results = study(featured=["4.png", "x.png", "4.png"], max_images=3)
    selection = chosen_by(results)
    assert selection.images == ("4.png", "0.png", "1.png")
    assert selection.featured == ("4.png",)
    assert selection.strange == ("x.png",)
    assert selection.reasons["4.png"] == "featured"
    assert any("x.png" in note for note in left_out(results, selection, []))


def test_random_images_are_those_of_a_sample_under_the_seed(study: Any) -> None:
    for seed in (0, 1, 2):
        results = study(others="random", seed=seed, max_images=3)
        selection = chosen_by(results)
        taken = select_images(SeededSample(sample=6, seed=seed), pa.array(IMAGES))
        assert taken.all()
        few = [name for name in selection.images if name != IMAGES[5]]
        for size in range(1, 4):  # every shorter list is a sample, too, but for the image without a map
            own = select_images(SeededSample(sample=size + 1, seed=seed), pa.array(IMAGES))
            assert set(few[:size]) <= set(np.array(IMAGES)[own])
        assert selection.reasons[few[0]] == f"chosen at random (seed {seed})"
        assert any(f"at random (seed {seed})" in note for note in left_out(results, selection, []))


def test_images_without_a_map_come_last(study: Any) -> None:
    for others in ("first", "random", "box-contrast", "worst-convergence", "disagreement"):
        assert chosen_by(study(others=others)).images[-1] == "5.png", others


def test_what_a_rule_has_no_score_of_is_said_and_comes_last(study: Any) -> None:
    results = study(others="disagreement", max_images=4)  # no random variant
    selection = chosen_by(results)
    assert selection.images == ("0.png", "1.png", "2.png", "3.png")
    assert selection.scored == 0
    assert any(
        "6 images of 6 have no score by the rule disagreement" in n for n in left_out(results, selection, [])
    )


def test_a_rule_tells_its_number_beside_featured(study: Any) -> None:
    selection = chosen_by(study(others="box-contrast", featured=["2.png"], max_images=3))
    assert selection.reasons["2.png"].startswith("featured; ")
    assert "largest box contrast: " in selection.reasons["2.png"]
    first = selection.images[1]
    assert selection.reasons[first].endswith("'s box)")


def test_what_is_compared_does_not_follow_the_rule(study: Any) -> None:
    for others in ("first", "random", "box-contrast"):
        results = study(others=others, seed=3, featured=["3.png"], max_images=3)
        assert compared_images(results) == ("3.png", "0.png", "1.png"), others


def test_what_is_not_shown_is_said_a_note_each(study: Any) -> None:
    results = study(max_images=3)
    assert left_out(results, chosen_by(study(max_images=6)), []) == []
    results.target_names = [f"t{n}" for n in range(MAX_TARGETS + 2)]
    notes = left_out(results, chosen_by(results), ["box_sums.csv"], ["The audit: lost."])
    assert notes == [
        "3 images of 6: shown are the featured ones and the first others, up to 3 (report.max_images, "
        "report.others). Means and ranges cover all.",
        "Maps of 2 targets: figures, tables and ranges have them.",
        "The audit: lost.",
    ]
