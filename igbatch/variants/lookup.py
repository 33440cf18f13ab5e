"""Looking up what a study needs to know of a model; of the bundled one it is known without torch."""

from __future__ import annotations

from igbatch.birds.facts import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS, DATA_CONFIG, LAYERS
from igbatch.birds.scenes import CLASSES
from igbatch.variants.facts import ModelFacts
from igbatch.variants.weights import WeightsSource

BUNDLED = ModelFacts(
    classes=len(CLASSES),
    class_names={name: index for index, name in enumerate(CLASSES)},
    data_config=DATA_CONFIG,
    layers=LAYERS,
)
"""The small Swin that ships with igbatch."""


def find_facts(source: WeightsSource, key: str, *, trained: bool = False) -> ModelFacts:
    """Return what is known of a model, building it only where it is not the bundled one.

    `trained` says that a variant needs its trained weights. Errors are those of `describe_model`.
    """
    if source == WeightsSource(BUNDLED_ARCHITECTURE, str(BUNDLED_WEIGHTS)):
        return BUNDLED
    from igbatch.variants.models import describe_model

    return describe_model(source, key, trained=trained)
