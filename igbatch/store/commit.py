"""Writing a shard and committing it: data files first, then one file whose presence commits them all.

Data files carry an attempt id and are never overwritten. `image_stats` comes last and names them, with row
counts and digests. A writer that dies before leaves files that no commit names: readers do not see them, and
`sweep` removes them at the end of a run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from igbatch.store import schemas
from igbatch.store.encoding import Encoding, map_table, parquet_options
from igbatch.store.histograms import families, merge_lists, merge_patches
from igbatch.store.output import DATA_KINDS, Output, table_bytes

COMMIT_KEY = b"igbatch"
STATS_GROUP_ROWS = 4096
"""Rows of a row group of `image_stats`: 40 MB of histograms, of pixels and of patches."""

_REPEATED = [
    field.name
    for field in schemas.IMAGE_STATS
    if pa.types.is_string(field.type) or pa.types.is_int32(field.type)
]
Row = Mapping[str, Any]


class _DigestingFile(io.RawIOBase):
    """A write-only file that keeps the SHA-256 of its bytes and reaches the disk before it is closed."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.sha256 = hashlib.sha256()
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.sha256.update(view)
        self.raw.write(view)
        self.written += view.nbytes
        return view.nbytes

    def close(self) -> None:
        if not self.closed:
            if isinstance(self.raw, io.BufferedWriter):
                self.raw.flush()
                os.fsync(self.raw.fileno())
            self.raw.close()
        super().close()


@dataclass(eq=False)
class ShardWriter:
    """Writes one attempt at a shard. Use it in a `with` block and end with `commit`; else nothing counts.

    Maps are streamed to disk batch by batch, so that memory does not grow with the shard.
    """

    output: Output
    variant_id: str
    shard: str
    fingerprint: str
    encoding: Encoding = field(default="float32", kw_only=True)
    label_maps: str | None = field(default=None, kw_only=True)
    """Name of the file of label maps of its images, which its rows then say (`store/label_maps.py`)."""

    def __post_init__(self) -> None:
        self.attempt = f"{time.time_ns():016x}-{secrets.token_hex(4)}"
        self._rows: dict[str, list[Row]] = {"image_stats": [], "box_stats": [], "quarantine": []}
        self._opened = ExitStack()
        self._map_file: _DigestingFile | None = None
        self._maps: pq.ParquetWriter = None
        self._map_rows = 0
        self._named: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(Exception):  # where anything is open, the attempt is lost; what led here is what counts
            self._opened.close()

    def add_image_stats(self, rows: Sequence[Row]) -> None:
        """Add rows of `schemas.IMAGE_STATS` without their variant_id and what the commit says of itself."""
        self._rows["image_stats"] += rows

    def add_box_stats(self, rows: Sequence[Row]) -> None:
        """Add rows of `schemas.BOX_STATS` without their variant_id."""
        self._rows["box_stats"] += rows

    def add_quarantine(self, rows: Sequence[Row]) -> None:
        """Add rows of `schemas.QUARANTINE` without their variant_id."""
        self._rows["quarantine"] += rows

    def add_maps(
        self,
        image_ids: Sequence[str],
        targets: Sequence[str],
        maps: np.ndarray,
        spreads: np.ndarray | None = None,
    ) -> None:
        """Append maps (float32 [n, height, width]) as a row group of their own.

        `spreads` are of their shape: the deviations over baselines, of all maps of the shard or of none.

        Raises:
            InputError: the encoding is int16 and a map is not finite.
        """
        if not len(maps):
            return
        table = map_table(self.variant_id, image_ids, targets, maps, self.encoding, spreads)
        if self._map_file is None:
            file = _DigestingFile(self._open(self._data_path("attributions")))
            self._map_file = self._opened.enter_context(file)
            writer = pq.ParquetWriter(file, table.schema, **parquet_options(self.encoding, table.schema))
            self._maps = self._opened.enter_context(writer)
        self._maps.write_table(table)
        self._map_rows += len(maps)

    def commit(self) -> None:
        """Finish the data files, then write `image_stats`, after which the whole attempt counts.

        Raises:
            OSError: the store failed, or a data file was swept by a run that took over meanwhile.
        """
        self._opened.close()
        if self._map_file is not None:
            self._name("attributions", self._map_rows, self._map_file)
        for kind, schema in (("box_stats", schemas.BOX_STATS), ("quarantine", schemas.QUARANTINE)):
            if self._rows[kind]:
                data = table_bytes(self._table(kind, schema))
                with _DigestingFile(self._open(self._data_path(kind))) as file:
                    file.write(data)
                self._name(kind, len(self._rows[kind]), file)
        own = {"attempt": self.attempt, "fingerprint": self.fingerprint}
        record = {"version": 1, **own, "rows": len(self._rows["image_stats"]), "files": self._named}
        sizes = {f"{kind}_bytes": self._named.get(kind, {}).get("bytes") for kind in DATA_KINDS}
        data = stats_bytes(
            self._table("image_stats", schemas.IMAGE_STATS, label_maps=self.label_maps, **own, **sizes),
            record,
        )
        self._check_files()
        self.output.put(self.output.commit_path(self.variant_id, self.shard), data)

    def _check_files(self) -> None:
        """Refuse to name files that are gone: a worker may outlive its driver, and another run sweeps."""
        for named in self._named.values():
            if not self.output.exists(self.output.path(named["path"])):
                raise OSError(f"{named['path']}: gone before its commit; another run has taken over")

    def _table(self, kind: str, schema: pa.Schema, **own: Any) -> pa.Table:
        rows = [{"variant_id": self.variant_id, **row, **own} for row in self._rows[kind]]
        return pa.Table.from_pylist(rows, schema=schema)

    def _data_path(self, kind: str) -> str:
        return self.output.data_path(kind, self.variant_id, self.shard, self.attempt)

    def _open(self, path: str) -> IO[bytes]:
        if self.output.local:
            self.output.make_parent(path)
            return open(Path(path), "xb")
        stream: IO[bytes] = self.output.filesystem.open_output_stream(path)
        return stream

    def _name(self, kind: str, rows: int, file: _DigestingFile) -> None:
        path, sha256 = self.output.relative(self._data_path(kind)), file.sha256.hexdigest()
        self._named[kind] = {"path": path, "rows": rows, "bytes": file.written, "sha256": sha256}


