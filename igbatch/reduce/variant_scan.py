"""One scan of a variant's statistics: its summary of ranges, and columns of its rows by image and target.

Every shard carries the sum of its histograms. It is taken where all rows of the shard count, which is so
unless something was computed again or is no longer listed; elsewhere the rows are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.reduce.ranges import COLUMNS, RangeSummary, summarise
from igbatch.statistics.histogram import N_BINS
from igbatch.store import schemas
from igbatch.store.histograms import merge_lists
from igbatch.store.reader import Reader
from igbatch.store.scan import scan
from igbatch.store.shards import shard_rows
from igbatch.store.winners import Chunk

_SHARD = pa.schema([schemas.IMAGE_STATS_FILE.field("shard_histogram")])


@dataclass(frozen=True)
class VariantScan:
    """What a scan of one variant found, of the rows that count.

    Attributes:
        ranges: extremes, histogram and number of its maps.
        weights_sha256: digests of its weights.
        present: which rows are there: bool [images, targets], in the order of the study's lists.
        columns: of `image_stats`, those that were asked for: [images, targets] each, as the column's type.
            Where there is no row, or a null, stands NaN in numbers with a fraction and 0 in others; texts are
            positions in `texts`.
        texts: the values of each column of texts.
        shards: the committed files: `schemas.SHARDS`.
    """

    ranges: RangeSummary
    weights_sha256: list[str]
    present: NDArray[np.bool_]
    columns: Mapping[str, NDArray[Any]]
    texts: Mapping[str, list[str]]
    shards: pa.Table


def scan_variant(reader: Reader, variant_id: str, columns: Sequence[str] = ()) -> VariantScan:
    """Scan the rows of a variant once, some thousand at a time.

    Holds for every image and target 4 bytes, and those of the columns, besides the list of images.

    Raises:
        InputError: a file is no whole commit of igbatch.
    """
    found = _Accumulator(reader, columns)
    names = dict.fromkeys(["minimum", "maximum", "weights_sha256", "shard_histogram", *columns])
    for chunk in reader.claims(variant_id, list(names)):
        found.add(chunk)
    return found.result(variant_id)


class _Accumulator:
    """What was seen of a variant so far, by file: which rows count is known when all have been seen.

    A column's value at a key is that of the row that counts as far as was seen, so it is right in the end.
    """

    def __init__(self, reader: Reader, columns: Sequence[str]) -> None:
        self.reader = reader
        self.counts = np.zeros(N_BINS, dtype=np.int64)
        self.summed: set[int] = set()  # files whose sum is in `counts`
        self.weights: set[tuple[int, str]] = set()  # by file
        self.minima: NDArray[np.float64] = np.full(0, np.inf)  # by file
        self.maxima: NDArray[np.float64] = np.full(0, -np.inf)
        self.columns = {name: _empty(name, reader.listing.size) for name in columns}
        self.texts: dict[str, dict[str, int]] = {name: {} for name in columns if _is_text(name)}

    def add(self, chunk: Chunk) -> None:
        rows, files = chunk.rows, chunk.files
        more = int(files.max()) + 1 - len(self.minima)
        if more > 0:
            self.minima = np.append(self.minima, np.full(more, np.inf))
            self.maxima = np.append(self.maxima, np.full(more, -np.inf))
        np.minimum.at(self.minima, files, rows["minimum"].to_numpy())
        np.maximum.at(self.maxima, files, rows["maximum"].to_numpy())
        won = chunk.keys[chunk.won]
        for name, column in self.columns.items():
            values = self._codes(name, rows[name]) if name in self.texts else _numbers(rows[name])
            column[won] = values[chunk.won]
        summed = pc.is_valid(rows["shard_histogram"]).to_numpy()
        if summed.any():
            self.counts += merge_lists(rows["shard_histogram"])
            self.summed.update(files[summed].tolist())
        pairs = pa.table({"file": files, "digest": rows["weights_sha256"]}).group_by(["file", "digest"])
        self.weights.update(zip(*pairs.aggregate([]).to_pydict().values(), strict=True))

    def result(self, variant_id: str) -> VariantScan:
        """Take the sums of files whose rows all count, and the rows of the others that do."""
        winners = self.reader.winners(variant_id)
        whole = winners.whole()
        whole &= np.isin(np.arange(len(whole)), list(self.summed))
        others = np.flatnonzero(~whole)
        paths = [winners.files[file].path for file in others if file in self.summed]
        for _, batch in scan(self.reader.output, paths, _SHARD):
            if batch.num_rows > batch["shard_histogram"].null_count:
                self.counts -= merge_lists(pa.chunked_array([batch["shard_histogram"]]))
        weights = {digest for file, digest in self.weights if whole[file]}
        ranges = RangeSummary(
            float(self.minima[whole].min(initial=np.inf)),
            float(self.maxima[whole].max(initial=-np.inf)),
            self.counts,
            int(winners.counting()[whole].sum()),
        )
        for batch in self.reader.counting_rows([*COLUMNS, "weights_sha256"], winners, others):
            ranges += summarise(pa.Table.from_batches([batch]))
            weights.update(batch["weights_sha256"].unique().to_pylist())
        shape = (-1, len(self.reader.listing.targets))
        return VariantScan(
            ranges,
            sorted(weights),
            (winners.owner[:-1] >= 0).reshape(shape),
            {name: column.reshape(shape) for name, column in self.columns.items()},
            {name: list(codes) for name, codes in self.texts.items()},
            shard_rows(variant_id, winners),
        )

    def _codes(self, name: str, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the position of each text among those of its column; new ones get the next."""
        encoded, codes = column.combine_chunks().dictionary_encode(), self.texts[name]
        known = [codes.setdefault(text, len(codes)) for text in encoded.dictionary.to_pylist()]
        found: NDArray[np.int32] = np.array(known, dtype=np.int32)[encoded.indices.to_numpy()]
        return found


def _is_text(name: str) -> bool:
    return bool(pa.types.is_string(schemas.IMAGE_STATS.field(name).type))


def _empty(name: str, size: int) -> NDArray[Any]:
    kind = np.int32 if _is_text(name) else schemas.IMAGE_STATS.field(name).type.to_pandas_dtype()
    return np.full(size, np.nan) if kind is np.float64 else np.zeros(size, dtype=kind)


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers or truth values; nulls are NaN where there are fractions, and 0 elsewhere."""
    fractions = pa.types.is_floating(column.type)
    return np.asarray((column if fractions else column.fill_null(pa.scalar(0).cast(column.type))).to_numpy())
