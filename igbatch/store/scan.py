"""Scanning many small Parquet files: one pass, a few columns, bounded memory.

`pyarrow.dataset` opens a file in a third of the time that a loop over `pyarrow.parquet` takes, reads ahead in
threads, and yields batches while it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from igbatch.store.output import Output

Item = TypeVar("Item")
Found = tuple[str, pa.RecordBatch]
"""Some rows, and the path of the file that they are in."""

FILES_AT_ONCE = 1024
"""Files of one data set: it keeps the footers of those that it has read."""

BATCH_ROWS = 8192
GATHERED_BYTES = 1 << 27
"""Of batches that are gathered: small shards have 19 kB of sums each."""
AHEAD = 4
"""Batches of a file, and files, that are read ahead."""


def scan(
    output: Output, paths: Sequence[str], schema: pa.Schema, where: pc.Expression | None = None
) -> Iterator[Found]:
    """Yield (path, rows) of files in their order, some rows at a time, the columns of `schema` only.

    With `where` only the rows for which it holds; row groups without any, by their statistics, are passed
    over. A column that a file lacks is null. Holds some batches and `FILES_AT_ONCE` footers at a time.

    Raises:
        OSError, pyarrow.ArrowException: a file is missing or damaged.
    """
    import pyarrow.dataset as ds  # with pandas, 0.3 s of a process that scans nothing, as workers do

    for start in range(0, len(paths), FILES_AT_ONCE):
        files = ds.FileSystemDataset.from_paths(
            list(paths[start : start + FILES_AT_ONCE]),
            schema=schema,
            format=ds.ParquetFileFormat(),
            filesystem=output.filesystem,
        )
        scanner = files.scanner(
            columns=schema.names,
            filter=where,
            batch_size=BATCH_ROWS,
            batch_readahead=AHEAD,
            fragment_readahead=AHEAD,
        )
        for tagged in scanner.scan_batches():
            if len(tagged.record_batch):
                yield tagged.fragment.path, tagged.record_batch


def gathered(batches: Iterator[Found], rows: int) -> Iterator[list[Found]]:
    """Gather batches until they have so many rows: comparing them with a long list costs as much for few.

    Or until they have `GATHERED_BYTES`.
    """
    waiting: list[Found] = []
    count = size = 0
    for path, batch in batches:
        waiting.append((path, batch))
        count, size = count + len(batch), size + batch.nbytes
        if count >= rows or size >= GATHERED_BYTES:
            yield waiting
            waiting, count, size = [], 0, 0
    if waiting:
        yield waiting


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items in their order, the next one being fetched by a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item
