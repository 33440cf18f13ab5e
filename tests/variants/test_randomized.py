"""Random models: decided by the seed, random wherever the initialiser is, whole or layer by layer."""

import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from igbatch.birds.facts import BUNDLED_ARCHITECTURE
from igbatch.errors import InputError
from igbatch.variants import randomized
from igbatch.variants.lookup import BUNDLED
from igbatch.variants.models import state_sha256, weights_sha256
from igbatch.variants.randomized import ModelStates, random_model, randomize
from igbatch.variants.weights import WeightsSource, locate_weights

KEY = "models.m.weights"
SMALL = WeightsSource(BUNDLED_ARCHITECTURE, None)
WIDE = WeightsSource(BUNDLED_ARCHITECTURE, None, {"num_classes": 1000})


def parameters(source: WeightsSource, seed: int) -> dict[str, torch.Tensor]:
    return {name: tensor.detach() for name, tensor in random_model(source, seed, KEY).named_parameters()}


def drawn(source: WeightsSource) -> set[str]:
    """The parameters whose initialiser is random: those that differ between two seeds."""
    first, second = parameters(source, 1), parameters(source, 2)
    assert first.keys() == second.keys()
    return {name for name, tensor in first.items() if not torch.equal(tensor, second[name])}


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = parameters(SMALL, 7), parameters(SMALL, 7)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_seeds_differ() -> None:
    digests = {weights_sha256(random_model(SMALL, seed, KEY)) for seed in (0, 1, 2, 2**31, 2**32 - 1)}
    assert len(digests) == 5


def test_global_generators_are_left_as_they_were() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    random_model(SMALL, 7, KEY)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


def test_neither_global_generators_nor_threads_matter() -> None:
    """Nor does the process, as tests/test_cli.py compares rows of a worker with rows of its own process."""
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    first = weights_sha256(random_model(SMALL, 7, KEY))
    torch.manual_seed(4)
    torch.set_num_threads(threads + 1)
    try:
        assert weights_sha256(random_model(SMALL, 7, KEY)) == first
    finally:
        torch.set_num_threads(threads)


def test_no_weights_are_read() -> None:
    source = WeightsSource(BUNDLED_ARCHITECTURE, "/nowhere/weights.safetensors")
    assert weights_sha256(random_model(source, 7, KEY)) == weights_sha256(random_model(SMALL, 7, KEY))


def test_the_model_is_ready_to_be_used() -> None:
    model = random_model(SMALL, 7, KEY)
    assert not any(module.training for module in model.modules())
    assert {tensor.device.type for tensor in model.parameters()} == {"cpu"}
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("source", [SMALL, WIDE], ids=["5 classes", "1000 classes"])
def test_what_is_not_random_is_a_bias_or_a_norm_at_its_initial_value(source: WeightsSource) -> None:
    random_ones = drawn(source)
    fixed = {name: tensor for name, tensor in parameters(source, 1).items() if name not in random_ones}
    assert fixed
    for name, tensor in fixed.items():
        leaf = name.rsplit(".", 1)[1]
        norm = "norm" in name.rsplit(".", 2)[-2]
        assert leaf == "bias" or (leaf == "weight" and norm), name
        assert tensor.ndim == 1
        assert torch.equal(
            tensor, torch.ones_like(tensor) if leaf == "weight" else torch.zeros_like(tensor)
        ), name


@pytest.mark.parametrize("source", [SMALL, WIDE], ids=["5 classes", "1000 classes"])
def test_every_matrix_and_every_table_of_position_biases_is_random(source: WeightsSource) -> None:
    shapes = {name: tensor.ndim for name, tensor in parameters(source, 1).items()}
    random_ones = drawn(source)
    assert {name for name, ndim in shapes.items() if ndim > 1} <= random_ones
    tables = {name for name in shapes if name.endswith("relative_position_bias_table")}
    assert len(tables) == sum((1, 1, 4, 2))
    assert tables <= random_ones
    assert {"patch_embed.proj.weight", "head.fc.weight"} <= random_ones


def test_the_head_has_as_many_classes_as_the_model() -> None:
    assert parameters(SMALL, 1)["head.fc.weight"].shape[0] == 5
    assert parameters(WIDE, 1)["head.fc.weight"].shape[0] == 1000


