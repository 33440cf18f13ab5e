"""What is measured of the maps of one image: how alike they are, what they resemble, where they point.

Nothing here reads a file. Every number comes from raw attributions; docs/measures.md says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.complexity import complexity, efficient_score
from igbatch.statistics.edges import EdgeFeatures, edge_features, edge_similarity
from igbatch.statistics.localization import localization
from igbatch.statistics.similarity import MapFeatures, map_features, similarity

Map = NDArray[np.float32]
Range = tuple[float, float]


@dataclass(frozen=True)
class Wanted:
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


@dataclass(frozen=True)
class Regions:
    """What is known of an image: its boxes by label, and its pixels; each None or empty where it is not.

    Attributes:
        boxes: for each label the boxes (x_min, y_min, x_max, y_max), half-open, in pixels of the maps.
        pixels: float32 [H, W, 3] in 0..1, as the model saw them.
    """

    boxes: Mapping[str, Sequence[tuple[int, int, int, int]]] = field(default_factory=dict)
    pixels: NDArray[np.float32] | None = None


@dataclass
class Rows:
    """Rows of the three tables of measures: `schemas.SIMILARITY`, `MAP_MEASURES`, `LOCALIZATION`."""

    similarity: list[dict[str, Any]] = field(default_factory=list)
    map_measures: list[dict[str, Any]] = field(default_factory=list)
    localization: list[dict[str, Any]] = field(default_factory=list)


class ImageMaps:
    """The maps of one image; what comparisons of a map share is worked out once.

    Args:
        image_id: which image.
        maps: by variant and target, float32 [H, W]; what is missing is left out of the measures.
        models: the range of all maps of the image.
        dataset: the range of all maps of the study.
        regions: boxes and pixels of the image.
    """

    def __init__(
        self,
        image_id: str,
        maps: Mapping[str, Mapping[str, Map]],
        models: Range,
        dataset: Range,
        regions: Regions,
    ) -> None:
        self.image_id = image_id
        self.maps = maps
        self.models, self.dataset = models, dataset
        self.regions = regions
        self._features: dict[tuple[str, str], MapFeatures] = {}
        self._complexities: dict[tuple[str, str], float | None] = {}

    def measure(self, wanted: Wanted, rows: Rows) -> None:
        """Add the rows of one variant."""
        own = self.maps.get(wanted.variant_id, {})
        for one, other in combinations(own, 2):
            pair = (wanted.variant_id, one), (wanted.variant_id, other)
            rows.similarity.append(self._compare("between_targets", *pair))
        others = [("to_trained", wanted.trained), *(("between_random", each) for each in wanted.partners)]
        for comparison, variant_id in others:
            for target in own:
                if variant_id is not None and target in self.maps.get(variant_id, {}):
                    pair = (wanted.variant_id, target), (variant_id, target)
                    rows.similarity.append(self._compare(comparison, *pair))
        for target, attribution in own.items():
            rows.map_measures.append(self._measure(wanted, target))
            rows.localization += self._localize(wanted.variant_id, target, attribution)

    def _compare(self, comparison: str, one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any]:
        first, second = self._features_of(*one), self._features_of(*other)
        pair = min(first.minimum, second.minimum), max(first.maximum, second.maximum)
        ranges = {"pair": pair, "models": self.models, "dataset": self.dataset}
        return {
            "comparison": comparison,
            "variant_id": one[0],
            "other_variant_id": other[0],
            "image_id": self.image_id,
            "target": one[1],
            "other_target": other[1],
            **similarity(first, second, ranges),
        }

    def _measure(self, wanted: Wanted, target: str) -> dict[str, Any]:
        own = self._complexity_of(wanted.variant_id, target)
        reference = self._complexity_of(wanted.trained, target) if wanted.trained else None
        return {
            "variant_id": wanted.variant_id,
            "image_id": self.image_id,
            "target": target,
            "complexity": own,
            "complexity_rise": efficient_score(own, reference),
            **edge_similarity(self._features_of(wanted.variant_id, target), self._edges),
        }

    def _localize(self, variant_id: str, target: str, attribution: Map) -> Iterator[dict[str, Any]]:
        for label, mask in self._masks.items():
            yield {
                "variant_id": variant_id,
                "image_id": self.image_id,
                "target": target,
                "box_label": label,
                "pixels": int(mask.sum()),
                **localization(attribution, mask),
            }

    def _features_of(self, variant_id: str, target: str) -> MapFeatures:
        key = variant_id, target
        if key not in self._features:
            self._features[key] = map_features(self.maps[variant_id][target])
        return self._features[key]

    def _complexity_of(self, variant_id: str, target: str) -> float | None:
        key = variant_id, target
        if key not in self._complexities:
            attribution = self.maps.get(variant_id, {}).get(target)
            self._complexities[key] = None if attribution is None else complexity(attribution)
        return self._complexities[key]

    @cached_property
    def _edges(self) -> dict[str, EdgeFeatures]:
        return {} if self.regions.pixels is None else edge_features(self.regions.pixels)

    @cached_property
    def _masks(self) -> dict[str, NDArray[np.bool_]]:
        """The union of the boxes of each label; labels without a visible pixel are left out."""
        masks = {}
        shape = next(each.shape for maps in self.maps.values() for each in maps.values())
        for label, boxes in self.regions.boxes.items():
            mask = np.zeros(shape, dtype=bool)
            for x_min, y_min, x_max, y_max in boxes:
                mask[y_min:y_max, x_min:x_max] = True
            if mask.any():
                masks[label] = mask
        return masks
