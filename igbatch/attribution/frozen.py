"""Prepare a model for attribution (evaluation mode, frozen parameters, one type), and restore it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .errors import AttributionError
from .passes import Forward
from .precision import Precision

Model = Callable[[Tensor], Tensor]
"""From preprocessed images [batch, C, H, W] to logits [batch, classes]."""

SENSITIVE_LAYERS = (nn.Conv2d, nn.Linear)


@contextmanager
def frozen(model: Model, precision: Precision, device: torch.device) -> Iterator[Forward]:
    """Yield the model in evaluation mode, with frozen parameters, in one floating type.

    A module's parameters stop requiring gradients, so that a backward pass computes the image's alone; each
    submodule's mode and each parameter's flag are put back on leaving, on an error too. A module of another
    floating type than the precision's, or made under ``inference_mode``, is worked on as a copy. A callable
    that is no module is taken as it is: its mode and type are the caller's. Where products are rounded, a
    module's first and last layer are left out: an image's own pixels and the logits lose too much.

    Raises:
        AttributionError: the module is on another device than ``device``.
    """
    if not isinstance(model, nn.Module):
        yield _OfPoints(model)
        return
    tensors = [*model.parameters(), *model.buffers()]
    if {tensor.device for tensor in tensors} - {device}:
        places = ", ".join(sorted({str(tensor.device) for tensor in tensors}))
        raise AttributionError(f"the model is on {places} and the images on {device}: move one to the other")
    ready = model
    other = {each.dtype for each in tensors if each.is_floating_point()} - {precision.dtype}
    if other or any(each.is_inference() for each in tensors):
        with torch.inference_mode(False), torch.no_grad():  # TorchScript would record the copying itself
            ready = copy.deepcopy(model).to(precision.dtype)
    modes = {module: module.training for module in ready.modules()}
    try:
        ready.eval()
        with parameters_frozen(ready), _first_and_last_in_full(ready, precision, device):
            yield _OfPoints(ready)
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def parameters_frozen(module: nn.Module) -> Iterator[None]:
    """Let a module's parameters require no gradients meanwhile; torch would keep what these need."""
    trained = [each for each in module.parameters() if each.requires_grad and not each.is_inference()]
    try:
        for parameter in trained:  # one by one: a ScriptModule has no requires_grad_ of its own
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def gradients_allowed(device: torch.device) -> Iterator[None]:
    """Suspend the caller's ``no_grad``, ``inference_mode`` and ``autocast``; never around a yield.

    They are the thread's and not the frame's: what a generator suspends stays so for whoever takes from it.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        yield


@dataclass(frozen=True)
class _OfPoints:
    """The model as a function of points, whichever example they belong to; equal for the same model."""

    model: Model

    def __call__(self, points: Tensor, example_indices: Tensor) -> Tensor:
        return self.model(points)


@contextmanager
def _first_and_last_in_full(model: nn.Module, precision: Precision, device: torch.device) -> Iterator[None]:
    """Run the first and the last convolution or linear layer outside autocast, in the order of modules."""
    layers = [module for module in model.modules() if isinstance(module, SENSITIVE_LAYERS)]
    chosen = list(dict.fromkeys([*layers[:1], *layers[-1:]])) if precision.products is not None else []

    def in_full(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(values: Tensor) -> Any:
            with torch.autocast(device.type, enabled=False):
                return forward(values.to(precision.dtype))

        return run

    try:
        for layer in chosen:
            layer.forward = in_full(layer.forward)  # type: ignore[method-assign]  # the instance's alone
        yield
    finally:
        for layer in chosen:
            del layer.forward
