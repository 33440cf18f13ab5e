"""The range that the maps of any scope share, read from their statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from igbatch.reduce.ranges import COLUMNS, RangeSummary, check_scope, merge, select_scope, summarise
from igbatch.store.reader import Reader


@dataclass(frozen=True)
class ScopeRange:
    """The range that maps of one scope share, in units of the output, and quantiles over all their pixels.

    Quantiles are within `igbatch.statistics.histogram.RELATIVE_ERROR` of the exact ones. `complete` is False
    while a map of the scope is missing.
    """

    scope: str
    minimum: float
    maximum: float
    q01: float
    q50: float
    q99: float
    n_maps: int
    complete: bool


def scope_range(
    reader: Reader,
    summary_of: Callable[[str], RangeSummary],
    scope: str,
    *,
    variant_id: str | None = None,
    image_id: str | None = None,
    targets: Sequence[str] | None = None,
) -> ScopeRange:
    """Return the range that the maps of a scope share.

    Args:
        reader: of the study.
        summary_of: summarises all maps of a variant.
        scope: one of `ranges.SCOPES`.
        variant_id, image_id, targets: what tells the scope's maps from others.

    Raises:
        ValueError: the scope is unknown, or a key that it needs is missing.
        KeyError: none of its maps is there.
    """
    chosen = None if targets is None else tuple(targets)
    keys: dict[str, Any] = {"variant_id": variant_id, "image_id": image_id, "targets": chosen}
    check_scope(scope, **keys)
    summary = _summary(reader, summary_of, scope, keys)
    if not summary.n_maps:
        raise KeyError(f"no map for scope {scope!r} ({variant_id}, {image_id}, {chosen})")
    shared = summary.row(scope, None, _expected_maps(reader, scope, keys))
    return ScopeRange(**{field.name: shared[field.name] for field in fields(ScopeRange)})


def _expected_maps(reader: Reader, scope: str, keys: dict[str, Any]) -> int:
    """Count the maps of a scope that the finished study has."""
    every = len(reader.target_names)
    if scope == "dataset":
        return every * sum(map(reader.expected_images, reader.variant_ids))
    if scope == "variant":
        return every * reader.expected_images(keys["variant_id"])
    if scope == "models":
        return every * len(reader.variants_of(keys["image_id"]))
    return {"image": 1, "pair": 2}.get(scope, every)


def _summary(
    reader: Reader, summary_of: Callable[[str], RangeSummary], scope: str, keys: dict[str, Any]
) -> RangeSummary:
    """Summarise the maps of a scope; those of one image are read from the few files that hold them."""
    variant_id, image_id = keys["variant_id"], keys["image_id"]
    if scope in ("variant", "dataset"):
        chosen = [each for each in reader.variant_ids if scope == "dataset" or each == variant_id]
        return merge(map(summary_of, chosen))
    columns = ["variant_id", "image_id", "target", *COLUMNS]
    table = reader.rows_of([str(image_id)], columns, None if scope == "models" else variant_id)
    rows = select_scope(table.select(columns[:3]).to_pandas(), scope, **keys)
    return summarise(table.take(pa.array(rows.index.to_numpy())))
