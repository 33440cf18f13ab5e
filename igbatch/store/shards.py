"""Where rows lie, as the last reduction found: which committed files may hold the rows of some images.

A file's name is a digest of the images that it holds, so that a file of a known name holds the known images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.store import schemas
from igbatch.store.output import Output, shard_of
from igbatch.store.provenance import DAMAGED, made_from
from igbatch.store.row_index import RowIndex

LISTING_KEY = b"listing"
"""In the metadata of the table: the digest of the list of images whose places it holds."""


class ShardSpans:
    """The places of the first and the last image of each file, as rows of `schemas.SHARDS` have them."""

    def __init__(self, rows: pa.Table) -> None:
        columns = (rows[name].to_pylist() for name in ("variant_id", "shard", "first_image", "last_image"))
        self._spans = {row[:2]: row[2:] for row in zip(*columns, strict=True)}

    @classmethod
    def read(cls, output: Output, listed: str) -> ShardSpans | None:
        """Read them; None where no reduction wrote them for the list of this digest, or they are damaged."""
        if made_from(output, "shards") in (None, DAMAGED):
            return None
        table = output.read_table(output.path("shards.parquet"))
        same = (table.schema.metadata or {}).get(LISTING_KEY, b"").decode() == listed
        return cls(table) if same else None

    def holding(self, variant_id: str, places: NDArray[np.int64], paths: Sequence[str]) -> list[str]:
        """Return those of a variant's committed files that may hold rows of the images at some places."""
        every = (0, np.iinfo(np.int64).max)
        known = [self._spans.get((variant_id, shard_of(path)), every) for path in paths]
        spans = np.array(known, dtype=np.int64).reshape(-1, 2)
        ordered = np.sort(places)
        among = np.searchsorted(ordered, spans[:, 0]) < np.searchsorted(ordered, spans[:, 1], side="right")
        return [path for path, holds in zip(paths, among, strict=True) if holds]


def shard_rows(variant_id: str, index: RowIndex) -> pa.Table:
    """Return rows of `schemas.SHARDS`: the files that were scanned, their current rows, their spans."""
    counted = zip(index.files, index.current_counts().tolist(), strict=True)
    found = {file.path: (rows, *file.span) for file, rows in counted}
    rows = [(variant_id, shard_of(path), *found.get(path, (0, -1, -1))) for path in sorted(index.paths)]
    return pa.Table.from_pylist(
        [dict(zip(schemas.SHARDS.names, row, strict=True)) for row in rows], schema=schemas.SHARDS
    )


def with_listing(shards: pa.Table, listed: str) -> pa.Table:
    """Return rows of `schemas.SHARDS` with the digest of the list whose places they hold."""
    return shards.replace_schema_metadata({LISTING_KEY: listed})