def test_every_random_parameter_differs_from_the_trained_one(trained: nn.Module) -> None:
    weights = dict(trained.named_parameters())
    mine = parameters(SMALL, 1)
    assert weights.keys() == mine.keys()
    for name in drawn(SMALL):
        alike = (mine[name] == weights[name]).float().mean().item()
        assert alike < 0.01, name


# Some layers random, the others trained


@pytest.fixture(scope="module")
def states() -> ModelStates:
    return ModelStates(locate_weights("bundled", None, KEY), KEY)


BLOCKS = tuple(block for blocks in BUNDLED.layers.values() for block in blocks)


def of_layers(names: Iterable[str], layers: Iterable[str]) -> set[str]:
    return {name for name in names if name.startswith(tuple(f"{layer}." for layer in layers))}


@pytest.mark.parametrize("layers", [("head",), ("layers.1.downsample", "layers.2.blocks.3"), BLOCKS[3:]])
def test_a_randomized_layer_has_all_its_tensors_from_the_random_model(
    states: ModelStates, layers: tuple[str, ...], trained: nn.Module
) -> None:
    random, before = random_model(SMALL, 7, KEY).state_dict(), trained.state_dict()
    state = states.state(7, layers)
    chosen = of_layers(state, layers)
    assert chosen
    for name, tensor in state.items():
        assert torch.equal(tensor, (random if name in chosen else before)[name]), name


def test_a_cascade_ends_with_the_random_model_bit_for_bit(states: ModelStates) -> None:
    expected = weights_sha256(random_model(SMALL, 7, KEY))
    assert state_sha256(states.state(7, BLOCKS)) == expected
    assert state_sha256(states.state(7, tuple(BUNDLED.layers))) == expected
    assert state_sha256(states.state(7)) == expected


def test_no_layer_at_all_leaves_the_trained_model(states: ModelStates, trained: nn.Module) -> None:
    assert state_sha256(states.state(7, ())) == state_sha256(states.state(None)) == weights_sha256(trained)


def test_no_two_layers_of_one_shape_receive_the_same_numbers() -> None:
    mine = parameters(WIDE, 7)
    for one, other in combinations(drawn(WIDE), 2):
        if mine[one].shape == mine[other].shape:
            assert (mine[one] == mine[other]).float().mean() < 0.01, (one, other)


def test_what_is_kept_depends_on_no_order(states: ModelStates) -> None:
    alone: dict[Any, str] = {}
    requests = [(1, ("head",)), (2, ("head",)), (None, None), (1, BLOCKS[:3]), (2, None)]
    for seed, layers in requests:
        fresh = ModelStates(locate_weights("bundled", None, KEY), KEY)
        alone[seed, layers] = state_sha256(fresh.state(seed, layers))
    assert len(set(alone.values())) == len(requests)
    for seed, layers in [*requests, *reversed(requests), *requests[::2]]:
        assert state_sha256(states.state(seed, layers)) == alone[seed, layers]


def test_cascades_of_a_seed_share_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int | None] = []
    real_random, real_trained = randomized.random_model, randomized.load_trained
    monkeypatch.setattr(randomized, "random_model", lambda *how: (built.append(how[1]), real_random(*how))[1])
    monkeypatch.setattr(randomized, "load_trained", lambda *how: (built.append(None), real_trained(*how))[1])
    states = ModelStates(locate_weights("bundled", None, KEY), KEY)
    states.state(4)
    assert built == [4]  # a random model reads no trained weights
    for block in BLOCKS:
        states.state(4, (block,))
    assert built == [4, None]
    states.state(5, BLOCKS[:2])
    states.state(None)
    assert built == [4, None, 5]


def test_a_module_shares_no_memory_with_what_is_kept(states: ModelStates) -> None:
    before = state_sha256(states.state(None)), state_sha256(states.state(7))
    for _ in range(2):
        module = states.module()
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.zero_()
    assert (state_sha256(states.state(None)), state_sha256(states.state(7))) == before


def test_a_layer_that_the_model_lacks_is_refused(states: ModelStates) -> None:
    with pytest.raises(
        InputError, match=r"^models.m.weights: swin_igbatch.* no tensors in a layer 'layers.9'"
    ):
        states.state(7, ("head", "layers.9"))
    with pytest.raises(ValueError, match="different models"):
        randomize({"a.w": torch.zeros(1)}, {"b.w": torch.zeros(1)}, ["a"])
