"""The layers of a Swin Transformer whose parameters can be randomized, listed from the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from igbatch.errors import InputError


def list_layers(model: nn.Module, input_size: Sequence[int]) -> dict[str, list[str]]:
    """Return the stages of a model, and for each one the blocks it consists of, both in order of data flow.

    Names are paths of modules. A stage is a child of the model, or of a container among its children
    (`patch_embed`, `layers.0`, …, `norm`, `head`). The blocks of a stage from a container are found in it in
    the same way (`layers.1.downsample`, `layers.1.blocks.0`, …); any other stage is a block of its own.
    Modules without tensors are left out. The order is that of the first calls in a forward pass, which needs
    no memory where the model is on the meta device.

    Args:
        model: a model that takes images [1, *input_size].
        input_size: channels, height and width.

    Raises:
        InputError: a tensor of the model belongs to no block or to two, or a block is not called.
    """
    stages = {
        name: [block for block, _, _ in _named_parts(stage, f"{name}.")] if contained else [name]
        for name, stage, contained in _named_parts(model)
    }
    calls = _first_calls(model, [block for blocks in stages.values() for block in blocks], input_size)
    for blocks in stages.values():
        blocks.sort(key=calls.__getitem__)
    ordered = dict(sorted(stages.items(), key=lambda stage: calls[stage[1][0]]))
    _check_every_tensor_once(model, [block for blocks in ordered.values() for block in blocks])
    return ordered


def _named_parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module, bool]]:
    """Yield the path of each child that holds tensors, the child, and whether it comes from a container.

    The children of a container stand in its place.
    """
    for name, child in module.named_children():
        contained = isinstance(child, nn.Sequential | nn.ModuleList)
        inner = child.named_children() if contained else [("", child)]
        for number, part in inner:
            if part.state_dict():
                yield f"{prefix}{name}.{number}".rstrip("."), part, contained


def _first_calls(model: nn.Module, names: Sequence[str], input_size: Sequence[int]) -> Mapping[str, int]:
    """Return the rank of each module's first call in a forward pass of zeros."""
    calls: dict[str, int] = {}

    def note(name: str, *_: Any) -> None:
        calls.setdefault(name, len(calls))

    handles = [model.get_submodule(name).register_forward_pre_hook(partial(note, name)) for name in names]
    try:
        with torch.no_grad():
            model(torch.zeros(1, *input_size, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    idle = [name for name in names if name not in calls]
    if idle:
        raise InputError(f"its layer {idle[0]} is not called, so that its place in the data flow is unknown")
    return calls


def _check_every_tensor_once(model: nn.Module, blocks: Sequence[str]) -> None:
    """Refuse a model with tensors outside its blocks, or with one parameter in two of them."""
    for name in model.state_dict():
        if not any(name.startswith(f"{block}.") for block in blocks):
            raise InputError(f"its tensor {name} belongs to none of its layers {', '.join(blocks)}")
    block_of: dict[int, str] = {}
    for block in blocks:
        for parameter in model.get_submodule(block).parameters():
            other = block_of.setdefault(id(parameter), block)
            if other != block:
                raise InputError(f"its layers {other} and {block} share a parameter")
