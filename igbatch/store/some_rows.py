"""Scanning for some rows of many files: those of a few images, or many at a time of small batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from igbatch.store.output import Output
from igbatch.store.scan import AHEAD, FILES_AT_ONCE
from igbatch.store.winners import ROWS_AT_ONCE


def gathered(batches: Iterator[tuple[str, pa.RecordBatch]]) -> Iterator[list[tuple[str, pa.RecordBatch]]]:
    """Gather batches until they have `ROWS_AT_ONCE`: comparing them with the list costs as much for few."""
    found: list[tuple[str, pa.RecordBatch]] = []
    rows = 0
    for path, batch in batches:
        found.append((path, batch))
        rows += len(batch)
        if rows >= ROWS_AT_ONCE:
            yield found
            found, rows = [], 0
    if found:
        yield found


def scan_images(
    output: Output, paths: Sequence[str], schema: pa.Schema, image_ids: pa.Array
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield (path, rows) of some images in files, whose row groups without any are passed over."""
    for start in range(0, len(paths), FILES_AT_ONCE):
        files = ds.FileSystemDataset.from_paths(
            list(paths[start : start + FILES_AT_ONCE]),
            schema=schema,
            format=ds.ParquetFileFormat(),
            filesystem=output.filesystem,
        )
        chosen = pc.field("image_id").isin(image_ids)
        scanner = files.scanner(
            columns=schema.names, filter=chosen, batch_readahead=AHEAD, fragment_readahead=AHEAD
        )
        for tagged in scanner.scan_batches():
            if len(tagged.record_batch):
                yield tagged.fragment.path, tagged.record_batch
