"""Where a model's weights lie and what identifies them. Only safetensors files are opened, never a pickle.

This module needs neither torch nor timm for weights on disk, so that a finished study is recognised quickly.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from igbatch.birds.facts import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS
from igbatch.errors import InputError

CONFIG_KEYS = (
    "mean", "std", "input_size", "interpolation", "crop_pct", "crop_mode", "num_classes", "label_names",
)  # fmt: skip
"""What a model folder's `config.json` decides, in its `pretrained_cfg` or, with precedence, beside it."""


@dataclass(frozen=True)
class WeightsSource:
    """A model's architecture and where its weights come from.

    Attributes:
        architecture: a name of timm's.
        file: a safetensors file; None for timm's hub.
        data_config: what the folder of the file says under `CONFIG_KEYS`, overriding timm's own config.
        classes: number of logits, once it is known; where it is None the config says it.
    """

    architecture: str
    file: str | None
    data_config: dict[str, Any] | None = None
    classes: int | None = None

    def identity(self) -> str:
        """Return what stands for these weights in a fingerprint: digests of files, or the name at the hub."""
        if self.file is None:
            return f"timm:{self.architecture}"
        identity = f"sha256:{file_sha256(Path(self.file))}"
        if self.data_config is None:
            return identity
        config = json.dumps(self.data_config, sort_keys=True).encode()
        return f"{identity}+config:{hashlib.sha256(config).hexdigest()[:16]}"


def locate_weights(weights: str, architecture: str | None, key: str) -> WeightsSource:
    """Find the weights that a study names; its path is absolute by now, and `key` names it in messages.

    `local-dir:PATH` is a folder in the layout of timm's hub: `config.json` and `model.safetensors`.

    Raises:
        InputError: the file or folder is missing, is not safetensors, or belongs to another architecture.
    """
    if weights == "bundled":
        return WeightsSource(BUNDLED_ARCHITECTURE, str(BUNDLED_WEIGHTS))
    if weights == "pretrained":
        assert architecture is not None
        return WeightsSource(architecture, None)
    if weights.startswith("local-dir:"):
        return _from_folder(Path(weights.removeprefix("local-dir:")), architecture, key)
    if not Path(weights).is_file():
        raise InputError(f"{key}: {weights}: there is no such file; check the path")
    assert architecture is not None
    return WeightsSource(architecture, weights)


def _from_folder(folder: Path, architecture: str | None, key: str) -> WeightsSource:
    config_file, file = folder / "config.json", folder / "model.safetensors"
    for needed in (config_file, file):
        if not needed.is_file():
            raise InputError(
                f"{key}: local-dir:{folder}: {needed.name} is missing; a model folder holds config.json and "
                "model.safetensors (pickled weights are never opened)"
            )
    try:
        config = json.loads(config_file.read_text("utf-8"))
        named = str(config["architecture"])
        merged = {**config.get("pretrained_cfg", {}), **config}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{key}: {config_file}: not a model config of timm's; it needs an `architecture`"
        ) from None
    data = {name: merged[name] for name in CONFIG_KEYS if merged.get(name) is not None}
    classes = data.get("num_classes", 1)
    if type(classes) is not int or classes < 1:
        raise InputError(
            f"{key}: {config_file}: num_classes is {classes!r}; give a whole number of 1 or more"
        )
    if architecture is not None and architecture.split(".")[0] != named:
        raise InputError(f"{key}: {folder} holds {named}, the study says {architecture}; change one of them")
    return WeightsSource(architecture or named, str(file), data)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
