"""Checks the sums of a shard, from which ranges are taken, against its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from igbatch.errors import InputError, one_line
from igbatch.store.histograms import by_family, merge_lists, merge_patches

HISTOGRAMS_AT_ONCE = 512
"""A megabyte of counts of pixels, or four of patches; a row group may hold eight times as many."""


def wrong_sums(parquet: pq.ParquetFile) -> str:
    """Say what is wrong with the columns that ranges are taken from; empty where nothing is.

    Some histograms are held at a time. A file without such a column is as good: rows are read for ranges.
    """
    merges: dict[str, tuple[str, str, Callable[[pa.ChunkedArray], Any]]] = {
        "histogram": ("the sum of", "histograms", merge_lists),
        "patches": ("the range of", "patches", merge_patches),
    }
    keys = [name for name in ("target", "other_index") if name in parquet.schema_arrow.names]
    for of, (what, parts_name, merge) in merges.items():
        name = f"shard_{of}"
        if name not in parquet.schema_arrow.names or not parquet.metadata.num_rows:
            continue
        parts = defaultdict[str, list[Any]](list)
        try:
            for batch in parquet.iter_batches(HISTOGRAMS_AT_ONCE, columns=[of, *keys]):
                for family, _, rows in by_family(pa.Table.from_batches([batch])):
                    parts[family].append(merge(rows[of]))
            for family, _, rows in by_family(parquet.read([name, *keys])):
                whose, sums = f"{parts_name}{f' of {family}' if family else ''}", rows[name]
                if not sums[0].is_valid:
                    return f"{name}, {what} its {whose}, is not in its first row"
                if sums.null_count < len(sums) - 1:
                    return f"{name}, {what} its {whose}, is in another row than the first"
                found = merge(pa.chunked_array([pa.array(parts[family], sums.type)]))
                if not pa.array([found], sums.type).equals(pa.array([merge(sums)], sums.type)):
                    return f"{name} is not {what} the {whose} of its rows"
        except InputError as error:
            return one_line(error, 200)
    return ""
