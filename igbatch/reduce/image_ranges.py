"""The ranges of every image under the scopes `image`, `pair`, `targets` and `models`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.reduce.variant_scan import grids
from igbatch.store.reader import Reader

IMAGE_SCOPES = ("image", "pair", "targets", "models")
SCHEMA = pa.schema(
    [
        pa.field("variant_id", pa.string()),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("targets", pa.list_(pa.string()), nullable=False),
        pa.field("minimum", pa.float64(), nullable=False),
        pa.field("maximum", pa.float64(), nullable=False),
        pa.field("complete", pa.bool_(), nullable=False),
    ]
)


Extremes = dict[str, NDArray[np.float64]]
"""The `minimum` and `maximum` of every map, [images, targets] as the study lists them; NaN: none."""


def image_ranges(reader: Reader, scope: str, variant_id: str | None = None) -> Iterator[pa.Table]:
    """Yield the ranges of a scope for every image that has a map: tables of `SCHEMA`, one a variant.

    For `models` it is one table, without a variant; complete is what lacks no map of the variants that are
    computed on the image. Holds 20 bytes for every image and target of a variant.
    Quantiles would take a histogram for each range: `StudyResults.scope_range` reads them for one image.

    Args:
        reader: of the study.
        scope: one of `IMAGE_SCOPES`.
        variant_id: only of this variant; not with `models`.

    Raises:
        ValueError: the scope is another one.
    """
    if scope not in IMAGE_SCOPES or (scope == "models" and variant_id is not None):
        raise ValueError(f"scope {scope!r}: use one of {', '.join(IMAGE_SCOPES)}; models takes no variant")
    if scope == "models":
        yield joined(reader, scope, *models_extremes(reader))
        return
    for each in reader.variant_ids:
        if variant_id in (None, each):
            extremes = grids(reader, each, ("minimum", "maximum"))
            yield joined(reader, scope, extremes, ~np.isnan(extremes["minimum"]), each)


def models_extremes(reader: Reader) -> tuple[Extremes, NDArray[np.bool_]]:
    """Return the extremes of all variants by image and target, and whether no map of theirs is missing."""
    shape = (len(reader.listing.image_ids), len(reader.target_names))
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    complete = np.ones(shape, dtype=bool)
    for each in reader.variant_ids:
        found = grids(reader, each, ("minimum", "maximum"))
        np.fmin(low, found["minimum"], out=low)
        np.fmax(high, found["maximum"], out=high)
        complete &= ~(np.isnan(found["minimum"]) & reader.expected(each)[:, None])
    return {"minimum": low, "maximum": high}, complete


def joined(
    reader: Reader, scope: str, extremes: Extremes, complete: NDArray[np.bool_], variant_id: str | None = None
) -> pa.Table:
    """Return the ranges of a scope as a table of `SCHEMA`, from the extremes of maps.

    `complete` [images, targets] says which extremes lack no map.
    """
    low, high = extremes["minimum"], extremes["maximum"]
    tables = [SCHEMA.empty_table()]
    for group in _groups(reader, scope):
        rows = np.flatnonzero(~np.isnan(low[:, group]).all(axis=1))
        columns = [
            pa.repeat(pa.scalar(variant_id, pa.string()), len(rows)),
            reader.listing.image_ids.take(pa.array(rows)),
            pa.repeat(pa.scalar([reader.target_names[target] for target in group]), len(rows)),
            pa.array(np.fmin.reduce(low[rows][:, group], axis=1)),
            pa.array(np.fmax.reduce(high[rows][:, group], axis=1)),
            pa.array(complete[rows][:, group].all(axis=1)),
        ]
        tables.append(pa.Table.from_arrays(columns, schema=SCHEMA))
    return pa.concat_tables(tables)


def _groups(reader: Reader, scope: str) -> Iterator[tuple[int, ...]]:
    """Yield the places of targets whose maps share a range: of classes, and each contrast by itself."""
    for targets in reader.families.values():
        places = [reader.target_names.index(name) for name in targets]
        yield from combinations(places, {"image": 1, "pair": 2}.get(scope, len(places)))
