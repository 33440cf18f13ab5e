"""How alike the maps of two studies are, pixel by pixel, on a sample of images whose maps both kept."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from igbatch.images.selection import select_images
from igbatch.results import StudyResults
from igbatch.statistics.ranks import correlation, standard_ranks

SAMPLE = 50
"""Images whose maps are compared, of those whose maps were kept; spread evenly over the common ones."""


class Likeness(NamedTuple):
    """How alike the maps of a variant and target are: places among the common images, and both measures [n].

    NaN stands where a measure is undefined: of a constant map.
    """

    images: NDArray[np.int64]
    correlations: NDArray[np.float64]
    distances: NDArray[np.float64]


class MapPairs:
    """Maps of a sample of images, read once for all checks that need them.

    Args:
        studies: the audited one and the reference.
        places: of the common images in the list of each.
    """

    def __init__(
        self, studies: tuple[StudyResults, StudyResults], places: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> None:
        self._studies, self._places = studies, places
        self._known: dict[tuple[str, str], Likeness] = {}

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """Places among the common images of a sample whose maps both studies keep.

        What a study keeps is drawn from all of its images.
        """
        kept = np.ones(len(self._places[0]), dtype=bool)
        for study, places in zip(self._studies, self._places, strict=True):
            kept &= select_images(study.study.store.maps, study.listing.image_ids)[places]
        found = np.flatnonzero(kept)
        spread = np.linspace(0, len(found) - 1, min(SAMPLE, len(found)))
        return found[np.unique(spread.round().astype(np.int64))]

    def likeness(self, variant_id: str, target: str) -> Likeness:
        """Measure how alike the maps of a variant and target are, those that both studies still have."""
        if (variant_id, target) not in self._known:
            rows = [
                row for place in self.sample.tolist() if (row := self._measured(place, variant_id, target))
            ]
            columns = np.array(rows, dtype=np.float64).reshape(-1, 3).T
            self._known[variant_id, target] = Likeness(columns[0].astype(np.int64), *columns[1:])
        return self._known[variant_id, target]

    def _measured(
        self, place: int, variant_id: str, target: str
    ) -> tuple[int, float | None, float | None] | None:
        """Compare two maps; None where one is missing (in quarantine, or pruned) or their shapes differ."""
        image_id = self._studies[0].listing.ids([self._places[0][place]])[0]
        try:
            now, before = (study.attribution(variant_id, image_id, target) for study in self._studies)
        except KeyError:
            return None
        if now.shape != before.shape:
            return None
        square = float(np.square(before, dtype=np.float64).sum())
        gap = float(np.square(np.subtract(now, before, dtype=np.float64)).sum())
        distance = float(np.sqrt(gap / square)) if square > 0 else None
        return place, correlation(standard_ranks(now), standard_ranks(before)), distance
