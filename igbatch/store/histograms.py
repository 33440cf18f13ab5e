"""Columns of histograms: lists of counts, all of one length, and their sums; and of ranges of patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError


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


def merge_patches(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    """Merge the ranges of patches of a column, `patches` or `shard_patches`: one entry a size, ascending.

    Nulls are left out; of nothing but nulls it is empty.

    Raises:
        InputError: histograms are not of one length.
    """
    entries = pa.chunked_array(
        [chunk.drop_null().flatten() for chunk in column.chunks], column.type.value_type
    )
    merged = []
    for size in sorted(pc.unique(pc.struct_field(entries, "size")).to_pylist()):
        some = entries.filter(pc.equal(pc.struct_field(entries, "size"), size))
        fields = {name: pc.struct_field(some, name) for name in ("minimum", "maximum", "histogram", "n_maps")}
        merged.append(
            {
                "size": size,
                "minimum": pc.min(fields["minimum"]).as_py(),
                "maximum": pc.max(fields["maximum"]).as_py(),
                "histogram": merge_lists(fields["histogram"]),
                "n_maps": pc.sum(fields["n_maps"]).as_py(),
            }
        )
    return merged
