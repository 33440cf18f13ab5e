"""The boxes of one variant in numbers: places in the study's lists instead of names, 93 bytes a box.

From them follow the aggregates over the data set and, image by image, what a report ranks images by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.images.box_unions import union_of
from igbatch.images.boxes import EDGES
from igbatch.reduce.image_scores import Best, ImageValues
from igbatch.statistics.aggregates import aggregate_box_sums
from igbatch.statistics.agreement import MEASURES, aggregate_deletions
from igbatch.store import schemas
from igbatch.store.reader import Reader

_NUMBERS = ("sum", "share", "density_ratio", "pixels", "sign_agreement", *MEASURES)


@dataclass(frozen=True)
class VariantBoxes:
    """The visible boxes of a variant's maps; all arrays are [boxes].

    Attributes:
        images, targets: how many there are.
        labels: names of the labels, sorted.
        every: boxes of each target, those without a visible pixel among them: int64 [targets].
        place, target, label: of each box, in the study's lists and in `labels`.
        rank: of its id among all ids, sorted.
        counted: whether it counts in sums over its label in its image, in which no pixel counts twice
            (`igbatch.images.box_unions`).
        sum, share, density_ratio, pixels, sign_agreement, deletion, deletion_blurred, true_effect: as in
            `box_stats`; NaN where they are null.
    """

    images: int
    targets: int
    labels: list[str]
    every: NDArray[np.int64]
    place: NDArray[np.int64]
    target: NDArray[np.int64]
    label: NDArray[np.int64]
    rank: NDArray[np.int64]
    counted: NDArray[np.bool_]
    sum: NDArray[np.float64]
    share: NDArray[np.float64]
    density_ratio: NDArray[np.float64]
    pixels: NDArray[np.float64]
    sign_agreement: NDArray[np.float64]
    deletion: NDArray[np.float64]
    deletion_blurred: NDArray[np.float64]
    true_effect: NDArray[np.float64]

    @classmethod
    def read(cls, reader: Reader, variant_id: str) -> VariantBoxes:
        """Read the current boxes, some at a time."""
        targets = len(reader.target_names)
        every = np.zeros(targets, dtype=np.int64)
        columns = ["box_id", "box_label", *EDGES, *_NUMBERS]
        none = pa.schema([schemas.BOX_STATS.field(name) for name in columns]).empty_table()
        parts = [_coded(np.zeros(0, dtype=np.int64), none)]
        for keys, rows in reader.keyed_boxes(columns, variant_id):
            every += np.bincount(keys % targets, minlength=targets)
            seen = pc.is_valid(rows["sum"])
            parts.append(_coded(keys[seen.to_numpy()], rows.filter(seen)))
        table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        labels, label = _sorted_codes(table["box_label"])
        _, rank = _sorted_codes(table["box_id"])
        keys = table["key"].to_numpy()
        numbers = (table[name].cast(pa.float64()).to_numpy() for name in _NUMBERS)
        place, target = keys // targets, keys % targets
        edges = np.stack([table[name].to_numpy() for name in EDGES])
        counted = union_of([place, target, label], edges).counted
        n_images = len(reader.listing.image_ids)
        return cls(n_images, targets, labels, every, place, target, label, rank, counted, *numbers)

    def aggregates(self, reader: Reader, variant_id: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Aggregate over images the sums (`aggregate_box_sums`), and removals (`aggregate_deletions`)."""
        ids = pc.rank(reader.listing.image_ids, tiebreaker="first").to_numpy()
        image = ids[self.place]
        order = np.lexsort((self.rank, self.label, self.target, image))
        order = order[self.counted[order]]
        names = pd.Index(reader.target_names)
        frame = pd.DataFrame({
            "variant_id": pd.Categorical([variant_id]).repeat(len(order)),
            "image_id": image[order],
            "target": pd.Categorical.from_codes(self.target[order], names).reorder_categories(sorted(names)),
            "box_label": pd.Categorical.from_codes(self.label[order], pd.Index(self.labels, dtype=object)),
            **{name: getattr(self, name)[order] for name in _NUMBERS},
        })  # fmt: skip
        return aggregate_box_sums(frame, contrasts=reader.contrasts), aggregate_deletions(frame)

    def contrast(self, left_out: Sequence[int] = ()) -> Best:
        """Score images by the largest difference between targets of the sums in one box; of its label.

        In units of the output: the largest less the smallest sum over the targets. It takes two targets.
        `left_out` are places of targets that are differences already.
        """
        order = np.lexsort((self.rank, self.label, self.place))
        order = order[~np.isin(self.target[order], left_out)]
        keys = np.stack([self.place[order], self.label[order], self.rank[order]])
        starts = np.flatnonzero(np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(order)])
        several = np.diff(starts, append=len(order)) > 1
        sums = self.sum[order]
        apart = np.maximum.reduceat(sums, starts) - np.minimum.reduceat(sums, starts) if len(starts) else sums
        first = order[starts[several]]
        return Best.of(self.images, self.place[first], apart[several], self.label[first])

    def shares(self) -> ImageValues:
        """Return the share of |a| in the boxes of each label, by image and target; several boxes add up.

        Images whose boxes of the label overlap in part have none.
        """
        known = ~np.isnan(self.share) & self.counted
        code = (self.label * self.targets + self.target)[known]
        keys, at = np.unique(code * self.images + self.place[known], return_inverse=True)
        values = np.bincount(at, weights=self.share[known], minlength=len(keys)).astype(np.float64)
        return ImageValues(self.labels, keys, np.minimum(values, 1))  # boxes side by side may share a pixel


def _coded(keys: NDArray[np.int64], rows: pa.Table) -> pa.Table:
    texts = {name: rows[name].dictionary_encode() for name in ("box_id", "box_label")}
    return pa.table({"key": keys, **texts, **{name: rows[name] for name in (*EDGES, *_NUMBERS)}})


def _sorted_codes(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the different texts of a dictionary-encoded column, sorted, and each row's place among them."""
    encoded = column.combine_chunks()
    names = sorted(set(encoded.dictionary.to_pylist()))
    place_of = {name: place for place, name in enumerate(names)}
    places = np.array([place_of[name] for name in encoded.dictionary.to_pylist()], dtype=np.int64)
    return names, places[encoded.indices.to_numpy()]
