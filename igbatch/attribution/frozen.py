"""A model made ready to be explained, and put back exactly as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from .errors import AttributionError

__all__ = ["Model", "frozen"]

Model = Callable[[Tensor], Tensor]
"""From preprocessed images [rows, C, H, W] to logits [rows, classes]."""


@contextmanager
def frozen(model: Model, dtype: torch.dtype, device: torch.device) -> Iterator[Model]:
    """Yield the model in evaluation mode, with frozen parameters, in one floating type.

    A module's parameters stop requiring gradients, so that a backward pass computes the image's alone; each
    submodule's mode and each parameter's flag are put back on leaving, on an error too. A module of another
    floating type than ``dtype`` is worked on as a copy. A callable that is no module is taken as it is: its
    mode and type are the caller's. Inside, ``no_grad``, ``inference_mode`` and ``autocast`` are lifted.

    Raises:
        AttributionError: the module is on another device than ``device``.
    """
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        if not isinstance(model, nn.Module):
            yield model
            return
        _require_device(model, device)
        modes = {module: module.training for module in model.modules()}
        flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
        try:
            model.eval()
            model.requires_grad_(False)
            yield model if _is_of(model, dtype) else copy.deepcopy(model).to(dtype)
        finally:
            for module, training in modes.items():
                module.training = training
            for parameter, requires_grad in flags.items():
                parameter.requires_grad_(requires_grad)


def _is_of(model: nn.Module, dtype: torch.dtype) -> bool:
    tensors = chain(model.parameters(), model.buffers())
    return all(tensor.dtype == dtype for tensor in tensors if tensor.is_floating_point())


def _require_device(model: nn.Module, device: torch.device) -> None:
    found = {tensor.device for tensor in chain(model.parameters(), model.buffers())}
    if found - {device}:
        places = ", ".join(sorted(str(place) for place in found))
        raise AttributionError(f"the model is on {places} and the images on {device}: move one to the other")
