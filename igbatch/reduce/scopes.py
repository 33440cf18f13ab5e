"""The range that the maps of any scope share, read from their statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from igbatch.reduce.ranges import COLUMNS, RangeSummary, Scope, check_scope, merge, select_scope, summarise
from igbatch.store.reader import Reader

RAW_QUANTILE = 0.999
"""Of |a|: what the scale of raw values holds at least."""


@dataclass(frozen=True)
class ScopeRange:
    """The range that maps of one scope share, in units of the output, and quantiles over all their pixels.

    Quantiles are within `igbatch.statistics.histogram.RELATIVE_ERROR` of the exact ones. `complete` is False
    while a map of the scope is missing. Under `raw`, minimum and maximum are the ends of the one scale of the
    study (`raw_scale`), and the rest is that of all maps.
    """

    scope: Scope
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
    scope: Scope,
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
    if scope == "raw":
        scale = raw_scale(map(summary_of, reader.variant_ids))
        shared |= {"minimum": -scale, "maximum": scale}
    return ScopeRange(**{field.name: shared[field.name] for field in fields(ScopeRange)})


def raw_scale(summaries: Iterable[RangeSummary]) -> float:
    """Return the magnitude at the ends of a study's raw scale, in units of the output.

    It is the smallest 1, 2 or 5 times a power of ten that is no less than the `RAW_QUANTILE` quantile of |a|
    over all pixels of that variant where the quantile is largest: any number of variants with maps of nearly
    nothing leaves the scale as it is. 0 where all maps are zero.

    Args:
        summaries: of the maps of each variant; at least one has a map.
    """
    return round_up(max(summary.magnitude(RAW_QUANTILE) for summary in summaries if summary.n_maps))


def round_up(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is no less than a value; 0 of 0."""
    if value <= 0:
        return 0.0
    power = math.floor(math.log10(value))
    candidates = [float(f"{digit}e{exponent}") for exponent in (power, power + 1) for digit in (1, 2, 5)]
    return next(candidate for candidate in candidates if candidate >= value)


def _expected_maps(reader: Reader, scope: Scope, keys: dict[str, Any]) -> int:
    """Count the maps of a scope that the finished study has."""
    every = len(reader.target_names)
    if scope in ("raw", "dataset"):
        return every * sum(map(reader.expected_images, reader.variant_ids))
    if scope == "variant":
        return every * reader.expected_images(keys["variant_id"])
    if scope == "models":
        return every * len(reader.variants_of(keys["image_id"]))
    return {"image": 1, "pair": 2}.get(scope, every)


def _summary(
    reader: Reader, summary_of: Callable[[str], RangeSummary], scope: Scope, keys: dict[str, Any]
) -> RangeSummary:
    """Summarise the maps of a scope; those of one image are read from the few files that hold them."""
    variant_id, image_id = keys["variant_id"], keys["image_id"]
    if scope in ("raw", "variant", "dataset"):
        chosen = [each for each in reader.variant_ids if scope != "variant" or each == variant_id]
        return merge(map(summary_of, chosen))
    columns = ["variant_id", "image_id", "target", *COLUMNS]
    table = reader.rows_of([str(image_id)], columns, None if scope == "models" else variant_id)
    rows = select_scope(table.select(columns[:3]).to_pandas(), scope, **keys)
    return summarise(table.take(pa.array(rows.index.to_numpy())))
