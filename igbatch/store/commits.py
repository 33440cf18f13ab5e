"""The committed shards of an output, and the commit record in the Parquet footer of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from igbatch.errors import InputError, one_line
from igbatch.store.commit import COMMIT_KEY
from igbatch.store.output import Output, shard_of

READ_THREADS = 8


@dataclass(frozen=True)
class Commit:
    """The commit record of a shard: its attempt, its fingerprint, and its data files."""

    path: str
    variant_id: str
    shard: str
    attempt: str
    fingerprint: str
    rows: int
    files: dict[str, dict[str, Any]]


def commit_paths(output: Output, variant_id: str) -> list[str]:
    """List the files of `image_stats` of a variant."""
    return [
        info.path
        for info in output.files("image_stats", variant_id)
        if info.base_name.endswith(".parquet") and not info.base_name.startswith(".")
    ]


def read_commits(output: Output, variant_ids: Sequence[str]) -> list[Commit]:
    """Read the commit records of the given variants' shards from their Parquet footers."""
    return [each for name in variant_ids for each in commits_at(output, name, commit_paths(output, name))]


def commits_at(output: Output, variant_id: str, paths: Sequence[str]) -> list[Commit]:
    """Read the commit records of some files of a variant."""
    with ThreadPoolExecutor(READ_THREADS) as pool:
        return list(pool.map(lambda path: read_commit(output.filesystem, variant_id, path), paths))


def read_commit(filesystem: fs.FileSystem, variant_id: str, path: str) -> Commit:
    """Read the commit record in the footer of one `image_stats` file.

    Raises:
        InputError: the file was cut short or was not written by igbatch.
    """
    try:
        metadata = pq.read_schema(path, filesystem=filesystem).metadata or {}
        record = json.loads(metadata[COMMIT_KEY])
        facts = (record[name] for name in ("attempt", "fingerprint", "rows", "files"))
        return Commit(path, variant_id, shard_of(path), *facts)
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: not a whole commit of igbatch ({one_line(error, limit=200)}); "
            "delete the file and run again"
        ) from None


def latest(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep, of rows with one key, that of the latest attempt, in the order of the key."""
    table = table.sort_by([*((name, "ascending") for name in key), ("attempt", "descending")])
    places = table.append_column("place", pa.array(np.arange(len(table))))
    first = places.group_by(list(key)).aggregate([("place", "min")])["place_min"]
    return table.take(pa.array(np.sort(first.to_numpy())))
