"""Building models with timm: the trained one, and what the rest of igbatch needs to know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import timm.data
import torch
from safetensors import SafetensorError, safe_open
from timm.models.swin_transformer import SwinTransformer
from torch import nn

from igbatch.errors import InputError
from igbatch.variants import bundled as _bundled  # noqa: F401  (registers the bundled model with timm)
from igbatch.variants.weights import WeightsSource


@dataclass(frozen=True)
class ModelFacts:
    """What a study needs to know of a model without holding it.

    `data_config` is timm's (`timm.data.resolve_data_config`): input size, interpolation, mean, standard deviation,
    crop. `class_names` maps names to logit indices.
    """

    architecture: str
    classes: int
    class_names: dict[str, int]
    data_config: dict[str, Any]
    parameters: int


def describe_model(source: WeightsSource, key: str) -> ModelFacts:
    """Build the model without memory for its parameters, check the weights file against it, and describe it.

    Raises:
        InputError: timm does not know the architecture, it is no Swin, or the weights belong to another one.
    """
    with torch.device("meta"):
        model = _create(source, key)
    if source.file is not None:
        _check_shapes(source.file, model, key)
    config = timm.data.resolve_data_config(model=model)
    return ModelFacts(
        architecture=source.architecture,
        classes=model.num_classes,
        class_names=_class_names(model),
        data_config={name: list(v) if isinstance(v, tuple) else v for name, v in config.items()},
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def load_trained(source: WeightsSource, key: str) -> nn.Module:
    """Build the model with its trained weights, in eval mode on the CPU, in float32.

    Without a file the weights come from timm's hub, as safetensors or not at all.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    file = source.file or _from_hub(source.architecture, key)
    model = _create(source, key, pretrained=True, pretrained_cfg_overlay=_overlay(source, file))
    return model.float().eval()


def weights_sha256(model: nn.Module) -> str:
    """Return a digest of all parameters and buffers: names, types, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def create_untrained(source: WeightsSource, key: str) -> nn.Module:
    """Build the model with timm's own initialisation under torch's current seed, on the CPU, in eval mode."""
    return _create(source, key).eval()


def _create(source: WeightsSource, key: str, **how: Any) -> SwinTransformer:
    how.setdefault("pretrained_cfg_overlay", _overlay(source, None))
    if source.data_config and "num_classes" in source.data_config:
        how["num_classes"] = int(source.data_config["num_classes"])
    try:
        if not timm.is_model(source.architecture):
            raise InputError(_unknown_model(source.architecture, key))
        model = timm.create_model(source.architecture, **how)
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{key}: weights do not fit {source.architecture}: {reason}") from None
    if not isinstance(model, SwinTransformer):
        raise InputError(f"{key}: {source.architecture} is a {type(model).__name__}; igbatch explains Swin Transformers")
    return model


def _overlay(source: WeightsSource, file: str | None) -> dict[str, Any]:
    config = source.data_config or {}
    known = ("mean", "std", "input_size", "interpolation", "crop_pct", "crop_mode", "num_classes", "label_names")
    overlay: dict[str, Any] = {name: config[name] for name in known if config.get(name) is not None}
    if file is not None:
        overlay["file"] = file
    return overlay


def _unknown_model(name: str, key: str) -> str:
    known = timm.list_models("swin_*", module="swin_transformer")
    return f"{key}: timm has no model {name!r}; Swin Transformers are {', '.join(known[:4])}, … (timm.list_models)"


def _check_shapes(file: str, model: nn.Module, key: str) -> None:
    """Compare the header of a safetensors file with the model's parameters, reading no weights."""
    try:
        with safe_open(file, framework="pt") as weights:
            stored = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{key}: {file}: not a safetensors file ({error})") from None
    if any(name.startswith("layers.0.blocks.0.norm1") for name in stored) and "head.weight" in stored:
        return  # an original Swin checkpoint: timm renames its tensors while it loads them, and checks them then
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, shape in wanted.items():
        if stored.get(name) != shape:
            has = f"has {name} as {list(stored[name])}" if name in stored else f"has no {name}"
            raise InputError(
                f"{key}: {file} {has}, {getattr(model, 'pretrained_cfg', {}).get('architecture', 'the model')} "
                f"needs {list(shape)}; these weights belong to another architecture or number of classes"
            )


def _from_hub(architecture: str, key: str) -> str:
    """Download (or find in the local cache) the safetensors file that timm's registry names for a model."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    config = timm.get_pretrained_cfg(architecture)
    hub_id = config.hf_hub_id if config else None
    if not hub_id:
        raise InputError(f"{key}: timm knows no pretrained weights of {architecture}; give a file or `local-dir:PATH`")
    try:
        return str(huggingface_hub.hf_hub_download(hub_id, "model.safetensors"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{key}: weights of {architecture} cannot be had from the hub ({hub_id}: {reason}); "
            "check the network, or give a .safetensors file"
        ) from None


def _class_names(model: SwinTransformer) -> dict[str, int]:
    names = model.pretrained_cfg.get("label_names")
    if not names and model.num_classes == 1000:
        info = timm.data.ImageNetInfo()
        names = [info.index_to_description(index).split(",")[0] for index in range(1000)]
    indices: dict[str, int] = {}
    for index, name in enumerate(names or [f"class-{index}" for index in range(model.num_classes)]):
        indices.setdefault(str(name), index)
    return indices


def class_name(names: Mapping[str, int], index: int) -> str | None:
    """Return the name of a logit index, or None."""
    return next((name for name, position in names.items() if position == index), None)
