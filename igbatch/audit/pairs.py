"""Aligns two studies by the images, targets and variants of both, and reads their numbers in one order.

Rows are joined by their places in the studies' lists of images, so nothing is sorted or merged by name.
Memory: one variant at a time, 8 bytes a column for every image and target of both studies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.audit.map_similarity import MapPairs
from igbatch.results import StudyResults

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Range = tuple[float, float]

EVERY = ("converged", "minimum", "maximum")
"""Columns that are compared of every variant."""

TRAINED = (
    "prediction_index", "prediction_probability", "target_probability",
    "score", "score_baseline", "abs_sum", "convergence_delta", "map_error",
)  # fmt: skip
"""Columns that are compared of trained variants besides."""


@dataclass(frozen=True)
class BoxGroup:
    """The boxes of one label under one target, in images that both studies have them in.

    Several boxes of a label in an image are added.

    Attributes:
        label, target: of the group.
        images: int64 [n], places among the common images.
        sums, shares, deletions: float64 [n] in the audited study and in the reference: the sum in the boxes,
            their share of the map's sum of |a| (NaN for a map of zeros), and what the output loses without
            them (NaN where that was not measured).
    """

    label: str
    target: str
    images: Places
    sums: tuple[Floats, Floats]
    shares: tuple[Floats, Floats]
    deletions: tuple[Floats, Floats]

    @property
    def own(self) -> bool:
        """Return whether these are boxes of the target itself."""
        return self.label == self.target


@dataclass(frozen=True)
class VariantPair:
    """A variant that both studies have.

    Attributes:
        variant_id, model, kind: of the variant.
        now, before: float64 [common images, common targets] by column; NaN where there is no row.
        ranges: minimum and maximum over all maps of each study, NaN where it has none: of classes under "",
            of each contrast that both studies have under its name.
        boxes: the groups that both have; none of variants that are neither trained nor random.
    """

    variant_id: str
    model: str
    kind: str
    now: Mapping[str, Floats]
    before: Mapping[str, Floats]
    ranges: Mapping[str, tuple[Range, Range]]
    boxes: tuple[BoxGroup, ...] = ()

    @property
    def trained(self) -> bool:
        """Return whether it has trained weights only."""
        return self.kind == "trained"


class Pairing:
    """What two studies have in common.

    Args:
        now: the audited study.
        before: the reference.

    Attributes:
        studies: both of them.
        places: int64 [common images], in the audited study and in the reference.
        targets: names that both list.
        maps: what both kept, for the checks that compare maps.
    """

    def __init__(self, now: StudyResults, before: StudyResults) -> None:
        self.now, self.before = self.studies = now, before
        there = before.listing.places_of(now.listing.image_ids)
        here = np.flatnonzero(there >= 0)
        self.places: tuple[Places, Places] = (here, there[here])
        self.targets = [name for name in now.target_names if name in before.target_names]
        self.maps = MapPairs(self.studies, self.places)

    @property
    def n_images(self) -> int:
        """Number of common images."""
        return len(self.places[0])

    def image_id(self, place: int) -> str:
        """Return the id of a common image by its place among them."""
        return self.now.listing.ids([int(self.places[0][place])])[0]

    @cached_property
    def kinds(self) -> dict[str, tuple[str, str]]:
        """Model and kind of the variants that both studies have, of one kind in both, by id."""
        now, before = (study.variants.set_index("variant_id")[["model", "kind"]] for study in self.studies)
        same = now["kind"].eq(before["kind"].reindex(now.index))
        return {str(row.Index): (str(row.model), str(row.kind)) for row in now[same].itertuples()}

    def variants(self) -> Iterator[VariantPair]:
        """Read the variants that both studies have, one at a time, both sides at once."""
        if not self.n_images or not self.targets:
            return
        with ThreadPoolExecutor(2) as threads:
            for name, (model, kind) in self.kinds.items():
                now, before = threads.map(self._rows, (0, 1), repeat(name), repeat(kind))
                boxes: tuple[BoxGroup, ...] = ()
                if kind in ("trained", "random"):
                    boxes = tuple(self._groups(*threads.map(self._boxes, (0, 1), repeat(name))))
                ranges = {
                    family: (now[1][family], before[1][family]) for family in now[1] if family in before[1]
                }
                yield VariantPair(name, model, kind, now[0], before[0], ranges, boxes)

    def _rows(self, side: int, variant_id: str, kind: str) -> tuple[dict[str, Floats], dict[str, Range]]:
        """Return columns of one side in the common order, and the joint ranges of all its maps."""
        study, places = self.studies[side], self.places[side]
        found = study.scans.grids(variant_id, EVERY + TRAINED if kind == "trained" else EVERY)
        ranges = {}
        for family, names in study.reader.families.items():
            of = np.isin(study.target_names, names)
            low = np.fmin.reduce(found["minimum"][:, of], None, initial=np.nan)
            high = np.fmax.reduce(found["maximum"][:, of], None, initial=np.nan)
            ranges[family] = float(low), float(high)
        if self.targets != study.target_names or not np.array_equal(places, np.arange(study.n_images)):
            targets = [study.target_names.index(name) for name in self.targets]
            for name, grid in found.items():
                found[name] = grid[places][:, targets]
        return found, ranges

    def _boxes(self, side: int, variant_id: str) -> _Boxes:
        """Read the visible boxes of one side that belong to common images and targets."""
        study = self.studies[side]
        image_of = np.full(study.n_images, -1, dtype=np.int64)
        image_of[self.places[side]] = np.arange(self.n_images)
        common = {name: place for place, name in enumerate(self.targets)}
        target_of = np.array([common.get(name, -1) for name in study.target_names])
        boxes: _Boxes = defaultdict(list)
        for keys, rows in study.reader.keyed_boxes(["box_label", *_VALUES], variant_id):
            images, targets = np.divmod(keys, len(study.target_names))
            images, targets = image_of[images], target_of[targets]
            kept = (images >= 0) & (targets >= 0) & pc.is_valid(rows["sum"]).to_numpy()
            labels = rows["box_label"].combine_chunks().dictionary_encode()
            codes = np.where(kept, labels.indices.to_numpy(), -1)
            columns = [targets * self.n_images + images, *(rows[name].to_numpy() for name in _VALUES)]
            for code, label in enumerate(labels.dictionary.to_pylist()):
                of = np.flatnonzero(codes == code)
                if len(of):
                    boxes[label].append([column[of] for column in columns])
        return boxes

    def _groups(self, now: _Boxes, before: _Boxes) -> Iterator[BoxGroup]:
        for label in sorted(now.keys() & before.keys()):
            (keys, *values), (other_keys, *other_values) = _added(now.pop(label)), _added(before.pop(label))
            if not np.array_equal(keys, other_keys):
                keys, here, there = np.intersect1d(keys, other_keys, assume_unique=True, return_indices=True)
                values = [each[here] for each in values]
                other_values = [each[there] for each in other_values]
            starts = np.searchsorted(keys, self.n_images * np.arange(len(self.targets) + 1))
            for target, name in enumerate(self.targets):
                part = slice(starts[target], starts[target + 1])
                if part.stop > part.start:
                    sides = zip(values, other_values, strict=True)
                    pairs = ((one[part], other[part]) for one, other in sides)
                    yield BoxGroup(label, name, keys[part] - target * self.n_images, *pairs)


_VALUES = ("sum", "share", "deletion")
_Boxes = dict[str, list[list[NDArray[Any]]]]
"""Boxes of one side by label: key (target, image), and `_VALUES`, part by part."""


def _added(parts: list[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    """Return keys in ascending order, each once, with values added over boxes."""
    keys, *values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, *values = (column[order] for column in (keys, *values))
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    if len(first) == len(keys):
        return [keys, *values]
    return [keys[first], *(np.add.reduceat(column, first) for column in values)]
