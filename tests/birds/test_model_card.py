"""The model card: weights as they are saved, and a text made of the numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from igbatch.birds import model_card
from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.model_card import CARD_FILE, WEIGHTS_FILE, describe, save_weights
from igbatch.birds.scenes import CLASSES
from igbatch.birds.training import Recipe


def test_weights_are_saved_as_float16_with_their_classes(tmp_path: Path, some_model: nn.Module) -> None:
    path = tmp_path / "new" / WEIGHTS_FILE
    save_weights(some_model, path)
    with safe_open(path, framework="pt") as stored:
        assert stored.metadata()["architecture"] == BUNDLED_ARCHITECTURE
        assert stored.metadata()["classes"] == ",".join(CLASSES)
        for name, tensor in some_model.state_dict().items():
            assert torch.equal(stored.get_tensor(name), tensor.half()), name


def test_a_share_of_the_recipe_is_trained_saved_and_described(
    tmp_path: Path, some_model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes: list[Recipe] = []

    def train(recipe: Recipe, say: Callable[[str], None]) -> nn.Module:
        recipes.append(recipe)
        return some_model

    def describe(directory: Path, recipe: Recipe, minutes: float, threads: int) -> str:
        assert (directory / WEIGHTS_FILE).is_file()
        assert recipes == [recipe]
        return f"described with {threads} thread(s)"

    monkeypatch.setattr(model_card, "train", train)
    monkeypatch.setattr(model_card, "describe", describe)
    lines: list[str] = []
    found = model_card.train_and_describe(tmp_path, seed=9, share=0.001, threads=1, say=lines.append)
    assert found == "described with 1 thread(s)"
    whole = Recipe(seed=9)
    assert [phase.samples for phase in recipes[0].phases] == [
        max(64, p.samples // 1000) for p in whole.phases
    ]
    assert replace(recipes[0], phases=whole.phases) == whole
    assert len(lines) == 1


@pytest.mark.slow
def test_the_card_says_what_was_measured(tmp_path: Path, some_model: nn.Module) -> None:
    save_weights(some_model, tmp_path / WEIGHTS_FILE)
    recipe = replace(Recipe(seed=17), views_per_scene=3)
    evaluation = describe(tmp_path, recipe, minutes=41.6, threads=1, scenes=6)
    card = (tmp_path / CARD_FILE).read_text("utf-8")
    for part in (
        f"# {BUNDLED_ARCHITECTURE}",
        "It knows drawn scenes, not photographs.",
        f"**{100 * evaluation.accuracy:.2f} %**",
        "6 scenes of seeds 0 to 5",
        f"none {evaluation.gray['none']:.4f}",
        "`igbatch train DIR --seed 17`: 42 minutes",
        "is seen about 3 times",
        "| 112 | 64,000 |",
    ):
        assert part in " ".join(card.split()) or part in card
    for name, row in zip(CLASSES, evaluation.confusion, strict=True):
        assert f"| **{name}** | {' | '.join(str(count) for count in row)} |" in card
    assert not any(len(line) > 400 for line in card.splitlines())
