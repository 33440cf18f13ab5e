"""Whether the maps of two targets look alike under per-map ranges, and differ under the range of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations, islice
from typing import Any

from igbatch.report.columns import NONE, TableColumns, name, value, whole
from igbatch.report.findings.model import Finding, Missing, combine, present, variants_of_kind
from igbatch.results import StudyResults
from igbatch.statistics.likeness import CELL, MapLikeness, cell_sums, likeness, mean_likeness
from igbatch.text import decimals

ALIKE = 0.5
"""Maps look alike from this structural similarity and this rank correlation of |a| on: half way to equal."""

REAPPEARS = 0.1
"""Differences reappear where structural similarity falls by at least this much."""

MAX_IMAGES = 12
MAX_PAIRS = 6

Pair = tuple[MapLikeness | None, MapLikeness | None]
"""How alike two maps are on pixels and on cells; None on maps too small, as of less than 7 cells a side."""

GRAINS = ("pixels", "cells")
_MEASURES = {"per_map": "SSIM per map", "joint": "SSIM jointly", "ranks": "ranks of |a|"}


def _measure(of: str) -> Any:
    return lambda mean: decimals(getattr(mean, of)) if mean else NONE


_COLUMNS: TableColumns = {
    "variant": name("variant_id"),
    "pairs of maps": whole("pairs"),
    **{f"{each}: {words}": value(each, _measure(of)) for each in GRAINS for of, words in _MEASURES.items()},
}


def target_likeness(results: StudyResults, image_ids: Sequence[str]) -> list[Finding]:
    """Test whether two targets' maps look alike by themselves and differ jointly, by kind of variant.

    The maps of `image_ids`, `MAX_IMAGES` of them at most, are read.
    """
    findings = []
    for kind in (Missing.RANDOM, Missing.TRAINED):
        measured = {each: measure(results, each, image_ids) for each in variants_of_kind(results, kind)}
        findings.append(judge(f"{kind}_alike", kind, measured))
    return findings


def measure(results: StudyResults, variant_id: str, image_ids: Sequence[str]) -> list[Pair]:
    """Compare the kept maps of pairs of targets of a variant, on some images."""
    pairs: list[Pair] = []
    for image_id in image_ids[:MAX_IMAGES]:
        maps = []
        for target in (each for each in results.target_names if each not in results.contrasts):
            with suppress(KeyError):
                maps.append(results.attribution(variant_id, image_id, target))
        pairs += [
            (likeness(one, other), likeness(cell_sums(one), cell_sums(other)))
            for one, other in islice(combinations(maps, 2), MAX_PAIRS)
        ]
    return pairs


def judge(key: str, kind: Missing, measured: Mapping[str, Sequence[Pair]]) -> Finding:
    """Judge the finding by the means of variants, by pixels and by cells; `kind` is missing without any."""
    rows: list[dict[str, Any]] = [
        {"variant_id": variant_id, "pairs": len(pairs)}
        | {grain: mean_likeness(of) for grain, of in zip(GRAINS, zip(*pairs, strict=True), strict=True)}
        for variant_id, pairs in measured.items()
        if pairs
    ]
    means = {grain: [row[grain] for row in rows if row[grain]] for grain in GRAINS}
    missing = kind if not measured else None if any(means.values()) else Missing.MAPS
    return present(
        key,
        missing or combine(part for each in means.values() for mean in each for part in passed(mean)),
        rows,
        _COLUMNS,
        grains={grain: _grain(each) for grain, each in means.items()},
        least=ALIKE,
        fall=REAPPEARS,
        cell=CELL,
        max_images=MAX_IMAGES,
    )


def passed(mean: MapLikeness) -> tuple[bool, bool]:
    """Tell whether maps look alike under per-map ranges, and whether differences reappear jointly."""
    return min(mean.per_map, mean.ranks) >= ALIKE, mean.per_map - mean.joint >= REAPPEARS


def _grain(means: Sequence[MapLikeness]) -> dict[str, Any] | None:
    """Return the result of some variants: their mean likeness, and in how many maps pass."""
    if not means:
        return None
    alike, reappear = (sum(each) for each in zip(*map(passed, means), strict=True))
    return {"mean": mean_likeness(means), "variants": len(means), "alike": alike, "reappear": reappear}
