"""Measuring a model: what is counted, on models whose answers are known."""

import numpy as np
import pytest
import torch
from torch import nn

from igbatch.birds.evaluation import CONTRASTS, Evaluation, evaluate
from igbatch.birds.scenes import CLASSES, KINDS, render_scene

NONE = CLASSES.index("none")


class SaysNone(nn.Module):
    """Gives `none` three times the weight of each other class, whatever it is shown."""

    darkest = lightest = 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1:] == (3, 224, 224)
        assert -1 <= images.min() <= images.max() <= 1
        self.darkest, self.lightest = min(self.darkest, images.min()), max(self.lightest, images.max())
        chances = torch.ones(len(images), len(CLASSES))
        chances[:, NONE] = 3.0
        return chances.log()


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    model = SaysNone()
    found = evaluate(model, scenes=24, first_seed=5, faint_scenes=3)
    assert model.darkest < -0.8
    assert model.lightest > 0.8
    return found


@pytest.fixture(scope="module")
def truth() -> list[tuple[str, str]]:
    """Kind and class of the same scenes, drawn here."""
    scenes = [render_scene(seed) for seed in range(5, 29)]
    return [(scene.kind, scene.label) for scene in scenes]


def test_the_confusion_matrix_counts_every_scene(
    evaluation: Evaluation, truth: list[tuple[str, str]]
) -> None:
    expected = np.zeros((5, 5), dtype=int)
    for _, label in truth:
        expected[CLASSES.index(label), NONE] += 1
    np.testing.assert_array_equal(evaluation.confusion, expected)
    assert evaluation.accuracy == expected[NONE, NONE] / 24
    assert (evaluation.first_seed, evaluation.scenes) == (5, 24)


def test_kinds_are_counted_apart(evaluation: Evaluation, truth: list[tuple[str, str]]) -> None:
    totals = {kind: sum(kind == name for name, _ in truth) for kind in KINDS}
    assert evaluation.kinds == {
        kind: (totals[kind], totals[kind] if kind == "empty" else 0) for kind in KINDS
    }


def test_gray_and_faint_scenes_get_the_models_probabilities(evaluation: Evaluation) -> None:
    assert evaluation.gray == pytest.approx(dict.fromkeys(CLASSES, 1 / 7) | {"none": 3 / 7})
    assert list(evaluation.faint) == list(CONTRASTS)
    for right, bare in evaluation.faint.values():
        assert right == pytest.approx(1 / 7)
        assert bare == pytest.approx(3 / 7)
