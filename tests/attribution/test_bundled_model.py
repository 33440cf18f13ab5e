"""On the bundled trained model, whose paths have cliffs: stated errors hold, and float32 rounds as captum's.

Our maps are as near to the same sum in float64 as captum's: both run the same float32 model, whose rounding
decides.
"""

import numpy as np
import pytest
import timm
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from igbatch.attribution import integrated_gradients
from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.scenes import CLASSES, render_scene

TARGETS = [CLASSES.index("eagle"), CLASSES.index("magpie")]
STEPS = 4


def scene(seed: int) -> Tensor:
    """A double scene as the model takes it: [1, 3, 224, 224], mid-gray at 0."""
    pixels = torch.from_numpy(render_scene(seed, "double").image).permute(2, 0, 1).float() / 255
    return (pixels[None] - 0.5) / 0.5


def captum_maps(model: nn.Module, image: Tensor) -> Tensor:
    softmax = IntegratedGradients(nn.Sequential(model, nn.Softmax(dim=1)))
    how = {"n_steps": STEPS, "method": "gausslegendre", "internal_batch_size": STEPS}
    maps = [softmax.attribute(image, 0.0, target, **how)[0].sum(0).detach() for target in TARGETS]
    return torch.stack(maps)


def distance(found: Tensor, expected: Tensor) -> list[float]:
    """Relative L2 distances of maps [K, H, W]."""
    gap = (found.double() - expected.double()).flatten(1).norm(dim=1)
    return (gap / expected.double().flatten(1).norm(dim=1)).tolist()


@pytest.fixture(scope="module")
def model() -> nn.Module:
    trained: nn.Module = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True)
    return trained.eval()


@pytest.mark.slow
def test_adaptive_maps_are_as_near_to_each_other_as_they_state(model: nn.Module) -> None:
    how = {"steps": "auto", "atol": 0.0}
    rough, fine = (
        integrated_gradients(model, scene(9), TARGETS, 0.0, tolerance=tolerance, **how)
        for tolerance in (0.2, 0.02)
    )
    assert rough.converged.all()
    assert fine.converged.all()
    assert int(rough.steps[0, 0]) < int(fine.steps[0, 0])
    stated = (rough.map_error + fine.map_error)[0].tolist()
    for found, bound in zip(distance(rough.attributions[0], fine.attributions[0]), stated, strict=True):
        assert found <= bound <= 0.22


@pytest.mark.slow
def test_float32_maps_are_as_near_to_float64_as_captums(model: nn.Module) -> None:
    ours, captums = [], []
    for seed in (2, 9):
        image = scene(seed)
        single, double = (
            integrated_gradients(model, image, TARGETS, 0.0, steps=STEPS, precision=precision).attributions[0]
            for precision in ("float32", "float64")
        )
        theirs = captum_maps(model, image)
        ours += distance(single, double)
        captums += distance(theirs, double)
        assert max(distance(single, theirs)) < 1e-5
    assert np.sqrt(np.mean(np.square(ours))) <= 1.1 * np.sqrt(np.mean(np.square(captums)))
    assert max(ours) < 1e-5
