"""Checks what is stored of how maps depend on the baseline."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.store.encoding import stored_maps

COLUMNS = ("sum_spread", "sign_agreement")


def wrong_spreads(parquet: pq.ParquetFile) -> str:
    """Say what is wrong with the spreads of a file of `box_stats`; empty where nothing is.

    A box without a visible pixel has none, others have both numbers or neither. Files of earlier versions
    have no such columns.
    """
    if not {*COLUMNS} <= {*parquet.schema_arrow.names}:
        return ""
    boxes = parquet.read(["sum", *COLUMNS])
    seen, spread, agreement = (boxes[name].to_numpy() for name in ("sum", *COLUMNS))
    known = ~np.isnan(spread)
    good = (spread >= 0) & (spread < np.inf) & (agreement >= 0) & (agreement <= 1) & ~np.isnan(seen)
    odd = int(np.count_nonzero(np.where(known, ~good, ~np.isnan(agreement))))
    return f"{odd} of its rows have spreads over baselines that cannot be" if odd else ""


def spread_ratios(table: pa.Table, maps: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the `spread` of maps, [n, H, W], by the deviations beside them; None where there are none.

    NaN where a map is 0 throughout.
    """
    if "spread" not in table.column_names:
        return None
    deviations = stored_maps(table, "spread").astype(np.float64)
    norms, of_maps = (np.sqrt(np.square(each).sum(axis=(1, 2))) for each in (deviations, maps))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios: NDArray[np.float64] = np.where(of_maps > 0, norms / of_maps, np.nan)
    return ratios
