"""Training: its targets, which scenes it sees, and a very short run."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from igbatch.birds import training
from igbatch.birds.scenes import CLASSES, Scene, SceneBox, render_scene
from igbatch.birds.training import (
    NONE,
    TRAINING_SEED,
    FreshViews,
    Phase,
    Recipe,
    View,
    soft_target,
    token_classes,
    train,
    view,
)
from igbatch.variants.models import weights_sha256

pytestmark = pytest.mark.slow

RECIPE = Recipe()
EAGLE, MAGPIE = CLASSES.index("eagle"), CLASSES.index("magpie")


def scene(*boxes: SceneBox, label: str = "eagle") -> Scene:
    """A scene of one brightness on the left and another on the right."""
    image = np.full((224, 224, 3), 40, dtype=np.uint8)
    image[:, 112:] = 200
    return Scene(0, "single", image, label, boxes)


@given(st.integers(0, 4), st.floats(0, 1))
def test_a_target_sums_to_one_and_never_rules_a_class_out(label: int, contrast: float) -> None:
    target = soft_target(torch.tensor(label), contrast, RECIPE)
    assert target.shape == (5,)
    assert target.sum().item() == pytest.approx(1)
    assert target.min().item() >= RECIPE.smoothing / 5 * (1 - 1e-5)


def test_a_target_fades_to_none_with_the_contrast() -> None:
    contrasts = [0.0, 0.03, 0.06, 0.12, RECIPE.faint_below, 0.5, 1.0]
    targets = torch.stack([soft_target(torch.tensor(EAGLE), contrast, RECIPE) for contrast in contrasts])
    assert torch.all(targets[1:, EAGLE] >= targets[:-1, EAGLE])
    assert torch.all(targets[1:5, EAGLE] > targets[:4, EAGLE])
    assert torch.all(targets[1:5, NONE] < targets[:4, NONE])
    torch.testing.assert_close(targets[0], soft_target(torch.tensor(NONE), 1.0, RECIPE))
    for faintest in targets[4:]:
        torch.testing.assert_close(faintest, targets[-1])
    assert targets[0].argmax() == NONE
    assert targets[-1].argmax() == EAGLE


def test_targets_of_patches_are_those_of_each_patch() -> None:
    tokens = torch.tensor([[EAGLE, NONE], [MAGPIE, EAGLE]])
    target = soft_target(tokens, 0.1, RECIPE)
    assert target.shape == (5, 2, 2)
    for row, column in itertools.product(range(2), range(2)):
        torch.testing.assert_close(target[:, row, column], soft_target(tokens[row, column], 0.1, RECIPE))


def test_patches_have_the_class_of_the_box_that_covers_them() -> None:
    drawn = scene(SceneBox("magpie", 112, 0, 224, 56), SceneBox("eagle", 0, 112, 28, 140))
    assert token_classes(drawn, 4).tolist() == [
        [NONE, NONE, MAGPIE, MAGPIE],
        [NONE, NONE, NONE, NONE],
        [EAGLE, NONE, NONE, NONE],  # a quarter of the patch, which is just enough
        [NONE, NONE, NONE, NONE],
    ]


def test_a_patch_hardly_touched_is_none() -> None:
    assert token_classes(scene(SceneBox("eagle", 0, 0, 27, 28)), 4).eq(NONE).all()
    assert token_classes(scene(), 14).eq(NONE).all()
    assert token_classes(scene(SceneBox("eagle", 0, 0, 224, 224)), 14).eq(EAGLE).all()


def test_of_two_boxes_the_one_that_covers_more_counts() -> None:
    large, small = SceneBox("eagle", 0, 0, 112, 224), SceneBox("magpie", 0, 0, 60, 224)
    for boxes in ((large, small), (small, large)):
        assert token_classes(scene(*boxes), 2).tolist() == [[EAGLE, NONE], [EAGLE, NONE]]


def test_a_plain_view_is_the_scene_or_its_mirror_image() -> None:
    drawn = scene(SceneBox("eagle", 0, 0, 112, 112))
    phase = replace(RECIPE.phases[1], faint=0.0)
    as_drawn = torch.tensor([40 / 255, 200 / 255])
    seen = set()
    for seed in range(200):
        found = view(drawn, RECIPE, phase, np.random.default_rng(seed))
        assert found.pixels.shape == (3, 224, 224)
        assert found.target.shape == (5,)
        assert found.tokens.shape == (5, 14, 14)
        assert 0 <= found.pixels.min() <= found.pixels.max() <= 1
        mirrored = bool(found.tokens.argmax(0)[0, -1] == EAGLE)
        edges = found.pixels[0, 0, [0, -1]]
        if torch.allclose(edges.sort().values, as_drawn, atol=1e-6):  # neither recoloured nor blank
            assert (edges[0] > edges[1]) == mirrored
            seen.add(mirrored)
    assert seen == {False, True}


def test_views_are_as_large_as_their_phase() -> None:
    found = view(scene(), RECIPE, RECIPE.phases[0], np.random.default_rng(0))
    assert found.pixels.shape == (3, 112, 112)
    assert found.tokens.shape == (5, 7, 7)


def test_a_faded_view_is_near_gray_and_asks_for_less_of_the_bird() -> None:
    phase = replace(RECIPE.phases[1], faint=1.0)
    drawn = scene(SceneBox("eagle", 0, 0, 224, 224))
    spreads, targets = [], []
    for seed in range(100):
        found = view(drawn, RECIPE, phase, np.random.default_rng(seed))
        spreads.append(float(found.pixels.max() - found.pixels.min()))
        targets.append(float(found.target[EAGLE]))
        torch.testing.assert_close(found.tokens[EAGLE], found.target[EAGLE].expand(14, 14))
    faintest, strongest = np.argsort(spreads)[:20], np.argsort(spreads)[-20:]
    assert min(spreads) < 0.05
    assert max(np.take(targets, faintest)) < min(np.take(targets, strongest))


@pytest.fixture
def seeds_drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the scenes that are drawn from here on; the scenes themselves are all alike."""
    seeds: list[int] = []

    def draw(seed: int, kind: str | None = None) -> Scene:
        seeds.append(seed)
        return scene()

    monkeypatch.setattr(training, "render_scene", draw)
    return seeds


