"""One scan of a variant's statistics: its summary of ranges, and columns of its rows by image and target.

Every shard has the sum of its histograms and the ranges of its patches. They are used where all rows of the
shard are current, that is, unless something was computed again or is no longer listed; elsewhere the rows are
read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.reduce.ranges import COLUMNS, RangeSummary, summarise
from igbatch.statistics.histogram import N_BINS
from igbatch.store import schemas
from igbatch.store.histograms import by_family, merge_lists, merge_patches, patches_by_size
from igbatch.store.reader import Reader
from igbatch.store.scan import scan
from igbatch.store.shards import shard_rows

_KEYS = ("target", "other_index")
_SUMS = ("shard_histogram", "shard_patches")
_SHARD = pa.schema([schemas.IMAGE_STATS_FILE.field(name) for name in (*_KEYS, *_SUMS)])


@dataclass(frozen=True)
class VariantScan:
    """What a scan of one variant found, of its current rows.

    Attributes:
        ranges: extremes, histogram and number of its maps, of contrasts left out.
        contrasts: the same of the maps of each contrast.
        weights_sha256: digests of its weights.
        present: which rows are there: bool [images, targets], in the order of the study's lists.
        columns: of `image_stats`, minimum, maximum and those requested: [images, targets] each, as
            the column's type. Where there is no row, or a null, stands NaN in numbers with a fraction and 0
            in others; texts are positions in `texts`.
        texts: the values of each column of texts.
        shards: the committed files: `schemas.SHARDS`.
    """

    ranges: RangeSummary
    contrasts: Mapping[str, RangeSummary]
    weights_sha256: list[str]
    present: NDArray[np.bool_]
    columns: Mapping[str, NDArray[Any]]
    texts: Mapping[str, list[str]]
    shards: pa.Table


def scan_variant(reader: Reader, variant_id: str, columns: Sequence[str] = ()) -> VariantScan:
    """Scan the rows of a variant once, some thousand at a time.

    A column's value is replaced when a later attempt at its row is scanned. Memory: 24 bytes an image and
    target, those of the columns, and the list of images.

    Raises:
        InputError: a file is no whole commit of igbatch.
    """
    names = list(dict.fromkeys(["minimum", "maximum", "weights_sha256", *columns]))
    found = {name: _empty(name, reader.listing.size) for name in names}
    texts: dict[str, dict[str, int]] = {name: {} for name in names if _is_text(name)}
    sums: dict[str, _ShardSums] = defaultdict(_ShardSums)
    for chunk in reader.scan_rows(variant_id, [*names, *_KEYS, *_SUMS]):
        for name, column in found.items():
            values = _codes(chunk.rows[name], texts[name]) if name in texts else _numbers(chunk.rows[name])
            column[chunk.keys[chunk.current]] = values[chunk.current]
        first = pc.is_valid(chunk.rows["shard_histogram"])
        for family, at, rows in by_family(chunk.rows.select([*_KEYS, *_SUMS]).filter(first)):
            sums[family].add(rows, chunk.files[first.to_numpy()][at])
    index = reader.row_index(variant_id)
    known = set().union(*(each.files for each in sums.values()))
    whole = index.all_current() & np.isin(np.arange(len(index.files)), list(known))
    others = np.flatnonzero(~whole)
    partly = [index.files[file].path for file in others if file in known]
    for _, batch in scan(reader.output, partly, _SHARD):
        for family, _, rows in by_family(pa.Table.from_batches([batch])):
            sums[family].take_away(rows)
    summaries = defaultdict(RangeSummary, {family: each.summary(whole) for family, each in sums.items()})
    for batch in reader.current_rows([*COLUMNS, *_KEYS, "patches"], index, others):
        for family, _, rows in by_family(pa.Table.from_batches([batch])):
            summaries[family] += summarise(rows)
    present = index.file_of_key[:-1] >= 0
    weights = list(texts["weights_sha256"])
    shape = (-1, len(reader.listing.targets))
    ranges = {}
    for family, targets in reader.families.items():
        own = [reader.listing.targets.index(name) for name in targets]
        low, high = (found[name].reshape(shape)[:, own] for name in ("minimum", "maximum"))
        ranges[family] = replace(
            summaries[family],
            minimum=float(np.fmin.reduce(low, axis=None, initial=np.inf)),
            maximum=float(np.fmax.reduce(high, axis=None, initial=-np.inf)),
            n_maps=int(present.reshape(shape)[:, own].sum()),
        )
    return VariantScan(
        ranges.pop("", RangeSummary()),
        ranges,
        sorted(weights[code] for code in np.unique(found.pop("weights_sha256")[present])),
        present.reshape(shape),
        {name: column.reshape(shape) for name, column in found.items()},
        {name: list(codes) for name, codes in texts.items()},
        shard_rows(variant_id, index),
    )


def grids(reader: Reader, variant_id: str, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return numeric columns of `image_stats` of a variant: float64 [images, targets] each.

    Images and targets are in the study's order; NaN stands where there is no row or no value. One scan.
    """
    found = {name: np.full(reader.listing.size, np.nan) for name in columns}
    for chunk in reader.scan_rows(variant_id, columns):
        for name, grid in found.items():
            grid[chunk.keys[chunk.current]] = chunk.rows[name].cast(pa.float64()).to_numpy()[chunk.current]
    return {name: grid.reshape(-1, len(reader.listing.targets)) for name, grid in found.items()}


