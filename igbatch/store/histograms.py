"""Columns of histograms: lists of counts, all of one length, and their sums; and of ranges of patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError


def families(rows: pa.Table) -> pa.ChunkedArray:
    """Return which maps each row shares ranges with: "" for those of classes, else the name of its contrast.

    Rows are of `image_stats`, with their columns target and other_index; outputs of before lack the second.
    """
    if "other_index" not in rows.column_names:
        return pa.chunked_array([pa.repeat("", len(rows))])
    return pc.if_else(pc.is_valid(rows["other_index"]), rows["target"], "")


def by_family(rows: pa.Table) -> Iterator[tuple[str, NDArray[np.int64], pa.Table]]:
    """Yield the rows of each family (`families`): its name, their places, and the rows."""
    names = families(rows)
    for name in names.unique().to_pylist():
        at = np.flatnonzero(pc.equal(names, name).to_numpy())
        yield name, at, rows.take(pa.array(at))


def merge_lists(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Add up the lists of a column of at least one row, nulls left out: int64, of their length.

    Raises:
        InputError: they are not of one length.
    """
    total: NDArray[np.int64] | None = None
    for chunk in column.chunks:
        lists = chunk.drop_null()
        if not len(lists):
            continue
        values = lists.flatten().to_numpy()
        length = len(values) // len(lists)
        lengths = np.diff(lists.offsets.to_numpy())
        if (lengths != length).any() or (total is not None and len(total) != length):
            raise InputError("histograms of different lengths; were they written by one igbatch?")
        counts = values.reshape(len(lists), length).sum(axis=0, dtype=np.int64)
        total = counts if total is None else total + counts
    return np.zeros(0, dtype=np.int64) if total is None else total


def patches_by_size(
    column: pa.ChunkedArray,
) -> Iterator[tuple[int, dict[str, pa.Array], NDArray[np.int64]]]:
    """Yield for each size of a column, `patches` or `shard_patches`, its entries by field, and their rows.

    Sizes ascend; rows are positions in the column, of which nulls have no entries.
    """
    lists = column.combine_chunks()
    entries, rows = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    sizes = entries.field("size").to_numpy()
    for size in np.unique(sizes).tolist():
        some = entries.filter(pa.array(sizes == size))
        yield size, {field.name: some.field(field.name) for field in some.type}, rows[sizes == size]


def merge_patches(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    """Merge the ranges of patches of a column, `patches` or `shard_patches`: one entry a size, ascending.

    Nulls are left out; of nothing but nulls it is empty.

    Raises:
        InputError: histograms are not of one length.
    """
    return [
        {
            "size": size,
            "minimum": pc.min(entries["minimum"]).as_py(),
            "maximum": pc.max(entries["maximum"]).as_py(),
            "histogram": merge_lists(pa.chunked_array([entries["histogram"]])),
            "n_maps": pc.sum(entries["n_maps"]).as_py(),
        }
        for size, entries, _ in patches_by_size(column)
    ]
