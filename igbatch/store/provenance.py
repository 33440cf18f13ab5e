"""Writes into each table of a reduction a digest of the lists and the commits that it was made from.

Readers find by it tables that are older than the last commits, of another study, or damaged.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from igbatch.store.output import Output
from igbatch.store_errors import UNREADABLE, is_damage

TABLES = ("ranges", "aggregates", "summary", "image_summary", "shards")
"""What every reduction writes besides the lists of images and variants."""

NEWER_TABLES = ("deletions",)
"""What it writes too, and reductions of earlier versions did not."""

KEY = b"made_from"
DAMAGED = "damaged"


def marked(table: pa.Table, state: str) -> pa.Table:
    """Return a table with the state that it was made from."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: state})


def made_from(output: Output, name: str) -> str | None:
    """Return the state that a table was made from.

    None where there is no such table, empty where igbatch did not note it yet, `DAMAGED` where the file's
    footer cannot be read.
    """
    path = output.path(f"{name}.parquet")
    if not output.exists(path):
        return None
    try:
        metadata = pq.read_schema(path, filesystem=output.filesystem).metadata
        return str((metadata or {}).get(KEY, b"").decode())
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return DAMAGED


def faults(output: Output, now: str) -> Iterator[tuple[str, str]]:
    """Yield tables that are damaged, gone, or of another study: their files, and what is wrong.

    `now` is the state of what is committed (`Reader.state`). `shards` is written last: without it a reduction
    was interrupted, and of an interrupted one tables have its state or `now`. A version that noted no states
    noted none in `shards` either.
    """
    states = {name: made_from(output, name) for name in (*TABLES, *NEWER_TABLES)}
    known = (now, states["shards"] or "")
    for name, state in states.items():
        if state == DAMAGED:
            yield f"{name}.parquet", "cannot be read"
        elif state is None and states["shards"] and name in TABLES:
            yield f"{name}.parquet", "missing, and the study was reduced"
        elif state is not None and state not in known:
            yield f"{name}.parquet", "made from other rows than this study's"
