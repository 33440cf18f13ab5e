"""Whether maps look as they did, pixel by pixel, on a sample of images whose maps both studies kept."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from igbatch.audit.checks.base import Question, no_trained, short
from igbatch.audit.pairs import Floats, Pairing, Places, VariantPair
from igbatch.audit.verdict import Part
from igbatch.images.choice import chosen
from igbatch.statistics.ranks import correlation, standard_ranks

SAMPLE = 50
"""Images whose maps are compared, of those whose maps were kept; spread evenly over the common ones."""

Map = NDArray[np.float32]


class Likeness(NamedTuple):
    """How alike the maps of a variant and target are: places among the common images, and both measures [n].

    NaN stands where a measure is undefined: of a constant map.
    """

    images: Places
    correlations: Floats
    distances: Floats


class MapPairs:
    """Maps of a sample of images, read once for all checks that need them."""

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self._images = sampled(pairing)
        self._known: dict[tuple[str, str], Likeness] = {}

    def likeness(self, variant_id: str, target: str) -> Likeness:
        """Measure how alike the maps of a variant and target are, those that both studies still have."""
        key = variant_id, target
        if key not in self._known:
            rows = [
                (place, _correlation(*maps), _distance(*maps))
                for place in self._images.tolist()
                if (maps := self._maps(variant_id, place, target)) is not None
            ]
            columns = np.array(rows, dtype=np.float64).reshape(-1, 3).T
            self._known[key] = Likeness(columns[0].astype(np.int64), columns[1], columns[2])
        return self._known[key]

    def _maps(self, variant_id: str, place: int, target: str) -> tuple[Map, Map] | None:
        """Read two maps of one shape; None where one is missing: in quarantine, or pruned."""
        image_id = self._pairing.image_id(place)
        try:
            now, before = (study.attribution(variant_id, image_id, target) for study in self._pairing.studies)
        except KeyError:
            return None
        return (now, before) if now.shape == before.shape else None


class Likened(Question):
    """A check of one measure of `Likeness`: the median over maps, by trained variant and target."""

    measure: ClassVar[str]
    said: ClassVar[str]

    def __init__(self, pairing: Pairing, threshold: float) -> None:
        super().__init__(pairing, threshold)
        self.maps = pairing.shared(MapPairs)

    def add(self, pair: VariantPair) -> None:
        """Take one variant."""
        if not pair.trained:
            return
        for target in self.pairing.targets:
            found = self.maps.likeness(pair.variant_id, target)
            self._compare(pair.variant_id, target, found.images, getattr(found, self.measure))

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        whole = no_trained(self.pairing)
        unkept = "no map of a common image was kept in both studies (`store.maps`), or all were pruned"
        return unkept if whole == "no map was computed in both studies" else whole

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return f"{worst.name}: the median {self.said} of {worst.n} maps is {short(worst.figure)}."

    def _compare(self, variant_id: str, target: str, images: Places, values: Floats) -> None:
        told = ~np.isnan(values)
        images, values = images[told], values[told]
        if not len(values):
            return

        def words(at: int) -> str:
            return f"{self.said} {short(values[at])}"

        self.part(f"{variant_id}, {target}", float(np.median(values)), n=len(values))
        against, least = (1 - values, 1 - self.threshold) if self.at_least else (values, self.threshold)
        self.blame(against, images, words, variant_id=variant_id, target=target, least=least)


class Similarity(Likened):
    """The rank correlation of a map with the reference's."""

    name = "similarity"
    title = "Maps are less alike"
    compared = (
        f"Maps of the same image and target, of each trained variant, on at most {SAMPLE} images whose maps "
        "both studies kept: the median over maps of Spearman's rank correlation of their pixels."
    )
    at_least = True
    measure = "correlations"
    said = "rank correlation"


class Distance(Likened):
    """The relative L2 distance of a map from the reference's."""

    name = "distance"
    title = "Maps moved away"
    compared = (
        f"Maps of the same image and target, of each trained variant, on at most {SAMPLE} images whose maps "
        "both studies kept: the median over maps of the L2 norm of the difference, over the reference's norm."
    )
    unit = "of the map's norm"
    measure = "distances"
    said = "relative distance"


def _correlation(now: Map, before: Map) -> float | None:
    return correlation(standard_ranks(now), standard_ranks(before))


def _distance(now: Map, before: Map) -> float | None:
    square = float(np.square(before, dtype=np.float64).sum())
    gap = float(np.square(np.subtract(now, before, dtype=np.float64)).sum())
    return float(np.sqrt(gap / square)) if square > 0 else None


def sampled(pairing: Pairing) -> NDArray[np.int64]:
    """Return places among the common images of a sample whose maps both studies keep.

    What a study keeps is drawn from all of its images.
    """
    if not pairing.n_images:
        return np.zeros(0, dtype=np.int64)
    kept = np.ones(pairing.n_images, dtype=bool)
    for study, places in zip(pairing.studies, pairing.places, strict=True):
        kept &= chosen(study.study.store.maps, study.listing.image_ids)[places]
    found = np.flatnonzero(kept)
    return found[np.unique(np.linspace(0, len(found) - 1, min(SAMPLE, len(found))).round().astype(np.int64))]
