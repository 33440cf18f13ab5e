"""timm, imported without torch's compiler, which would take 1.5 s of every process that builds a model.

torchvision imports it to ask whether it knows a device, for an operator of detection models, and timm to mark
methods of a model that is no Swin. Here both wait until they are called. Who imported timm or the compiler
before has them as they are.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

__all__ = [
    "ImageNetInfo",
    "SwinTransformer",
    "SwinTransformerV2",
    "SwinTransformerV2Cr",
    "build_model_with_cfg",
    "checkpoint_filter_fn",
    "register_model",
    "resolve_data_config",
    "timm",
]
_QUESTIONS = "torch._dynamo.utils"


@contextmanager
def _compiler_on_demand() -> Iterator[None]:
    """Let modules that are imported meanwhile name the compiler without importing it."""
    if "timm" in sys.modules or _QUESTIONS in sys.modules:
        yield
        return

    def real(name: str) -> Any:
        if name.startswith("__"):  # asked by the import itself
            raise AttributeError(name)
        if sys.modules.get(_QUESTIONS) is questions:
            del sys.modules[_QUESTIONS]
        return getattr(importlib.import_module(_QUESTIONS), name)

    questions: Any = ModuleType(_QUESTIONS)
    questions.is_compile_supported = lambda device: real("is_compile_supported")(device)
    questions.__getattr__ = real  # whatever else is asked
    compiler: Any = torch.compiler
    disable = compiler.disable

    def disabled(function: Callable[..., Any] | None = None, *how: Any, **more: Any) -> Any:
        if function is None:
            return lambda function: disabled(function, *how, **more)

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            return disable(function, *how, **more)(*arguments, **named)

        return call

    sys.modules[_QUESTIONS] = questions
    compiler.disable = disabled
    try:
        yield
    finally:
        compiler.disable = disable
        if sys.modules.get(_QUESTIONS) is questions:
            del sys.modules[_QUESTIONS]


with _compiler_on_demand():
    import timm
    from timm.data.config import resolve_data_config
    from timm.data.imagenet_info import ImageNetInfo
    from timm.models import build_model_with_cfg, register_model
    from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn
    from timm.models.swin_transformer_v2 import SwinTransformerV2
    from timm.models.swin_transformer_v2_cr import SwinTransformerV2Cr
