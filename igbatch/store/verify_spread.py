"""Checks what is stored of how maps depend on the baseline."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.statistics.baseline_spread import BOX_COLUMNS
from igbatch.store.encoding import RELATIVE_ERROR, stored_maps


def wrong_spreads(parquet: pq.ParquetFile) -> str:
    """Say what is wrong with the spreads of a file of `box_stats`; empty where nothing is.

    A box without a visible pixel has none, and an agreement is there only beside a spread. Files of earlier
    versions have no such columns.
    """
    if not {*BOX_COLUMNS} <= {*parquet.schema_arrow.names}:
        return ""
    boxes = parquet.read(["sum", *BOX_COLUMNS])
    seen, spread, agreement = (boxes[name].to_numpy() for name in ("sum", *BOX_COLUMNS))
    known = ~np.isnan(spread)
    agrees = np.isnan(agreement) | ((agreement >= 0) & (agreement <= 1))
    good = (spread >= 0) & (spread < np.inf) & agrees & ~np.isnan(seen)
    odd = int(np.count_nonzero(np.where(known, ~good, ~np.isnan(agreement))))
    return f"{odd} of its rows have spreads over baselines that cannot be" if odd else ""


def other_spreads(table: pa.Table, stated: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell of rows of a file of maps whether their `spread` is another than their deviations say.

    Args:
        table: maps with the deviations beside them, whatever their encoding.
        stated: `spread` of their rows of `image_stats`; NaN where it is null, as of a map of zeros.
    """
    maps, deviations = (stored_maps(table, name).astype(np.float64) for name in ("attribution", "spread"))
    of_maps, norms = (np.sqrt(np.square(each).sum(axis=(1, 2))) for each in (maps, deviations))
    rounded = [np.abs(each).max(axis=(1, 2)) * np.sqrt(each[0].size) for each in (maps, deviations)]
    rough = RELATIVE_ERROR if "scale" in table.column_names else 0.0
    off = 1e-5 * norms + rough * (rounded[1] + np.nan_to_num(stated) * rounded[0])
    same = np.abs(norms - stated * of_maps) <= off
    odd: NDArray[np.bool_] = ~np.where(np.isnan(stated), of_maps == 0, same)
    return odd
