"""What a study needs to know of a model, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


def numbered(classes: int) -> dict[str, int]:
    """Return the names of classes that have none: their logit indices, `0`, `1` and so on."""
    return {str(index): index for index in range(classes)}
