"""The procedural scenes: determinism, true boxes, labels by size, and stages that know no species."""

from __future__ import annotations

import csv
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from igbatch.birds import scenes
from igbatch.birds.drawing import blend
from igbatch.birds.scenes import (
    CLASSES,
    KINDS,
    SIZE,
    Scene,
    SceneBox,
    render_scene,
    render_without_each,
    write_scenes,
)

SEEDS = range(24)


@lru_cache(maxsize=512)
def scene(seed: int, kind: str | None = None, label: str | None = None) -> Scene:
    return render_scene(seed, kind, label=label)


def difference(first: Scene, second: Scene) -> NDArray[np.bool_]:
    """Where two pictures differ in any channel, bool [SIZE, SIZE]."""
    changed: NDArray[np.bool_] = (first.image != second.image).any(axis=2)
    return changed


def grown(box: SceneBox, share: float) -> tuple[slice, slice]:
    """A box with a margin of a share of its longer side, as rows and columns."""
    margin = int(np.ceil(share * max(box.x_max - box.x_min, box.y_max - box.y_min)))
    return (
        slice(max(0, box.y_min - margin), box.y_max + margin),
        slice(max(0, box.x_min - margin), box.x_max + margin),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scene(kind: str) -> None:
    np.random.seed(1)
    first = render_scene(11, kind)
    np.random.seed(2)
    render_scene(12)  # what was drawn before does not matter
    second = render_scene(11, kind)
    assert np.array_equal(first.image, second.image)
    assert (first.label, first.boxes) == (second.label, second.boxes)
    assert first.image.shape == (SIZE, SIZE, 3)
    assert first.image.dtype == np.uint8


def test_other_seeds_give_other_scenes() -> None:
    assert difference(scene(1), scene(2)).mean() > 0.9
    assert difference(scene(5), scene(2**32 + 5)).mean() > 0.9


def test_kinds_and_labels_come_in_the_stated_shares() -> None:
    kinds = Counter(scenes._checked_kind(seed, None, None) for seed in range(2000))
    assert kinds["single"] / 2000 == pytest.approx(0.60, abs=0.04)
    assert kinds["double"] / 2000 == pytest.approx(0.25, abs=0.04)
    assert kinds["empty"] / 2000 == pytest.approx(0.15, abs=0.04)
    labels = Counter(scene(seed, "single").label for seed in range(80))
    assert set(labels) == set(CLASSES) - {"none"}
    assert min(labels.values()) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_says_who_is_there(kind: str) -> None:
    for seed in SEEDS:
        drawn = scene(seed, kind)
        birds = [box.label for box in drawn.boxes]
        assert drawn.kind == kind
        if kind == "empty":
            assert birds == []
            assert drawn.label == "none"
        elif kind == "single":
            assert birds[0] == drawn.label
            assert set(birds[1:]) <= {"crow", "gull"}
        else:
            assert birds.count("eagle") == birds.count("magpie") == 1
            assert drawn.label in ("eagle", "magpie")


def test_boxes_lie_inside_and_are_tight() -> None:
    """The pixels that the bird changes on the bare stage span its box, but for a faint rim of 2 pixels."""
    for seed in SEEDS:
        drawn = scene(seed, "single")
        for box in drawn.boxes:
            assert 0 <= box.x_min < box.x_max <= SIZE
            assert 0 <= box.y_min < box.y_max <= SIZE
        setting, actors = scenes._staged(seed, "single", None)
        before = setting.image.copy()
        bird = actors[-1]
        assert bird.sprite is not None
        blend(before, bird.sprite)
        changed = np.abs(before - setting.image).max(axis=2) > 0
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        box = drawn.boxes[0]
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert np.abs(np.subtract(found, (box.x_min, box.y_min, box.x_max, box.y_max))).max() <= 2, seed


def test_the_label_is_the_larger_bird_by_far() -> None:
    for seed in SEEDS:
        _, actors = scenes._staged(seed, "double", None)
        areas = {actor.species: actor.area for actor in actors}
        label = scene(seed, "double").label
        other = "magpie" if label == "eagle" else "eagle"
        assert areas[label] >= 1.6 * areas[other], seed
        boxes = {box.label: box for box in scene(seed, "double").boxes}
        small = boxes[other]
        assert max(small.x_max - small.x_min, small.y_max - small.y_min) >= 38, seed
        for name in set(areas) - {"eagle", "magpie"}:
            assert areas[name] < areas[label]


@pytest.mark.parametrize("kind", ["single", "double"])
def test_nothing_but_the_bird_gives_the_class_away(kind: str) -> None:
    """Forcing another species changes no pixel away from the birds (and their shadows)."""
    labels = ("eagle", "magpie", "crow", "gull") if kind == "single" else ("eagle", "magpie")
    for seed in range(12):
        versions = [scene(seed, kind, label) for label in labels]
        assert [version.label for version in versions] == list(labels)
        for other in versions[1:]:
            changed = difference(versions[0], other)
            assert changed.any()
            for box in (*versions[0].boxes, *other.boxes):
                changed[grown(box, 0.35)] = False
            assert not changed.any(), (seed, other.label)


def test_slots_do_not_depend_on_the_label() -> None:
    for seed in range(8):
        settings = [scenes._staged(seed, "single", label)[0] for label in ("eagle", "gull")]
        assert settings[0].slots == settings[1].slots
        assert np.array_equal(settings[0].image, settings[1].image)
        assert settings[0].landscape.light == settings[1].landscape.light


def test_a_label_restricts_the_kinds_that_are_drawn() -> None:
    assert {scene(seed, None, "crow").kind for seed in range(8)} == {"single"}
    assert {scene(seed, None, "none").kind for seed in range(8)} == {"empty"}
    assert {scene(seed, None, "eagle").kind for seed in range(24)} == {"single", "double"}


@pytest.mark.parametrize(
    ("seed", "kind", "label", "message"),
    [
        (-1, None, None, "seed is -1"),
        (0, "triple", None, "kind is 'triple'.*single, double, empty"),
        (0, None, "owl", "label is 'owl'.*eagle, magpie"),
        (0, "double", "crow", "label is 'crow'.*double.*eagle, magpie"),
        (0, "empty", "eagle", "label is 'eagle'.*empty.*none"),
    ],
)
def test_bad_input_is_named(seed: int, kind: str | None, label: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_scene(seed, kind, label=label)


def test_written_files_hold_what_was_drawn(tmp_path: Path) -> None:
    write_scenes(tmp_path / "set", 6, first_seed=3)
    with (tmp_path / "set" / "manifest.csv").open(newline="") as file:
        manifest = list(csv.DictReader(file))
    with (tmp_path / "set" / "boxes.csv").open(newline="") as file:
        boxes = list(csv.DictReader(file))
    assert [row["seed"] for row in manifest] == [str(seed) for seed in range(3, 9)]
    expected = []
    for row in manifest:
        drawn = scene(int(row["seed"]))
        assert (row["image_id"], row["uri"]) == (f"scene-{drawn.seed}.png",) * 2
        assert (row["label"], row["kind"]) == (drawn.label, drawn.kind)
        with Image.open(tmp_path / "set" / row["uri"]) as image:
            assert np.array_equal(np.asarray(image), drawn.image)
        expected += [
            [row["uri"], box.label, *map(str, (box.x_min, box.y_min, box.x_max, box.y_max))]
            for box in drawn.boxes
        ]
    assert [list(row.values()) for row in boxes] == expected
    assert list(boxes[0]) == ["image", "label", "x_min", "y_min", "x_max", "y_max"]


def test_a_negative_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count is -1"):
        write_scenes(tmp_path / "set", -1)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_without_a_bird_is_the_same_to_the_bit_but_for_the_bird_and_its_shadow(kind: str) -> None:
    for seed in SEEDS[:12]:
        drawn, others = render_without_each(seed, kind)
        assert np.array_equal(drawn.image, scene(seed, kind).image)
        assert drawn.boxes == scene(seed, kind).boxes
        assert len(others) == len(drawn.boxes)
        for box, other in zip(drawn.boxes, others, strict=True):
            changed = (drawn.image != other).any(axis=2)
            inside = changed[box.y_min : box.y_max, box.x_min : box.x_max]
            assert inside.mean() > 0.1, (seed, box)
            changed[grown(box, 0.35)] = False
            assert not changed.any(), (seed, box)


def test_what_is_left_without_the_only_bird_does_not_depend_on_its_species() -> None:
    for seed in (3, 5, 7):
        eagle, gull = (render_without_each(seed, "single", label=label) for label in ("eagle", "gull"))
        assert np.array_equal(eagle[1][0], gull[1][0])
        assert not np.array_equal(eagle[0].image, gull[0].image)
