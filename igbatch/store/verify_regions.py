"""Checks of the region sums of a shard: of the ranges in its rows, against its maps and label maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.statistics.blur import BLURRED
from igbatch.statistics.partitions import CODES, SEGMENTS, Partition
from igbatch.store.histograms import patches_by_size
from igbatch.store.label_maps import LabelMapFile, LabelMaps
from igbatch.store.output import Output

NAMES = {code: name for name, code in CODES.items()} | {BLURRED: "the blurred map"}


def kind_of(size: int) -> str:
    """Return what messages call regions of a size."""
    return NAMES.get(size, f"patches of {size}")


def region_ends(rows: pa.Table) -> dict[int, NDArray[np.float64]]:
    """Return minimum and maximum of the regions of rows, [2, rows] by size: of those sizes that all have."""
    if "patches" not in rows.column_names:
        return {}
    return {
        size: np.stack([entries[name].to_numpy() for name in ("minimum", "maximum")])
        for size, entries, of in patches_by_size(rows["patches"])
        if np.array_equal(of, np.arange(len(rows)))
    }


class ShardRegions:
    """How the maps of a shard are cut into regions.

    Args:
        output: where they lie.
        model: of the shard's variant.
        rows: of its file of `image_stats`, with `label_maps` where they name any.
    """

    def __init__(self, output: Output, model: str, rows: pa.Table) -> None:
        known = "label_maps" in rows.column_names
        self._output, self._model = output, model
        self._name = next(filter(None, rows["label_maps"].unique().to_pylist()), None) if known else None
        self._decoded: dict[str, LabelMaps] = {}  # of the images whose maps are compared just now

    @cached_property
    def _file(self) -> LabelMapFile:
        return LabelMapFile(self._output, self._model, self._name or "")

    def partitions(self, size: int, image_ids: Sequence[str]) -> list[Partition]:
        """Return how the maps of some images are cut into regions of a size.

        Raises:
            InputError: the label maps are gone, or damaged, or those of an image are not among them.
            KeyError: an image has no label map, which the message names.
        """
        if size not in SEGMENTS.values():
            return [Partition(size)] * len(image_ids)
        if not self._decoded.keys() >= {*image_ids}:
            self._decoded = {image_id: self._file.of(image_id) for image_id in dict.fromkeys(image_ids)}
        return [Partition(labels=self._labels(image_id, NAMES[size])) for image_id in image_ids]

    def _labels(self, image_id: str, segments: str) -> NDArray[np.uint16]:
        for each in self._decoded[image_id]:
            if each.segments == segments:
                return each.labels
        raise KeyError(f"the label map of {image_id}, {segments}, is missing")
