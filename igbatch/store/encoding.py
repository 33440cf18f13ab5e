"""How maps are kept in files: float32 as they are, or 16-bit integers with one scale a map.

`int16` keeps q = round(a / scale) with scale = max|a| / 32,767, rounded towards zero in float32, so that
q * scale is off by at most half a scale, max|a| / 65,534, and by the rounding of float32. float16 would do
this for bright maps only: it ends at 6e-8, and maps of models with random weights lie below.
`docs/dev/measurements.md` has the sizes and speeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store import schemas

Encoding = Literal["float32", "int16"]
LARGEST = 32_767
RELATIVE_ERROR = 1 / 65_000
"""Bound of the error of a map kept as int16, in units of its largest absolute value (above 1e-33)."""


MAP = "attribution"
SCALES = {MAP: "scale", "spread": "spread_scale"}
"""Columns of maps, and those of their scales where they are integers."""


def parquet_options(encoding: Encoding, schema: pa.Schema) -> dict[str, Any]:
    """Return how `pyarrow.parquet.ParquetWriter` is to write maps, the smallest way of those measured."""
    numbers = {"float32": "BYTE_STREAM_SPLIT", "int16": "DELTA_BINARY_PACKED"}[encoding]
    columns = {f"{name}.list.element": numbers for name in SCALES if name in schema.names}
    return {"compression": "zstd", "use_dictionary": False, "column_encoding": columns}


def map_table(
    variant_id: str,
    image_ids: Sequence[str],
    targets: Sequence[str],
    maps: NDArray[np.float32],
    encoding: Encoding = "float32",
    spreads: NDArray[np.float32] | None = None,
) -> pa.Table:
    """Return maps (float32 [n, height, width]) as rows of `schemas.attributions(height, width, encoding)`.

    Their deviations over baselines, `spreads`, are of their shape; None where there is one baseline.

    Raises:
        InputError: a map that is to become int16 is not finite.
    """
    columns = [pa.array([variant_id] * len(maps)), pa.array(image_ids), pa.array(targets)]
    for each in (maps,) if spreads is None else (maps, spreads):
        if encoding == "int16":
            values, scale = to_int16(each)
            columns += [pa.FixedShapeTensorArray.from_numpy_ndarray(values), pa.array(scale)]
        else:
            exact = np.array(each, dtype=np.float32, order="C")
            columns.append(pa.FixedShapeTensorArray.from_numpy_ndarray(exact))
    height, width = maps.shape[1:]
    schema = schemas.attributions(height, width, encoding, spread=spreads is not None)
    return pa.Table.from_arrays(columns, schema=schema)


def stored_maps(table: pa.Table, column: str = MAP) -> NDArray[np.float32]:
    """Return the maps of rows that `map_table` made, whatever their encoding: float32 [n, height, width].

    With the column `spread` these are their deviations over baselines.
    """
    values: NDArray[Any] = table[column].combine_chunks().to_numpy_ndarray()
    if values.dtype == np.int16:
        return from_int16(values, table[SCALES[column]].to_numpy())
    return np.asarray(values, dtype=np.float32)


def to_int16(maps: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return maps [n, height, width] as integers of that shape, and the scale of each: float32 [n].

    A map of zeros has the scale 0.

    Raises:
        InputError: a value is NaN or infinite.
    """
    peaks = np.abs(maps).max(axis=(1, 2)).astype(np.float64)
    if not np.isfinite(peaks).all():
        raise InputError("store.encoding int16: a map holds NaN or infinity; leave such maps out")
    scale = (peaks / LARGEST).astype(np.float32)
    high = scale * np.float64(LARGEST) > peaks  # rounded towards zero, half a scale is within the bound
    scale = np.where(high, np.nextafter(scale, np.float32(0)), scale)
    low = scale * np.float64(LARGEST + 0.5) < peaks  # near the smallest numbers of float32
    scale = np.where(low, np.nextafter(scale, np.float32(np.inf)), scale)
    divisor = np.where(scale > 0, scale, 1).astype(np.float64)[:, None, None]
    return np.clip(np.rint(maps / divisor), -LARGEST, LARGEST).astype(np.int16), scale


def from_int16(values: NDArray[np.int16], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the maps that `to_int16` was given, up to its error: float32, in the shape of `values`."""
    largest = np.finfo(np.float32).max
    products = values * scale.astype(np.float64)[:, None, None]
    return np.clip(products, -largest, largest).astype(np.float32)
