"""One scan of a variant's statistics: its summary, and the extremes of each map where asked for.

Every shard carries the sum of its histograms. It is taken where all rows of the shard count, which is so
unless something was computed again or is no longer listed; elsewhere the rows are read.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from igbatch.store.winners import Chunk

_SHARD = pa.schema([schemas.IMAGE_STATS_FILE.field("shard_histogram")])


@dataclass(frozen=True)
class Extremes:
    """The smallest and the largest value of every map of a variant, NaN where there is none.

    Attributes:
        minimum, maximum: float64 [images, targets], in the order of the study's lists.
    """

    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    def __or__(self, other: Extremes) -> Extremes:
        """Join each map with the same image's and target's of another variant."""
        return Extremes(np.fmin(self.minimum, other.minimum), np.fmax(self.maximum, other.maximum))


@dataclass(frozen=True)
class Survey:
    """What a scan of one variant told: its summary, the digests of its weights, extremes if asked for."""

    summary: RangeSummary
    weights_sha256: list[str]
    extremes: Extremes | None


def survey(reader: Reader, variant_id: str, *, extremes: bool = False) -> Survey:
    """Summarise the rows of a variant that count, some thousand rows at a time.

    Holds 4 bytes for every image and target, 20 with `extremes`, besides the list of images.

    Raises:
        InputError: a file is no whole commit of igbatch.
    """
    found = _Tally(reader, extremes)
    for chunk in reader.claims(variant_id, ["minimum", "maximum", "weights_sha256", "shard_histogram"]):
        found.add(chunk)
    return found.settle(variant_id)


class _Tally:
    """What was seen of a variant so far, by file: which rows count is known when all have been seen."""

    def __init__(self, reader: Reader, extremes: bool) -> None:
        self.reader = reader
        self.counts = np.zeros(N_BINS, dtype=np.int64)
        self.summed: set[int] = set()  # files whose sum is in `counts`
        self.weights: set[tuple[int, str]] = set()  # by file
        self.minima: NDArray[np.float64] = np.full(0, np.inf)  # by file
        self.maxima: NDArray[np.float64] = np.full(0, -np.inf)
        keys = reader.listing.size if extremes else 0
        self.every_minimum, self.every_maximum = np.full(keys, np.nan), np.full(keys, np.nan)

    def add(self, chunk: Chunk) -> None:
        rows, files = chunk.rows, chunk.files
        low, high = rows["minimum"].to_numpy(), rows["maximum"].to_numpy()
        more = int(files.max()) + 1 - len(self.minima)
        if more > 0:
            self.minima = np.append(self.minima, np.full(more, np.inf))
            self.maxima = np.append(self.maxima, np.full(more, -np.inf))
        np.minimum.at(self.minima, files, low)
        np.maximum.at(self.maxima, files, high)
        if len(self.every_minimum):
            won = chunk.keys[chunk.won]
            self.every_minimum[won], self.every_maximum[won] = low[chunk.won], high[chunk.won]
        summed = pc.is_valid(rows["shard_histogram"]).to_numpy()
        if summed.any():
            self.counts += merge_lists(rows["shard_histogram"])
            self.summed.update(files[summed].tolist())
        pairs = pa.table({"file": files, "digest": rows["weights_sha256"]}).group_by(["file", "digest"])
        self.weights.update(zip(*pairs.aggregate([]).to_pydict().values(), strict=True))

    def settle(self, variant_id: str) -> Survey:
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
        summary = RangeSummary(
            float(self.minima[whole].min(initial=np.inf)),
            float(self.maxima[whole].max(initial=-np.inf)),
            self.counts,
            int(winners.counting()[whole].sum()),
        )
        for batch in self.reader.counting_rows([*COLUMNS, "weights_sha256"], winners, others):
            summary += summarise(pa.Table.from_batches([batch]))
            weights.update(batch["weights_sha256"].unique().to_pylist())
        return Survey(summary, sorted(weights), self._extremes())

    def _extremes(self) -> Extremes | None:
        if not len(self.every_minimum):
            return None
        shape = (-1, len(self.reader.listing.targets))
        return Extremes(self.every_minimum.reshape(shape), self.every_maximum.reshape(shape))
