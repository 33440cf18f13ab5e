"""An output folder: where each file of a study lies, and how single files are read, written and listed."""

from __future__ import annotations

import io
import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from igbatch.filesystem import resolve

DATA_KINDS = ("attributions", "box_stats", "quarantine")
GROUP_ROWS = 100_000
GROUP_BYTES = 1 << 27
"""Rows, and bytes of them, that are gathered before they are written as one row group of a joined file."""


class Output:
    """The output of one study at a local path or URI; small and picklable, so that workers get a copy.

    `uri` is an absolute path where the output is local, so that it means the same in every process.

    Raises:
        InputError: nothing opens the URI, or it carries credentials.
    """

    def __init__(self, uri: str) -> None:
        self.filesystem, self.root = resolve(uri)
        self.uri = self.root if self.local else uri

    def __reduce__(self) -> tuple[type[Output], tuple[str]]:
        return Output, (self.uri,)

    @property
    def local(self) -> bool:
        """Tell whether files are renamed into place (a local disk) or put whole (an object store)."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def path(self, *parts: str) -> str:
        """Return the path of a file of this output, as its file system takes it."""
        return "/".join([self.root.rstrip("/"), *parts])

    def relative(self, path: str) -> str:
        """Return where a file of this output lies below it."""
        return path.removeprefix(self.path() + "/")

    def uri_of(self, *parts: str) -> str:
        """Return where something of this output lies, for people and for other processes: a path or a URI."""
        if self.local:
            return self.path(*parts)
        place, mark, query = self.uri.partition("?")
        return f"{'/'.join([place.rstrip('/'), *parts])}{mark}{query}"

    def data_path(self, kind: str, variant_id: str, shard: str, attempt: str) -> str:
        """Return the path of a data file of one attempt at a shard; such files are never overwritten."""
        return self.path(kind, variant_id, f"{shard}.{attempt}.parquet")

    def commit_path(self, variant_id: str, shard: str) -> str:
        """Return the path of the file whose presence commits a shard."""
        return self.path("image_stats", variant_id, f"{shard}.parquet")

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        return bool(self.filesystem.get_file_info(path).type == fs.FileType.File)

    def files(self, *parts: str) -> list[fs.FileInfo]:
        """List the files below a folder of the output, none where the folder is missing."""
        selector = fs.FileSelector(self.path(*parts), recursive=True, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted((info for info in found if info.is_file), key=lambda info: info.path)

    def folders(self, *parts: str) -> list[str]:
        """List the names of the folders right below a folder of the output."""
        selector = fs.FileSelector(self.path(*parts), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file so that readers see all of it or nothing, replacing one that is there.

        On a local disk the bytes are flushed to a temporary file beside it, which is then renamed; on an
        object store one put makes the object visible. Closing one of Arrow's streams makes visible what was
        written so far, and nothing can abort it: a thread writes it, which no interrupt of this one reaches.
        """
        self.make_parent(path)
        if not self.local:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(_put_object, self.filesystem, path, data).result()
            return
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)

    def make_parent(self, path: str) -> None:
        """Create the folder of a file; object stores have none."""
        if self.local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        with self.filesystem.open_input_stream(path) as stream:
            data: bytes = stream.read()
        return data

    def put_table(self, path: str, table: pa.Table) -> None:
        """Write a small table as one Parquet file."""
        self.put(path, table_bytes(table))

    def put_tables(self, path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
        """Write tables of one schema as one Parquet file that readers see whole; a few are held at a time.

        It is written to a temporary file, beside the final one where the output is local.
        """
        self.make_parent(path)
        beside = str(Path(path).parent) if self.local else None
        with tempfile.TemporaryDirectory(prefix=".igbatch-", dir=beside) as folder:
            file = Path(folder) / "table.parquet"
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                waiting: list[pa.Table] = []
                for table in tables:
                    waiting.append(table)
                    size = sum(each.nbytes for each in waiting)
                    if sum(map(len, waiting)) >= GROUP_ROWS or size >= GROUP_BYTES:
                        writer.write_table(pa.concat_tables(waiting))
                        waiting = []
                if waiting:
                    writer.write_table(pa.concat_tables(waiting))
            if self.local:
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
                os.replace(file, path)
            else:
                with pa.memory_map(str(file)) as mapped:
                    self.put(path, mapped.read_buffer().to_pybytes())

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """Read one Parquet file."""
        return pq.read_table(path, columns=columns, filesystem=self.filesystem, partitioning=None)

    def put_json(self, path: str, content: Any) -> None:
        """Write JSON, indented, keys in the order given."""
        self.put(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())

    def read_json(self, path: str) -> Any:
        """Read JSON, or return None where the file is missing."""
        return json.loads(self.read(path)) if self.exists(path) else None

    def delete(self, path: str) -> None:
        """Delete a file that no reader needs."""
        self.filesystem.delete_file(path)


def _put_object(filesystem: fs.FileSystem, path: str, data: bytes) -> None:
    if isinstance(filesystem, fs.PyFileSystem):
        filesystem.handler.put(path, data)
        return
    with filesystem.open_output_stream(path) as stream:
        stream.write(data)


def shard_of(path: str) -> str:
    """Return the shard that a file of `image_stats` commits."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def table_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as the bytes of a Parquet file (zstd); `options` are those of `pyarrow.parquet`."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()
