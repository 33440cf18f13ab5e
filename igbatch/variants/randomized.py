"""Random models: the architecture with timm's own initialisation under a seed, whole or layer by layer.

Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from igbatch.errors import InputError
from igbatch.variants.models import create_untrained, load_trained
from igbatch.variants.weights import WeightsSource

State = Mapping[str, Tensor]
"""The tensors of a model by name, on the CPU."""


def random_model(source: WeightsSource, seed: int, key: str) -> nn.Module:
    """Build the model freshly initialised under `seed`, in eval mode on the CPU, reading no trained weights.

    The same seed gives the same weights on every worker with the same versions of torch and timm. Torch's
    global generators are left as they were. Parameters whose initialiser is not random (biases at 0, norms at
    1) come out as the initialiser sets them.

    Raises:
        InputError: the model cannot be built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone, unlike torch.manual_seed
        return create_untrained(source, key)


def randomize(trained: State, random: State, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the trained tensors, but those of `layers` from the random model. None is copied.

    Args:
        trained: the state of the trained model.
        random: the state of a random model of the same architecture.
        layers: paths of modules; all their tensors are taken, whatever their kind.

    Raises:
        ValueError: the states are of different models, or a layer has no tensor.
    """
    if trained.keys() != random.keys():
        raise ValueError("the states are of different models")
    state = dict(trained)
    for layer in layers:
        taken = {name: tensor for name, tensor in random.items() if name.startswith(f"{layer}.")}
        if not taken:
            raise ValueError(f"the model has no tensors in a layer {layer!r}")
        state.update(taken)
    return state


class ModelStates:
    """The states of a model's variants, put together from the trained one and a fresh one of each seed.

    Memory holds the trained model, once it was used, and the random one of the last seed, both on the
    CPU: cascades of a seed share them. States are views of these; they are to be read, not written.
    """

    def __init__(self, source: WeightsSource, key: str) -> None:
        self._source = source
        self._key = key
        self._random: tuple[int, nn.Module] | None = None

    def state(self, seed: int | None, layers: Sequence[str] | None = None) -> State:
        """Return the trained state, or that with all layers or only some freshly initialised under `seed`.

        Raises:
            InputError: the model cannot be built, or it has no such layer.
        """
        if seed is None:
            return self._trained.state_dict()
        random = self._random_model(seed).state_dict()
        if layers is None:
            return random
        try:
            return randomize(self._trained.state_dict(), random, layers)
        except ValueError as error:
            raise InputError(f"{self._key}: {self._source.architecture}: {error}") from None

    def module(self) -> nn.Module:
        """Return a module of the architecture with tensors of its own, on the CPU, to be given a state."""
        return copy.deepcopy(self._trained if self._random is None else self._random[1])

    @cached_property
    def _trained(self) -> nn.Module:
        return load_trained(self._source, self._key)

    def _random_model(self, seed: int) -> nn.Module:
        if self._random is None or self._random[0] != seed:
            self._random = None  # frees the memory before the next model is built
            self._random = seed, random_model(self._source, seed, self._key)
        return self._random[1]
