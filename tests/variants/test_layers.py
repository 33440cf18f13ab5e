"""The layers of a model, listed from the model: every tensor in one, in order of data flow."""

from collections.abc import Sequence
from itertools import chain

import pytest
import timm
import torch
from torch import Tensor, nn

from igbatch.errors import InputError
from igbatch.variants.layers import list_layers

SWINS = {
    "swin_tiny_patch4_window7_224": "layers",
    "swin_base_patch4_window12_384": "layers",
    "swin_s3_tiny_224": "layers",
    "swinv2_tiny_window8_256": "layers",
    "swinv2_cr_tiny_ns_224": "stages",
}
"""Swins of timm, and what they call the container of their stages."""


@pytest.mark.parametrize("architecture", SWINS)
def test_the_layers_of_timms_swins(architecture: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(architecture).eval()
    layers = list_layers(model, model.pretrained_cfg["input_size"])
    container = SWINS[architecture]
    stages = dict(model.get_submodule(container).named_children())
    whole = [name for name in ("patch_embed", "norm", "head") if hasattr(model, name)]
    assert list(layers) == ["patch_embed", *(f"{container}.{number}" for number in stages), *whole[1:]]
    for name in whole:
        assert layers[name] == [name]
    for number, stage in stages.items():
        first = [f"{container}.{number}.downsample"] if number != "0" else []
        blocks = [f"{container}.{number}.blocks.{block}" for block in range(len(stage.blocks))]
        assert layers[f"{container}.{number}"] == first + blocks
    for tensor in model.state_dict():
        assert sum(tensor.startswith(f"{block}.") for block in chain(*layers.values())) == 1, tensor


class Chain(nn.Module):
    """Modules that are called in another order than they are registered in."""

    def __init__(self, calls: Sequence[str] = ("first", "many.1", "many.0", "last")) -> None:
        super().__init__()
        self.last = nn.Linear(2, 2)
        self.plain = nn.ReLU()
        self.many = nn.ModuleList([nn.ModuleDict({"a": nn.Linear(2, 2)}), Inner()])
        self.first = nn.Linear(2, 2)
        self.calls = calls

    def forward(self, values: Tensor) -> Tensor:
        for name in self.calls:
            module = self.get_submodule(name)
            values = module["a"](values) if isinstance(module, nn.ModuleDict) else module(values)
        return values


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.Linear(2, 2))
        self.before = nn.LayerNorm(2)

    def forward(self, values: Tensor) -> Tensor:
        return self.blocks(self.before(values))


def test_the_order_is_that_of_calls_and_not_of_registration() -> None:
    assert list_layers(Chain(), (2,)) == {
        "first": ["first"],
        "many.1": ["many.1.before", "many.1.blocks.0", "many.1.blocks.2"],
        "many.0": ["many.0.a"],
        "last": ["last"],
    }


def test_nothing_is_left_on_the_model() -> None:
    model = Chain()
    list_layers(model, (2,))
    assert not any(module._forward_pre_hooks for module in model.modules())


def refusal(model: nn.Module) -> str:
    with pytest.raises(InputError) as caught:
        list_layers(model, (2,))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_parameter_outside_the_layers_is_refused() -> None:
    model = Chain()
    model.position = nn.Parameter(torch.zeros(2))
    assert "tensor position belongs to none of its layers" in refusal(model)
    model = Chain()
    model.many[1].scale = nn.Parameter(torch.zeros(2))
    assert "tensor many.1.scale belongs to none" in refusal(model)
    model = Chain()
    model.register_buffer("mean", torch.zeros(2))
    assert "tensor mean belongs to none" in refusal(model)


def test_a_parameter_in_two_layers_is_refused() -> None:
    model = Chain()
    model.last.weight = model.first.weight
    assert refusal(model) == "its layers first and last share a parameter"


def test_a_layer_that_is_not_called_is_refused() -> None:
    assert "its layer last is not called" in refusal(Chain(("first", "many.1", "many.0")))
