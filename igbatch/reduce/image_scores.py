"""The scores that a report ranks images by: the largest of each image over all variants, and its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.store import schemas
from igbatch.store.reader import Reader
from igbatch.store.row_index import ROWS_AT_ONCE
from igbatch.store.scan import gathered, scan

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Best(NamedTuple):
    """The largest score of each image, and what it is of.

    Attributes:
        values: float64 [images], in the order of the study, NaN where an image has none.
        which: int64 [images], the place of what the score is of in a list of its own.
    """

    values: Floats
    which: Places

    @classmethod
    def none(cls, images: int) -> Best:
        """Return what no image has a score of."""
        return cls(np.full(images, np.nan), np.zeros(images, dtype=np.int64))

    @classmethod
    def of(cls, images: int, places: Places, values: Floats, which: Places) -> Best:
        """Take the largest of many scores of images; of equal ones the first in the order of `which`."""
        best = cls.none(images)
        order = np.lexsort((-which, values, places))
        last = order[np.append(np.diff(places[order]) > 0, True)[: len(order)]]
        best.values[places[last]], best.which[places[last]] = values[last], which[last]
        return best

    @classmethod
    def of_grid(cls, values: Floats) -> Best:
        """Take the largest of each row of [images, n], NaN where there is no score; of its column."""
        which = np.argmax(np.where(np.isnan(values), -np.inf, values), axis=1)
        return cls(values[np.arange(len(values)), which], which)

    def offer(self, other: Best, which: Places | int) -> None:
        """Take over what is larger of another one; `which` says what that is of."""
        better = ~np.isnan(other.values) & ~(other.values <= self.values)
        self.values[better] = other.values[better]
        self.which[better] = np.broadcast_to(which, better.shape)[better]

    @property
    def column(self) -> pa.Array:
        """The scores, null where an image has none."""
        return pa.array(self.values, mask=np.isnan(self.values))

    def named(self, names: Sequence[str], places: Places) -> pa.Array:
        """Return the name of each score's, by its place among names; null where an image has no score."""
        return pa.array(names, pa.string()).take(pa.array(places, mask=np.isnan(self.values)))


class ImageValues(NamedTuple):
    """Values by image, target and box label.

    Attributes:
        labels: sorted; one empty text where values are of whole maps.
        keys: (place of the label * targets + place of the target) * images + place of the image, ascending.
        values: float64, one a key.
    """

    labels: Sequence[str]
    keys: Places
    values: Floats


@dataclass(frozen=True)
class ImagePart:
    """What one variant contributes to the scores of images.

    Attributes:
        maps: of each image.
        boxes_clipped, boxes_skipped: likewise.
        convergence: the largest error of a map for what is allowed; of a target's map.
        labels, contrast: of a trained variant, the largest difference between targets of the sums in one box;
            of a box of a label.
        values: of a trained or random variant, what is compared between both, by measure (`MEASURES`).
    """

    variant_id: str
    maps: NDArray[np.int32]
    boxes_clipped: NDArray[np.int32]
    boxes_skipped: NDArray[np.int32]
    convergence: Best
    labels: Sequence[str] = ()
    contrast: Best | None = None
    values: dict[str, ImageValues] = field(default_factory=dict)


MEASURES = ("share", "net_share")
"""Of how far maps of trained and random models are apart: the share of |a| in boxes, and of whole maps the
sum over the sum of |a|. A later one counts where no image has an earlier one."""


