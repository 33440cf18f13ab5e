"""What a study needs to know of a model without holding it; that of the bundled one needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from igbatch.images.scenes import CLASSES
from igbatch.variants.weights import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS, WeightsSource


@dataclass(frozen=True)
class ModelFacts:
    """What a study needs to know of a model.

    Attributes:
        classes: number of logits.
        class_names: from names to logit indices.
        data_config: timm's (`timm.data.resolve_data_config`): input size, interpolation, mean, standard
            deviation, crop.
        layers: its stages, and for each one the blocks that it consists of, both in order of data flow
            (`igbatch.variants.layers.list_layers`).
    """

    classes: int
    class_names: dict[str, int]
    data_config: dict[str, Any]
    layers: dict[str, list[str]]


BUNDLED = ModelFacts(
    classes=len(CLASSES),
    class_names={name: index for index, name in enumerate(CLASSES)},
    data_config={
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "crop_pct": 1.0,
        "crop_mode": "center",
    },
    layers={
        "patch_embed": ["patch_embed"],
        "layers.0": ["layers.0.blocks.0"],
        "layers.1": ["layers.1.downsample", "layers.1.blocks.0"],
        "layers.2": ["layers.2.downsample", *(f"layers.2.blocks.{block}" for block in range(4))],
        "layers.3": ["layers.3.downsample", "layers.3.blocks.0", "layers.3.blocks.1"],
        "norm": ["norm"],
        "head": ["head"],
    },
)
"""The small Swin that ships with igbatch; `igbatch.variants.bundled` registers it with timm by these."""


def numbered(classes: int) -> dict[str, int]:
    """Return the names of classes that have none: their logit indices, `0`, `1` and so on."""
    return {str(index): index for index in range(classes)}


def find_facts(source: WeightsSource, key: str, *, trained: bool = False) -> ModelFacts:
    """Return what is known of a model, building it only where it is not the bundled one.

    `trained` says that a variant needs its trained weights.

    Raises:
        InputError: timm does not know the architecture, it is no Swin, its preprocessing or its layers are
            not supported, or the weights belong to another one or cannot be had.
        UnfinishedError: the hub is there and cannot answer now.
    """
    if source == WeightsSource(BUNDLED_ARCHITECTURE, str(BUNDLED_WEIGHTS)):
        return BUNDLED
    from igbatch.variants.models import describe_model

    return describe_model(source, key, trained=trained)
