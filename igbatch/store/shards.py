"""Where rows lie, as the last reduction found: which committed files may hold the rows of some images.

A file's name is a digest of the images that it holds, so that a file of a known name holds the known images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.provenance import DAMAGED, made_from
from igbatch.store.winners import Winners

LISTING_KEY = b"listing"
"""In the metadata of the table: the digest of the list of images whose places it holds."""


@dataclass(frozen=True)
class ShardSpans:
    """The places of the first and the last image of each file: by variant and shard."""

    spans: dict[str, dict[str, tuple[int, int]]]

    @classmethod
    def of(cls, table: pa.Table, listed: str) -> ShardSpans | None:
        """Take them from `schemas.SHARDS`; None where that is of another list than that of this digest."""
        if (table.schema.metadata or {}).get(LISTING_KEY, b"").decode() != listed:
            return None
        spans: dict[str, dict[str, tuple[int, int]]] = {}
        columns = (table[name].to_pylist() for name in ("variant_id", "shard", "first_image", "last_image"))
        for variant_id, shard, first, last in zip(*columns, strict=True):
            spans.setdefault(variant_id, {})[shard] = first, last
        return cls(spans)

    def holding(self, variant_id: str, places: NDArray[np.int64], paths: Sequence[str]) -> list[str]:
        """Return those of a variant's committed files that may hold rows of the images at some places."""
        known = self.spans.get(variant_id, {})
        every = (0, np.iinfo(np.int64).max)
        spans = np.array([known.get(shard_of(path), every) for path in paths], dtype=np.int64).reshape(-1, 2)
        ordered = np.sort(places)
        among = np.searchsorted(ordered, spans[:, 0]) < np.searchsorted(ordered, spans[:, 1], side="right")
        return [path for path, holds in zip(paths, among, strict=True) if holds]


def read_shards(output: Output) -> pa.Table | None:
    """Read the table of shards, with its metadata; None where no reduction wrote one, or it is damaged."""
    if made_from(output, "shards") in (None, DAMAGED):
        return None
    return output.read_table(output.path("shards.parquet"))


def shard_of(path: str) -> str:
    """Return the shard that a file of `image_stats` commits."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def shard_rows(variant_id: str, winners: Winners) -> pa.Table:
    """Return rows of `schemas.SHARDS`: the files that were scanned, rows of each that count, their spans."""
    known = zip(winners.files, winners.counting().tolist(), winners.spans().tolist(), strict=True)
    found = {file.path: (rows, *span) for file, rows, span in known}
    rows = [(variant_id, shard_of(path), *found.get(path, (0, -1, -1))) for path in sorted(winners.paths)]
    return pa.Table.from_pylist(
        [dict(zip(schemas.SHARDS.names, row, strict=True)) for row in rows], schema=schemas.SHARDS
    )


def with_listing(shards: pa.Table, listed: str) -> pa.Table:
    """Return rows of `schemas.SHARDS` with the digest of the list whose places they hold."""
    return shards.replace_schema_metadata({LISTING_KEY: listed})