def test_training_scenes_are_none_that_a_user_can_draw(
    seeds_drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = [replace(RECIPE, seed=seed) for seed in (0, 1)]
    for recipe, phase, worker in itertools.product(recipes, range(3), range(2)):
        info = SimpleNamespace(id=worker, num_workers=2)
        monkeypatch.setattr(training, "get_worker_info", lambda info=info: info)
        assert len(list(itertools.islice(FreshViews(recipe, phase), 20))) == 20
    assert len(seeds_drawn) > 12 * 8
    assert min(seeds_drawn) >= TRAINING_SEED == 2**32
    assert len(set(seeds_drawn)) == len(seeds_drawn)


def test_scenes_are_drawn_all_the_time(seeds_drawn: list[int]) -> None:
    recipe = replace(RECIPE, views_per_scene=2, scene_pool=8)
    list(itertools.islice(FreshViews(recipe, 0), 101))
    assert len(seeds_drawn) == 8 + 50


def test_a_phase_may_draw_more_scenes_without_a_bird(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[str | None] = []

    def draw(seed: int, kind: str | None) -> Scene:
        kinds.append(kind)
        return scene()

    monkeypatch.setattr(training, "render_scene", draw)
    phases = (replace(RECIPE.phases[0], empty=0.0), replace(RECIPE.phases[0], empty=0.5))
    for phase in range(2):
        list(itertools.islice(FreshViews(replace(RECIPE, phases=phases), phase), 200))
    half = len(kinds) // 2
    assert set(kinds[:half]) == {None}
    assert 0.3 < kinds[half:].count("empty") / half < 0.7


def test_views_follow_from_the_seed() -> None:
    def first(seed: int) -> Iterator[View]:
        return itertools.islice(FreshViews(replace(RECIPE, seed=seed), 0), 3)

    for one, again, other in zip(first(0), first(0), first(1), strict=True):
        assert torch.equal(one.pixels, again.pixels)
        assert torch.equal(one.target, again.target)
        assert not torch.equal(one.pixels, other.pixels)


SHORT = Recipe(
    seed=3,
    phases=(
        Phase(112, 4, 1e-3, token_weight=1.0, faint=0.2, batch=2),
        Phase(224, 2, 1e-3, 0.0, 0.5, batch=1),
    ),
    loaders=0,
)
UNRELATED = itertools.count(100)
"""What torch's generator was seeded with before a run."""


def short_run(recipe: Recipe) -> tuple[nn.Module, list[str]]:
    lines: list[str] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(next(UNRELATED))
        return train(recipe, lines.append), lines


@pytest.fixture(scope="module")
def short() -> tuple[nn.Module, list[str]]:
    return short_run(SHORT)


def test_a_short_run_changes_every_weight(short: tuple[nn.Module, list[str]]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SHORT.seed)
        start = dict(training._build(224).named_parameters())
    for name, tensor in short[0].named_parameters():
        assert not torch.equal(tensor, start[name]), name
        assert torch.isfinite(tensor).all()


def test_a_run_leaves_a_model_for_224_pixels(short: tuple[nn.Module, list[str]]) -> None:
    model, lines = short
    assert not model.training
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 5)
    assert [line.split(":")[0] for line in lines] == ["112 px, step 2 of 2", "224 px, step 2 of 2"]


def test_a_run_that_ends_on_small_views_leaves_such_a_model_too_and_another_seed_another() -> None:
    small = replace(SHORT, phases=SHORT.phases[:1])
    model, _ = short_run(small)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 5)
    assert weights_sha256(short_run(replace(small, seed=4))[0]) != weights_sha256(model)


def test_the_average_follows_the_model_slowly() -> None:
    model, averaged = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    averaged.weight.data.fill_(0.0)
    training._average(averaged, model, 0.9)
    assert averaged.weight.item() == pytest.approx(0.1)
    assert model.weight.item() == 1.0


def test_a_run_follows_from_its_seed(short: tuple[nn.Module, list[str]]) -> None:
    assert weights_sha256(short_run(SHORT)[0]) == weights_sha256(short[0])


def test_a_scene_keeps_its_bird_in_a_view() -> None:
    drawn = render_scene(11, "single")
    found = view(drawn, RECIPE, replace(RECIPE.phases[1], faint=0.0), np.random.default_rng(0))
    assert found.target.argmax() == CLASSES.index(drawn.label)
    assert (found.tokens.argmax(0) == CLASSES.index(drawn.label)).any()
