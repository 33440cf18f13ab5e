"""Whether the maps of two targets look alike under per-map ranges, and differ under the range of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import combinations, islice

from igbatch.report.findings.model import Finding, Missing, combine, present, study_variants
from igbatch.report.text import decimals, plain
from igbatch.results import StudyResults
from igbatch.statistics.likeness import CELL, MapLikeness, cell_sums, likeness, mean_likeness

ALIKE = 0.5
"""Maps look alike from this structural similarity and this rank correlation of |a| on: half way to equal."""

REAPPEARS = 0.1
"""Differences reappear where structural similarity falls by at least this much."""

MAX_IMAGES = 12
MAX_PAIRS = 6

Pair = tuple[MapLikeness | None, MapLikeness | None]
"""How alike two maps are on pixels and on cells; None on maps too small, as of less than 7 cells a side."""

_HEAD = (
    "variant", "pairs of maps",
    "pixels: SSIM per map", "pixels: SSIM jointly", "pixels: ranks of |a|",
    "cells: SSIM per map", "cells: SSIM jointly", "cells: ranks of |a|",
)  # fmt: skip


@dataclass(frozen=True)
class Grain:
    """What pixels, or cells, say of some variants: the mean likeness, and in how many maps pass."""

    mean: MapLikeness
    variants: int
    alike: int
    reappear: int


def target_likeness(results: StudyResults, image_ids: Sequence[str]) -> list[Finding]:
    """Test whether two targets' maps look alike by themselves and differ jointly, by kind of variant.

    The maps of `image_ids`, `MAX_IMAGES` of them at most, are read.
    """
    variants = study_variants(results)
    kinds = (
        ("random_alike", Missing.RANDOM, variants.random),
        ("trained_alike", Missing.TRAINED, variants.trained),
    )
    return [
        judge(key, missing, {name: measure(results, name, image_ids) for name in names})
        for key, missing, names in kinds
    ]


def measure(results: StudyResults, variant_id: str, image_ids: Sequence[str]) -> list[Pair]:
    """Compare the kept maps of pairs of targets of a variant, on some images."""
    pairs: list[Pair] = []
    for image_id in image_ids[:MAX_IMAGES]:
        maps = []
        for target in results.target_names:
            with suppress(KeyError):
                maps.append(results.attribution(variant_id, image_id, target))
        pairs += [
            (likeness(one, other), likeness(cell_sums(one), cell_sums(other)))
            for one, other in islice(combinations(maps, 2), MAX_PAIRS)
        ]
    return pairs


def judge(key: str, kind: Missing, measured: Mapping[str, Sequence[Pair]]) -> Finding:
    """Judge the claim by the mean of each variant, on pixels and on cells; `kind` is missing without any."""
    means = {
        name: (mean_likeness(each for each, _ in pairs), mean_likeness(each for _, each in pairs))
        for name, pairs in measured.items()
        if pairs
    }
    pixels, cells = ([each for pair in means.values() if (each := pair[at])] for at in (0, 1))
    missing = kind if not measured else None if pixels or cells else Missing.MAPS
    return present(
        key,
        missing or combine(part for each in (*pixels, *cells) for part in passed(each)),
        _HEAD,
        ((plain(name), f"{len(measured[name]):,}", *_texts(*pair)) for name, pair in means.items()),
        grains={"pixels": _grain(pixels), "cells": _grain(cells)},
        least=ALIKE,
        fall=REAPPEARS,
        cell=CELL,
        max_images=MAX_IMAGES,
    )


def passed(mean: MapLikeness) -> tuple[bool, bool]:
    """Tell whether maps look alike under per-map ranges, and whether differences reappear jointly."""
    return min(mean.per_map, mean.ranks) >= ALIKE, mean.per_map - mean.joint >= REAPPEARS


def _grain(means: Sequence[MapLikeness]) -> Grain | None:
    mean = mean_likeness(means)
    if mean is None:
        return None
    alike, reappear = zip(*map(passed, means), strict=True)
    return Grain(mean, len(means), sum(alike), sum(reappear))


def _texts(*means: MapLikeness | None) -> list[str]:
    return [text for mean in means for text in (map(decimals, astuple(mean)) if mean else "–––")]
