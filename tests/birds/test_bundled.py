"""The Swin that ships with igbatch: registered with timm, whole, and as good as its card says."""

import numpy as np
import pytest
import timm
import timm.data
import torch
from safetensors import safe_open
from torch import nn

from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.evaluation import Evaluation, evaluate
from igbatch.birds.facts import BUNDLED_WEIGHTS
from igbatch.birds.model_card import CARD_FILE
from igbatch.birds.scenes import CLASSES
from igbatch.images.baselines import baseline_pixels
from igbatch.images.preprocessing import Preprocessing
from igbatch.variants.models import describe_model
from igbatch.variants.weights import locate_weights


def test_timm_knows_it_by_name() -> None:
    assert timm.is_model(BUNDLED_ARCHITECTURE)
    assert timm.is_model_pretrained(BUNDLED_ARCHITECTURE)
    assert BUNDLED_ARCHITECTURE in timm.list_models("swin_igbatch*", pretrained=True)


def test_timm_loads_its_weights_from_package_data() -> None:
    model = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True)
    state = model.state_dict()
    with safe_open(BUNDLED_WEIGHTS, framework="pt") as stored:
        assert set(stored.keys()) == set(state)
        for name, tensor in state.items():
            assert stored.get_tensor(name).dtype == torch.float16
            assert torch.equal(tensor, stored.get_tensor(name).float()), name


def test_it_is_small() -> None:
    parameters = sum(tensor.numel() for tensor in timm.create_model(BUNDLED_ARCHITECTURE).parameters())
    assert 1e6 <= parameters <= 6e6
    assert BUNDLED_WEIGHTS.stat().st_size < 13e6


def test_its_classes_are_those_of_the_scenes() -> None:
    facts = describe_model(locate_weights("bundled", None, "models.m.weights"), "models.m.weights")
    assert facts.class_names == {name: index for index, name in enumerate(CLASSES)}


def test_mid_gray_is_exactly_zero_to_it() -> None:
    config = timm.data.resolve_data_config(model=timm.create_model(BUNDLED_ARCHITECTURE))
    preprocessing = Preprocessing.from_data_config(config)
    gray = baseline_pixels("gray", np.zeros((224, 224, 3), np.float32))
    assert not preprocessing.normalize(gray).any()


def test_an_image_of_224_pixels_is_taken_as_it_is() -> None:
    geometry = Preprocessing.from_data_config(
        timm.data.resolve_data_config(model=timm.create_model(BUNDLED_ARCHITECTURE))
    ).geometry(224, 224)
    assert (geometry.resized_width, geometry.resized_height) == (224, 224)
    assert (geometry.crop_x, geometry.crop_y) == (0, 0)


@pytest.fixture(scope="module")
def evaluation(trained: nn.Module) -> Evaluation:
    """On 40 scenes of seeds that neither training nor the card's evaluation has seen."""
    return evaluate(trained, scenes=40, first_seed=700_000, faint_scenes=8)


@pytest.mark.slow
def test_it_names_held_out_scenes(evaluation: Evaluation) -> None:
    assert evaluation.confusion.sum() == 40
    assert evaluation.accuracy >= 0.9


@pytest.mark.slow
def test_the_gray_image_is_no_bird_by_a_wide_margin(evaluation: Evaluation) -> None:
    others = [chance for name, chance in evaluation.gray.items() if name != "none"]
    assert evaluation.gray["none"] > 0.8
    assert evaluation.gray["none"] > 10 * max(others)


@pytest.mark.slow
def test_birds_fade_in_from_the_gray_image(evaluation: Evaluation) -> None:
    right = {contrast: chances[0] for contrast, chances in evaluation.faint.items()}
    bare = {contrast: chances[1] for contrast, chances in evaluation.faint.items()}
    assert right[1.0] > 0.8
    assert bare[1.0] < 0.1
    assert bare[0.0] > 0.8
    assert right[0.0] < right[0.06] < right[0.25]


def test_its_card_lies_beside_its_weights() -> None:
    card = (BUNDLED_WEIGHTS.parent / CARD_FILE).read_text("utf-8")
    assert card.startswith(f"# {BUNDLED_ARCHITECTURE}\n")
    assert "It knows drawn scenes, not photographs." in card
