"""A quiz is balanced, the same again under its seed, as the report draws it, and tells no answer too many."""

import base64
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from igbatch.errors import InputError
from igbatch.quiz import pictures
from igbatch.quiz.build import KINDS, SCOPES, counts, make_quiz
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.draw import ALONE, colors_of
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.scales import color_scale
from igbatch.report.quiz.model import digest_of
from igbatch.statistics.patches import patch_sums

Make = Callable[..., Any]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a letter for each picture: drawing them is most of the time that a quiz takes."""
    monkeypatch.setattr(pictures, "figure_png", lambda figure: b"-")
    monkeypatch.setattr(pictures, "figure_jpeg", lambda figure, scale, quality: b"-")
    monkeypatch.setattr(pictures, "panel_figure", lambda panel, numbers: Figure((1, 1)))
    monkeypatch.setattr(pictures, "picture_figure", lambda picture, boxes: Figure((1, 1)))


@pytest.fixture(scope="module")
def made(asked: Any) -> Any:
    return make_quiz(asked, questions=20, seed=1)


def test_it_is_balanced_and_practice_comes_first(made: Any) -> None:
    kinds = [kind for kind in KINDS if kind != "changed"]
    practice = [each.kind for each in made.key.questions if each.practice]
    assert practice == kinds
    assert [each.practice for each in made.page.questions[:4]] == [True] * 4
    found = counts(made.key)
    assert found["kind"] == dict.fromkeys(kinds, 5)
    assert found["normalization"] == dict.fromkeys(SCOPES, 4)
    assert found["numbers"] == {"with": 10, "without": 10}
    assert set(found["palette"].values()) == {5}
    assert "--against" in made.notes[0]


def test_page_and_key_are_of_the_same_questions_and_the_digest_is_of_the_page(made: Any) -> None:
    page, key = made.page, made.key
    assert [each.id for each in page.questions] == [each.id for each in key.questions]
    assert page.digest == key.digest == digest_of(page.model_dump(mode="json", exclude={"digest"}))
    for shown, known in zip(page.questions, key.questions, strict=True):
        assert [each.id for each in shown.choices] == known.choices
        assert known.truth.choice in known.choices
        assert len(shown.pictures) == len(known.maps)
        assert set(known.simulated) == {"chance", "pixels", "values"}
        for choice, second in known.simulated.values():
            assert choice in known.choices
            assert second in (known.second_choices or [None])


def test_no_answer_stands_on_a_page_that_tells_none(asked: Any, made: Any) -> None:
    assert [each.truth is None for each in made.page.questions] == [False] * 4 + [True] * 20
    text = json.dumps(made.page.model_dump(mode="json"))
    words = [each.truth.words for each in made.key.questions if not each.practice]
    told = {each.truth.words for each in made.page.questions if each.truth}
    assert not [line for line in words if line not in told and line in text]
    told_all = make_quiz(asked, questions=2, feedback="after").page.questions
    assert all(each.truth for each in told_all)


def test_pictures_without_numbers_show_none_and_have_one_size(made: Any) -> None:
    sizes: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for shown, known in zip(made.page.questions, made.key.questions, strict=True):
        for picture in shown.pictures:
            assert (picture.alt == "Heat map without its numbers.") != known.numbers
            sizes[known.numbers].add((picture.width, picture.height))
    assert [len(each) for each in sizes.values()] == [1, 1]


def joint_scale(maps: ImageMaps, shown: Any, style: ColorStyle) -> ColorScale:
    """The scale of two maps of an image: from the smallest to the largest value of both."""
    scale = color_scale(maps, "image", *shown[0][:1], shown[0][1:], style)
    assert scale is not None
    found = [maps.values(*each) for each in shown]
    values = [each if style.size == 1 else patch_sums(each, style.size) for each in found if each is not None]
    ends = {"minimum": min(map(np.min, values)), "maximum": max(map(np.max, values))}
    return replace(scale, shared=replace(scale.shared, scope="pair", n_maps=2, **ends))


def test_the_colours_are_those_of_the_reports_figures(asked: Any, made: Any) -> None:
    seen = 0
    for shown, known in zip(made.page.questions, made.key.questions, strict=True):
        if known.palette != "red-white-blue" or known.kind == "box":
            continue
        maps = ImageMaps(asked, known.image_id)
        style = ColorStyle(regions=known.regions, palette=known.palette)
        for (variant, target), picture in zip(known.maps, shown.pictures, strict=True):
            pair = [target, "magpie" if target == "eagle" else "eagle"]
            targets = pair if known.normalization == "pair" else [target]
            scale = color_scale(maps, known.normalization, variant, targets, style)
            if known.normalization == "pair" and known.kind != "targets":
                scale = joint_scale(maps, known.maps, style)
            colors = colors_of(maps.panel(variant, target, scale))
            content = base64.b64decode(picture.uri.split(",", 1)[1])
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            step = 2 * (picture.width - 2 * ALONE) // colors.shape[1]  # pixels of the PNG a pixel of the map
            inside = pixels[2 * ALONE + step // 2 :: step, 2 * ALONE + step // 2 :: step]
            assert np.array_equal(inside[: colors.shape[0], : colors.shape[1]], colors)
            seen += 1
    assert seen >= 4


def test_the_same_seed_gives_the_same_questions_in_another_process_and_another_seed_others(
    asked: Any, made: Any
) -> None:
    def drawn(quiz: Any) -> list[Any]:
        return [(each.kind, each.image_id, each.maps, each.truth.choice) for each in quiz.key.questions]

    few = make_quiz(asked, questions=3, seed=2)
    assert drawn(few) != drawn(made)[:7]
    code = (
        "import sys; sys.path[:0] = ['tests/quiz', 'tests']\n"
        "from conftest import quiz_study\nfrom igbatch.quiz.build import make_quiz\n"
        "print(make_quiz(quiz_study(), questions=3, seed=2).page.digest)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [few.page.digest]


def test_questions_on_what_changed_need_two_outputs_of_which_some_maps_changed(
    study_of: Make, undrawn: None
) -> None:
    tonight, before = study_of(night=1), study_of()
    made = make_quiz(tonight, questions=10, reference=before)
    changed = [each for each in made.key.questions if each.kind == "changed" and not each.practice]
    assert Counter(each.truth.choice for each in changed) == {"yes": 1, "no": 1}
    assert not [note for note in made.notes if "changed" in note]
    assert "none changed clearly" in make_quiz(tonight, questions=4, reference=tonight).notes[0]


def test_numbers_may_stand_below_all_maps_or_none(asked: Any, undrawn: None) -> None:
    for numbers, there in (("with", True), ("without", False)):
        key = make_quiz(asked, questions=1, numbers=numbers).key
        assert {each.numbers for each in key.questions} == {there}


def test_a_study_without_anything_to_ask_is_refused(study_of: Make) -> None:
    with pytest.raises(InputError, match="nothing to ask"):
        make_quiz(study_of(gap=0.5), questions=4)
    with pytest.raises(InputError, match="--questions is 0"):
        make_quiz(study_of(), questions=0)


def test_who_has_the_values_is_right_far_more_often_than_chance(asked: Any, undrawn: None) -> None:
    key = make_quiz(asked, questions=60, seed=3).key
    questions = [each for each in key.questions if not each.practice]
    right = {
        name: sum(each.simulated[name] == (each.truth.choice, each.truth.second) for each in questions)
        for name in ("chance", "pixels", "values")
    }
    assert right["chance"] < right["pixels"] < right["values"]
    assert right["values"] >= 55
