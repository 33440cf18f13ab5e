"""Building models with timm: the trained one, and what the rest of igbatch needs to know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import timm
import torch
from safetensors import SafetensorError
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.swin_transformer_v2_cr import SwinTransformerV2Cr
from torch import Tensor, nn

from igbatch.birds import bundled as _bundled  # noqa: F401  (registers the bundled model with timm)
from igbatch.errors import InputError, one_line
from igbatch.images.preprocessing import Preprocessing
from igbatch.variants.checkpoint import check_fit, read_header
from igbatch.variants.facts import ModelFacts, numbered
from igbatch.variants.hub import fetch_weights, find_weights
from igbatch.variants.layers import list_layers
from igbatch.variants.weights import WeightsSource

Swin = SwinTransformer | SwinTransformerV2 | SwinTransformerV2Cr


def describe_model(source: WeightsSource, key: str, *, trained: bool = False) -> ModelFacts:
    """Build the model without memory for its parameters, check the weights file against it, and describe it.

    The number of classes is that of the file's head. `trained` says that weights at the hub are needed, and
    makes sure that they can be had.

    Raises:
        InputError: timm does not know the architecture, it is no Swin, its preprocessing or its layers are
            not supported, or the weights belong to another one or cannot be had.
        UnfinishedError: the hub is there and cannot answer now.
    """
    header = None if source.file is None else read_header(source.file, key)
    if header is not None and header.classes is not None:
        source = _with_classes(source, header.classes, key)
    with torch.device("meta"):
        model = _create(source, key)
    if header is not None:
        needed = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        check_fit(header, needed, source.architecture, key)
    elif trained:
        find_weights(source.architecture, key)
    config = resolve_data_config(model=model)  # type: ignore[no-untyped-call]
    try:
        Preprocessing.from_data_config(config)
        layers = list_layers(model.eval(), config["input_size"])
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    return ModelFacts(
        classes=model.num_classes,
        class_names=_class_names(model),
        data_config={name: list(v) if isinstance(v, tuple) else v for name, v in config.items()},
        layers=layers,
    )


def load_trained(source: WeightsSource, key: str) -> nn.Module:
    """Build the model with its trained weights, in eval mode on the CPU; float32 whatever the file's type.

    Without a file the weights come from timm's hub, as safetensors or not at all.

    Raises:
        InputError: the weights cannot be had or do not fit.
        UnfinishedError: the hub is there and cannot answer now.
    """
    file = source.file or fetch_weights(source.architecture, key)
    read_header(file, key)
    model = _create(source, key, pretrained=True, pretrained_cfg_overlay=_overlay(source, file))
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{key}: {file}: tensor {name} holds NaN or infinity; save the weights again")
    return model.eval()


def weights_sha256(model: nn.Module) -> str:
    """Return `state_sha256` of a model's state."""
    return state_sha256(model.state_dict())


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """Return a digest of a state: names, types, shapes and bytes of its tensors, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().reshape(-1).numpy().data)
    return digest.hexdigest()


def create_untrained(source: WeightsSource, key: str) -> nn.Module:
    """Build the model with timm's own initialisation under torch's current seed, on the CPU, in eval mode."""
    return _create(source, key).eval()


def _create(source: WeightsSource, key: str, **how: Any) -> Swin:
    if not timm.is_model(source.architecture):
        known = ", ".join(timm.list_models("swin_*", module="swin_transformer")[:4])
        swins = f"Swin Transformers are {known}, … (timm.list_models)"
        raise InputError(f"{key}: timm has no model {source.architecture!r}; {swins}")
    overlay = how.setdefault("pretrained_cfg_overlay", _overlay(source, None))
    if "num_classes" in overlay:
        how["num_classes"] = overlay["num_classes"]
    try:
        model = timm.create_model(source.architecture, **how)
    except (RuntimeError, ValueError, TypeError, AssertionError, OSError, SafetensorError) as error:
        reason = one_line(error, limit=200) or type(error).__name__
        raise InputError(
            f"{key}: {source.architecture} cannot be built with these weights: {reason}"
        ) from None
    if not isinstance(model, Swin):
        raise InputError(
            f"{key}: {source.architecture} is a {type(model).__name__}; igbatch explains Swin Transformers"
        )
    return model


def _overlay(source: WeightsSource, file: str | None) -> dict[str, Any]:
    """Return what replaces timm's own pretrained config: what a model folder says, classes, the file to load.

    Where the config had another number of classes than the model, timm would leave the head random.
    """
    classes = {} if source.classes is None else {"num_classes": source.classes}
    return {**(source.data_config or {}), **classes, **({} if file is None else {"file": file})}


def _with_classes(source: WeightsSource, classes: int, key: str) -> WeightsSource:
    """Return a source with the number of classes that the head of its file has."""
    stated = (source.data_config or {}).get("num_classes", classes)
    if stated != classes:
        raise InputError(
            f"{key}: {source.file} has a head of {classes} classes, the config.json beside it says "
            f"num_classes {stated}; change it to {classes}"
        )
    return replace(source, classes=classes)


def _class_names(model: Swin) -> dict[str, int]:
    config: Mapping[str, Any] = cast(Any, model).pretrained_cfg
    names = config.get("label_names") or ()
    if not names and model.num_classes == 1000:
        info = ImageNetInfo()
        names = [info.index_to_description(index).split(",")[0] for index in range(1000)]
    if len(names) != model.num_classes:
        return numbered(model.num_classes)
    indices: dict[str, int] = {}
    for index, name in enumerate(names):
        indices.setdefault(str(name), index)
    return indices


def class_name(names: Mapping[str, int], index: int) -> str | None:
    """Return the name of a logit index, or None."""
    return next((name for name, position in names.items() if position == index), None)
