"""Building models with timm: the trained one, and what the rest of igbatch needs to know of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, cast

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.swin_transformer_v2_cr import SwinTransformerV2Cr
from torch import Tensor, nn

from igbatch.errors import InputError, one_line
from igbatch.images.preprocessing import Preprocessing
from igbatch.variants import bundled as _bundled  # noqa: F401  (registers the bundled model with timm)
from igbatch.variants.facts import ModelFacts
from igbatch.variants.layers import list_layers
from igbatch.variants.weights import WeightsSource

Swin = SwinTransformer | SwinTransformerV2 | SwinTransformerV2Cr

_BUFFERS = ("relative_position_index", "relative_coords_table", "attn_mask")
"""Tensors that older checkpoints hold and timm computes."""


def describe_model(source: WeightsSource, key: str) -> ModelFacts:
    """Build the model without memory for its parameters, check the weights file against it, and describe it.

    Raises:
        InputError: timm does not know the architecture, it is no Swin, its preprocessing or its layers are
            not supported, or the weights belong to another one.
    """
    with torch.device("meta"):
        model = _create(source, key)
    if source.file is not None:
        _check_shapes(source.file, source.architecture, model, key)
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
    """
    file = source.file or _from_hub(source.architecture, key)
    model = _create(source, key, pretrained=True, pretrained_cfg_overlay=_overlay(source, file))
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
        raise InputError(_unknown_model(source.architecture, key))
    how.setdefault("pretrained_cfg_overlay", _overlay(source, None))
    if source.data_config and "num_classes" in source.data_config:
        how["num_classes"] = source.data_config["num_classes"]
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
    """Return what replaces timm's own pretrained config: what a model folder says, and the file to load."""
    return {**(source.data_config or {}), **({} if file is None else {"file": file})}


def _unknown_model(name: str, key: str) -> str:
    known = ", ".join(timm.list_models("swin_*", module="swin_transformer")[:4])
    return f"{key}: timm has no model {name!r}; Swin Transformers are {known}, … (timm.list_models)"


def _check_shapes(file: str, architecture: str, model: nn.Module, key: str) -> None:
    """Compare the header of a safetensors file with the model's parameters, reading no weights."""
    try:
        with safe_open(file, framework="pt") as weights:
            stored = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{key}: {file}: not a safetensors file ({one_line(error)})") from None
    stored = _as_timm_names(stored)
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    for name in [*wanted, *stored]:
        if stored.get(name) != wanted.get(name):
            has = f"has {name} as {stored[name]}" if name in stored else f"has no {name}"
            needs = f"needs {wanted[name]}" if name in wanted else "has none"
            raise InputError(
                f"{key}: {file} {has}, {architecture} {needs}; "
                "these weights belong to another architecture or number of classes"
            )


def _as_timm_names(stored: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Name tensors as timm's loaders do (`checkpoint_filter_fn` of `timm.models.swin_transformer` and `_v2`).

    It drops buffers, and renames what the checkpoints of the paper's authors name otherwise.
    """
    kept = {name: shape for name, shape in stored.items() if not name.endswith(_BUFFERS)}
    if "layers.0.downsample.reduction.weight" not in kept:
        return kept
    renamed = {}
    for name, shape in kept.items():
        name = re.sub(r"layers\.(\d+)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample", name)
        renamed[name.replace("head.", "head.fc.")] = shape
    return renamed


def _from_hub(architecture: str, key: str) -> str:
    """Download (or find in the local cache) the safetensors file that timm's registry names for a model."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    config = timm.get_pretrained_cfg(architecture)
    hub_id = config.hf_hub_id if config else None
    if not hub_id:
        raise InputError(
            f"{key}: pretrained: timm knows no weights of {architecture} at its hub; "
            "give a .safetensors file or `local-dir:PATH`"
        )
    try:
        return str(huggingface_hub.hf_hub_download(hub_id, "model.safetensors"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = one_line(error, limit=160)
        raise InputError(
            f"{key}: weights of {architecture} cannot be had from the hub ({hub_id}: {reason}); "
            "check the network, or give a .safetensors file"
        ) from None


def _class_names(model: Swin) -> dict[str, int]:
    config: Mapping[str, Any] = cast(Any, model).pretrained_cfg
    names = config.get("label_names") or ()
    if not names and model.num_classes == 1000:
        info = ImageNetInfo()
        names = [info.index_to_description(index).split(",")[0] for index in range(1000)]
    if len(names) != model.num_classes:
        names = [f"class-{index}" for index in range(model.num_classes)]
    indices: dict[str, int] = {}
    for index, name in enumerate(names):
        indices.setdefault(str(name), index)
    return indices


def class_name(names: Mapping[str, int], index: int) -> str | None:
    """Return the name of a logit index, or None."""
    return next((name for name, position in names.items() if position == index), None)
