"""Checks what a file of box statistics says of removed boxes."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from igbatch.statistics.agreement import MEASURES


def wrong_removals(parquet: pq.ParquetFile) -> str:
    """Say what is wrong with the removals of a file of `box_stats`; empty where nothing is.

    A box without a visible pixel has none; others have them with that of the blurred fill or not at all. It
    may be alone: an image that is its own baseline has no other. Files of earlier versions have no such
    columns.
    """
    if not {*MEASURES} <= {*parquet.schema_arrow.names}:
        return ""
    boxes = parquet.read(["sum", *MEASURES])
    known = {name: boxes[name].is_valid().to_numpy() for name in boxes.column_names}
    odd = np.zeros(len(boxes), dtype=bool)
    for name in MEASURES:
        odd |= known[name] & ~(known["sum"] & known["deletion_blurred"] & np.isfinite(boxes[name].to_numpy()))
    count = int(np.count_nonzero(odd))
    return (
        f"{count} of its rows have deletions that are not finite, not whole or of no pixel" if count else ""
    )
