"""Checking the sum of histograms that a shard's file carries: the reducer takes it for its rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from igbatch.errors import InputError, one_line
from igbatch.store.histograms import merge_lists

HISTOGRAMS_AT_ONCE = 512
"""A megabyte of counts; a row group may hold eight times as many."""


def wrong_histogram(parquet: pq.ParquetFile) -> str:
    """Say what is wrong with `shard_histogram`, from which ranges are taken; empty where nothing is.

    Some histograms are held at a time. A file without the column is as good: then rows are read for ranges.
    """
    if "shard_histogram" not in parquet.schema_arrow.names or not parquet.metadata.num_rows:
        return ""
    total, said, first = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), True
    for batch in parquet.iter_batches(HISTOGRAMS_AT_ONCE, columns=["histogram", "shard_histogram"]):
        sums = batch["shard_histogram"]
        if first and not sums[0].is_valid:
            return "shard_histogram, the sum of its histograms, is not in its first row"
        if len(sums) - sums.null_count > first:
            return "shard_histogram, the sum of its histograms, is in another row than the first"
        try:
            counts = merge_lists(pa.chunked_array([batch["histogram"]]))
            said = merge_lists(pa.chunked_array([sums])) if first else said
        except InputError as error:
            return one_line(error, 200)
        total = counts if first else total + counts
        first = False
    if not np.array_equal(total, said):
        return "shard_histogram is not the sum of the histograms of its rows"
    return ""
