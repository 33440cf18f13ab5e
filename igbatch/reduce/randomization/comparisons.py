"""Measures of the maps of one image: similarity to each other and to edges, complexity, localization.

Nothing here reads a file. Every number comes from raw attributions; docs/measures.md has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.complexity import complexity, efficient_score
from igbatch.statistics.edges import edge_features, edge_similarity
from igbatch.statistics.localization import localization
from igbatch.statistics.similarity import map_features, similarity

Map = NDArray[np.float32]
Range = tuple[float, float]


@dataclass(frozen=True)
class ComparedVariant:
    """A variant whose maps are to be measured, and what they are compared with.

    Attributes:
        variant_id: which.
        trained: the trained variant of its model; None where the study has none, or this is it.
        partners: random variants that this one, random too, is compared with.
    """

    variant_id: str
    trained: str | None = None
    partners: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants whose maps it takes."""
        return (self.variant_id, *filter(None, [self.trained]), *self.partners)


Boxes = Mapping[str, Sequence[Sequence[int]]]
"""Boxes of an image by label: (x_min, y_min, x_max, y_max), half-open, in pixels of the maps."""

Rows = dict[str, list[dict[str, Any]]]
"""Rows of the three tables of measures: `similarity`, `map_measures` and `localization`."""


class ImageComparisons:
    """The comparisons of one image's maps; what several of them share is computed once.

    Args:
        image_id: which image.
        maps: by variant and target, float32 [H, W], at least one; what is missing is left out.
        ranges: of all maps of classes under "", and of all maps of each contrast: those of the image
            (`models`) and of the study (`dataset`).
        boxes: of the image.
        pixels: of the image as the model saw it, float32 [H, W, 3] in 0..1; None where they are not known.
    """

    def __init__(
        self,
        image_id: str,
        maps: Mapping[str, Mapping[str, Map]],
        ranges: Mapping[str, Mapping[str, Range]],
        boxes: Boxes,
        pixels: NDArray[np.float32] | None,
    ) -> None:
        self.image_id, self.maps = image_id, maps
        self.ranges = ranges
        self.features = {
            (variant_id, target): map_features(attribution)
            for variant_id, of_variant in maps.items()
            for target, attribution in of_variant.items()
        }
        self.edges = {} if pixels is None else edge_features(pixels)
        self.masks = _masks(boxes, next(iter(self.features.values())).attribution.shape)
        self._complexities: dict[tuple[str, str], float | None] = {}

    def measure(self, compared: ComparedVariant) -> Rows:
        """Return the rows of one variant."""
        own = self.maps.get(compared.variant_id, {})
        return {
            "similarity": list(self._similarity(compared, own)),
            "map_measures": [self._measure(compared, target) for target in own],
            "localization": [row for target in own for row in self._localize(compared.variant_id, target)],
        }

    def _similarity(self, compared: ComparedVariant, targets: Iterable[str]) -> Iterator[dict[str, Any]]:
        variant_id = compared.variant_id
        classes = [target for target in targets if target not in self.ranges]  # a contrast is of two of them
        for pair in combinations(classes, 2):
            yield self._compare("between_targets", *((variant_id, target) for target in pair))
        others = [("to_trained", compared.trained), *(("between_random", each) for each in compared.partners)]
        for comparison, other in others:
            for target in targets:
                if other is not None and (other, target) in self.features:
                    yield self._compare(comparison, (variant_id, target), (other, target))

    def _compare(self, comparison: str, one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any]:
        first, second = self.features[one], self.features[other]
        pair = min(first.minimum, second.minimum), max(first.maximum, second.maximum)
        return {
            "comparison": comparison,
            "variant_id": one[0],
            "other_variant_id": other[0],
            "image_id": self.image_id,
            "target": one[1],
            "other_target": other[1],
            **similarity(
                first, second, {"pair": pair, **self.ranges[one[1] if one[1] in self.ranges else ""]}
            ),
        }

    def _measure(self, compared: ComparedVariant, target: str) -> dict[str, Any]:
        own = self._complexity(compared.variant_id, target)
        reference = self._complexity(compared.trained, target) if compared.trained else None
        return {
            "variant_id": compared.variant_id,
            "image_id": self.image_id,
            "target": target,
            "complexity": own,
            "complexity_rise": efficient_score(own, reference),
            **edge_similarity(self.features[compared.variant_id, target], self.edges),
        }

    def _localize(self, variant_id: str, target: str) -> Iterator[dict[str, Any]]:
        key = {"variant_id": variant_id, "image_id": self.image_id, "target": target}
        for label, mask in self.masks.items():
            found = localization(self.maps[variant_id][target], mask)
            yield {**key, "box_label": label, "pixels": int(mask.sum()), **found}

    def _complexity(self, variant_id: str, target: str) -> float | None:
        key = variant_id, target
        if key not in self._complexities:
            self._complexities[key] = (
                complexity(self.maps[variant_id][target]) if key in self.features else None
            )
        return self._complexities[key]


def _masks(boxes: Boxes, shape: tuple[int, ...]) -> dict[str, NDArray[np.bool_]]:
    """Return the union of the boxes of each label; labels without a visible pixel are left out."""
    masks = {label: np.zeros(shape, dtype=bool) for label in boxes}
    for label, mask in masks.items():
        for x_min, y_min, x_max, y_max in boxes[label]:
            mask[y_min:y_max, x_min:x_max] = True
    return {label: mask for label, mask in masks.items() if mask.any()}