class ImageScores:
    """The scores of all images so far: 60 bytes an image, and 48 for each of its maps.

    Args:
        reader: of the study.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.variant_ids, self.targets = reader.variant_ids, reader.target_names
        self.images = len(reader.listing.image_ids)
        rows = reader.variants.select(["variant_id", "model", "kind"]).to_pylist()
        self.models = {row["variant_id"]: row["model"] for row in rows}
        self.kinds = {row["variant_id"]: row["kind"] for row in rows}
        self.maps = np.zeros(self.images, dtype=np.int32)
        self.clipped, self.skipped = (np.zeros(self.images, dtype=np.int32) for _ in range(2))
        self.convergence = Best.none(self.images)  # of variant * targets + target
        self.contrast = Best.none(self.images)  # of variant * labels + label
        self.labels: dict[str, int] = {}
        self.apart = {measure: _Apart(self.images, len(self.targets)) for measure in MEASURES}

    def add(self, part: ImagePart) -> None:
        """Take a part; parts come in the order of the study."""
        place = self.variant_ids.index(part.variant_id)
        first = (self.maps == 0) & (part.maps > 0)
        self.clipped[first], self.skipped[first] = part.boxes_clipped[first], part.boxes_skipped[first]
        self.maps += part.maps
        self.convergence.offer(part.convergence, place * len(self.targets) + part.convergence.which)
        if part.contrast is not None and part.labels:
            codes = np.array([self.labels.setdefault(name, len(self.labels)) for name in part.labels])
            self.contrast.offer(part.contrast, codes[part.contrast.which] * len(self.variant_ids) + place)
        for measure, values in part.values.items():
            trained = part.variant_id if self.kinds[part.variant_id] == "trained" else None
            self.apart[measure].add(self.models[part.variant_id], trained, values)

    def table(self) -> pa.Table:
        """Return the rows of `schemas.IMAGE_SUMMARY`, in the order of the study."""
        read = self.maps > 0
        variant, target = np.divmod(self.convergence.which, len(self.targets))
        label, variant_of_label = np.divmod(self.contrast.which, len(self.variant_ids))
        columns: dict[str, pa.Array] = {
            "image_id": self.reader.listing.image_ids,
            "n_maps": pa.array(self.maps),
            "boxes_clipped": pa.array(self.clipped, mask=~read),
            "boxes_skipped": pa.array(self.skipped, mask=~read),
            "convergence_ratio": self.convergence.column,
            "convergence_variant_id": self.convergence.named(self.variant_ids, variant),
            "convergence_target": self.convergence.named(self.targets, target),
            "box_contrast": self.contrast.column,
            "box_contrast_variant_id": self.contrast.named(self.variant_ids, variant_of_label),
            "box_contrast_label": self.contrast.named([*self.labels], label),
            **self._disagreement(),
        }
        nulls = {each.name: pa.nulls(self.images, each.type) for each in schemas.IMAGE_SUMMARY}
        return pa.table({**nulls, **columns}, schema=schemas.IMAGE_SUMMARY)

    def _disagreement(self) -> dict[str, pa.Array]:
        """Return the columns of how far trained and random models are apart, by the first measure there is.

        In a randomization study it is 1 less the mean rank correlation of an image's maps.
        """
        best, measure = Best(_uncorrelated(self.reader), np.zeros(self.images, dtype=np.int64)), "spearman"
        for name, apart in self.apart.items():
            if np.isnan(best.values).all():
                best, measure = apart.best(), name
        if np.isnan(best.values).all():
            return {}
        columns = {"": best.column, "_measure": best.named([measure], np.zeros_like(best.which))}
        if measure != "spearman":
            trained = list(self.apart[measure].trained)
            code, variant = np.divmod(best.which, len(trained))
            label, target = np.divmod(code, len(self.targets))
            columns |= {
                "_variant_id": best.named(trained, variant),
                "_target": best.named(self.targets, target),
            }
            if measure == "share":
                columns["_label"] = best.named(sorted(self.apart[measure].labels), label)
        return {f"disagreement{name}": column for name, column in columns.items()}


class _Apart:
    """How far a trained model's values are from the means of its random ones, by one measure."""

    def __init__(self, images: int, targets: int) -> None:
        self.images, self.targets = images, targets
        self.labels: dict[str, int] = {}
        self.trained: dict[str, tuple[str, pd.Series]] = {}  # by variant: model, values by key
        self.random: dict[str, tuple[pd.Series, pd.Series]] = {}  # by model: sums and counts by key

    def add(self, model: str, trained: str | None, part: ImageValues) -> None:
        """Take the values of a variant: the trained one of that id, or a random one of the model."""
        codes = [self.labels.setdefault(label, len(self.labels)) for label in part.labels]
        values = pd.Series(part.values, self._recoded(part.keys, codes))
        ones = pd.Series(1.0, values.index)
        if trained is not None:
            self.trained[trained] = model, values
        elif model not in self.random:
            self.random[model] = values, ones
        else:
            sums, counts = self.random[model]
            self.random[model] = sums.add(values, fill_value=0), counts.add(ones, fill_value=0)

    def best(self) -> Best:
        """Return the largest difference of each image.

        It is of (label * targets + target) * trained variants + variant, labels being sorted.
        """
        best = Best.none(self.images)
        ranks = np.argsort(np.argsort(list(self.labels)))
        for place, (model, values) in enumerate(self.trained.values()):
            if model in self.random:
                sums, counts = self.random[model]
                apart = (values - sums / counts).abs().dropna()
                code, image = np.divmod(self._recoded(apart.index.to_numpy(), ranks), self.images)
                found = Best.of(self.images, image, apart.to_numpy(), code)
                best.offer(found, found.which * len(self.trained) + place)
        return best

    def _recoded(self, keys: Places, codes: Sequence[int] | Places) -> Places:
        """Return keys whose labels have new codes."""
        wide = self.targets * self.images
        recoded: Places = np.array(codes, dtype=np.int64)[keys // wide] * wide + keys % wide
        return recoded


def _uncorrelated(reader: Reader) -> Floats:
    """Return 1 less the mean rank correlation of each image's random and trained maps; NaN: it has none."""
    path, images = reader.output.path("similarity.parquet"), len(reader.listing.image_ids)
    if reader.study.randomization is None or not reader.output.exists(path):
        return np.full(images, np.nan)
    random = reader.variants.filter(pc.field("kind") == "random")["variant_id"]
    which = (pc.field("comparison") == "to_trained") & pc.field("variant_id").isin(random)
    which &= pc.field("spearman").is_valid()
    columns = ("comparison", "variant_id", "image_id", "spearman")
    schema = pa.schema([schemas.SIMILARITY.field(name) for name in columns])
    sums, counts = np.zeros(images), np.zeros(images)
    for found in gathered(scan(reader.output, [path], schema, which), ROWS_AT_ONCE):
        rows = pa.Table.from_batches([batch for _, batch in found])
        places, values = reader.listing.places(rows), rows["spearman"].to_numpy()
        np.add.at(sums, places[places >= 0], values[places >= 0])
        np.add.at(counts, places[places >= 0], 1)
    with np.errstate(invalid="ignore"):
        return 1 - sums / counts
