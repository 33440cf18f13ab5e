"""Columns of histograms: lists of counts, all of one length, and their sum."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
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
