"""Ranges of the scopes that belong to one image, of all images at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.reduce.variant_scan import VariantScan, scan_variant
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


@dataclass(frozen=True)
class Extremes:
    """The smallest and the largest value of every map of a variant, NaN where there is none.

    Attributes:
        minimum, maximum: float64 [images, targets], in the order of the study's lists.
    """

    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @classmethod
    def of(cls, scan: VariantScan) -> Extremes:
        """Take the columns `minimum` and `maximum` of a scan."""
        return cls(scan.columns["minimum"], scan.columns["maximum"])

    def __or__(self, other: Extremes) -> Extremes:
        """Join each map with the same image's and target's of another variant."""
        return Extremes(np.fmin(self.minimum, other.minimum), np.fmax(self.maximum, other.maximum))


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
    chosen = [each for each in reader.variant_ids if variant_id in (None, each)]
    if scope != "models":
        for each in chosen:
            yield joined(reader, scope, _extremes(reader, each), each)
        return
    none = np.full((len(reader.listing.image_ids), len(reader.target_names)), np.nan)
    joint, complete = Extremes(none, none), np.ones(none.shape, dtype=bool)
    for each in chosen:
        found = _extremes(reader, each)
        joint |= found
        complete &= ~(np.isnan(found.minimum) & reader.expected(each)[:, None])
    yield joined(reader, scope, joint, None, complete)


def _extremes(reader: Reader, variant_id: str) -> Extremes:
    return Extremes.of(scan_variant(reader, variant_id, ("minimum", "maximum")))


def joined(
    reader: Reader,
    scope: str,
    extremes: Extremes,
    variant_id: str | None,
    complete: np.ndarray | None = None,
) -> pa.Table:
    """Return the ranges of a scope as a table of `SCHEMA`, from the extremes of maps.

    `complete` [images, targets] says which extremes lack no map; by default those that are there.
    """
    targets = range(len(reader.target_names))
    present = ~np.isnan(extremes.minimum)
    complete = present if complete is None else complete
    tables = [SCHEMA.empty_table()]
    for group in combinations(targets, {"image": 1, "pair": 2}.get(scope, len(targets))):
        rows = np.flatnonzero(present[:, group].any(axis=1))
        columns = [
            pa.repeat(pa.scalar(variant_id, pa.string()), len(rows)),
            reader.listing.image_ids.take(pa.array(rows)),
            pa.repeat(pa.scalar([reader.target_names[target] for target in group]), len(rows)),
            pa.array(np.fmin.reduce(extremes.minimum[rows][:, group], axis=1)),
            pa.array(np.fmax.reduce(extremes.maximum[rows][:, group], axis=1)),
            pa.array(complete[rows][:, group].all(axis=1)),
        ]
        tables.append(pa.Table.from_arrays(columns, schema=SCHEMA))
    return pa.concat_tables(tables)