class _ShardSums:
    """What files say of all their maps: sums of histograms, and ranges of patches. 100 bytes a file."""

    def __init__(self) -> None:
        self.files: set[int] = set()
        self._counts: dict[int, Any] = defaultdict(lambda: np.zeros(N_BINS, dtype=np.int64))  # by patch size
        self._ends: dict[int, list[NDArray[np.float64]]] = defaultdict(list)  # file, minimum, maximum, maps

    def add(self, sums: pa.Table, files: NDArray[np.int64]) -> None:
        """Add what some files say."""
        self.files.update(files.tolist())
        for size, entries, rows in patches_by_size(sums["shard_patches"]):
            self._counts[size] += merge_lists(pa.chunked_array([entries["histogram"]]))
            ends = [files[rows], *(entries[name].to_numpy() for name in ("minimum", "maximum", "n_maps"))]
            self._ends[size].append(np.stack(ends).astype(np.float64))
        self._counts[1] += _added(sums["shard_histogram"])

    def take_away(self, sums: pa.Table) -> None:
        """Take away the counts of a file that is not to count as a whole."""
        for entry in merge_patches(sums["shard_patches"]):
            self._counts[entry["size"]] -= entry["histogram"]
        self._counts[1] -= _added(sums["shard_histogram"])

    def summary(self, whole: NDArray[np.bool_]) -> RangeSummary:
        """Return counts of pixels, and the ranges of patches, of the files that count as a whole."""
        patches = {}
        for size, parts in sorted(self._ends.items()):
            files, low, high, maps = np.concatenate(parts, axis=1)
            kept = whole[files.astype(np.int64)]
            if kept.any():
                ends = float(low[kept].min()), float(high[kept].max())
                patches[size] = RangeSummary(*ends, self._counts[size], int(maps[kept].sum()))
        return RangeSummary(counts=self._counts[1], patches=patches)


def _added(histograms: pa.ChunkedArray) -> NDArray[np.int64] | int:
    """Return the sum of histograms, nulls left out; 0 of none."""
    return merge_lists(histograms) if histograms.null_count < len(histograms) else 0


def _codes(column: pa.ChunkedArray, codes: dict[str, int]) -> NDArray[np.int32]:
    """Return the position of each text among those of its column; new ones get the next."""
    encoded = column.combine_chunks().dictionary_encode()
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