def stats_bytes(rows: pa.Table, record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file of `image_stats`: rows of `schemas.IMAGE_STATS` and a commit record.

    Adds `shard_histogram` and `shard_patches`, those of classes and of each contrast in their first rows.
    Real numbers and histograms are written without dictionaries, which makes reading these twice as fast.
    """
    added: dict[str, list[Any]] = {name: [None] * len(rows) for name in ("shard_histogram", "shard_patches")}
    names = families(rows)
    for name in names.unique().to_pylist():
        own, first = rows.filter(pc.equal(names, name)), pc.index(names, name).as_py()
        added["shard_histogram"][first] = merge_lists(own["histogram"])
        added["shard_patches"][first] = merge_patches(own["patches"])
    kinds = schemas.IMAGE_STATS_FILE
    sums = [pa.array(values, kinds.field(name).type) for name, values in added.items()]
    table = pa.Table.from_arrays([*rows.columns, *sums], schema=kinds)
    table = table.replace_schema_metadata({COMMIT_KEY: json.dumps(record).encode()})
    return table_bytes(table, use_dictionary=_REPEATED, row_group_size=STATS_GROUP_ROWS)


def sweep(output: Output, named: set[str]) -> list[str]:
    """Remove data files that no commit names, and temporary files; return their paths below the output.

    Call it under the lock of the output, at the end of a run.

    Args:
        output: where the study lies.
        named: what `Commit.files` of all commits list, those of variants that the study dropped included.
    """
    removed = []
    for info in _swept_files(output):
        relative = output.relative(info.path)
        temporary = info.base_name.startswith(".") and info.base_name.endswith(".tmp")
        if temporary or (relative.split("/")[0] in DATA_KINDS and relative not in named):
            with suppress(FileNotFoundError):  # the lock's thread has just renamed its temporary file
                output.delete(info.path)
                removed.append(relative)
    return removed


def _swept_files(output: Output) -> Iterator[fs.FileInfo]:
    """Yield the files of an output, those of one variant's folder at a time."""
    for folder in output.folders():
        if folder not in ("image_stats", *DATA_KINDS):
            yield from output.files(folder)
            continue
        for variant in output.folders(folder):
            yield from output.files(folder, variant)
    found = output.filesystem.get_file_info(fs.FileSelector(output.path(), allow_not_found=True))
    yield from (info for info in found if info.is_file)
