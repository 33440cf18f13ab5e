"""Whether the maps of two targets look alike: how much of their colour they do not share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from igbatch.report.findings.model import Finding, combine, study_variants, unknown
from igbatch.report.text import Table, count, plain
from igbatch.results import StudyResults

ALIKE = 0.25
"""Two pictures look alike where no more than this share of their colour lies elsewhere."""

REAPPEARS = 0.10
"""Differences reappear where the share grows by at least this much."""

CELLS = 28
"""Cells a side that the eye is taken to average over: 8 pixels of a map of 224."""

MOST_IMAGES = 12
MOST_PAIRS = 6

MOST_SAID = 8
"""Variants that the answer names one by one."""

MOST_ROWS = 24

_CRITERION = (
    "Unlike: the share of the colour in two pictures that they do not have in common (0: equal, 1: nothing "
    f"in common). Its strength is averaged over {CELLS} x {CELLS} cells and signs are left aside, as the eye "
    f"takes in speckled maps. Alike: at most {ALIKE}, on average over images and pairs of targets. "
    f"Differences reappear: under the joint range the share is larger by {REAPPEARS:.1f} or more."
)


@dataclass(frozen=True)
class Unlikeness:
    """What two pictures do not have in common, from 0 (equal) to 1: sum |p - q| / sum (|p| + |q|).

    Attributes:
        strength: p and q are distances from white averaged over cells, signs aside: where the colour lies.
        signed: p and q are signed distances from white of single pixels: what the colour says.
    """

    strength: float
    signed: float


def unlikeness(
    one: NDArray[np.floating], other: NDArray[np.floating], gain: float, other_gain: float
) -> Unlikeness | None:
    """Compare two maps [H, W] as they are coloured, each with its own gain; None where both are white."""
    p, q = _from_white(one, gain), _from_white(other, other_gain)
    if not (p.any() or q.any()):
        return None
    return Unlikeness(_unshared(_by_cells(np.abs(p)), _by_cells(np.abs(q))), _unshared(p, q))


def likeness(results: StudyResults, image_ids: Sequence[str]) -> list[Finding]:
    """Test whether two targets' maps look alike by themselves and differ jointly, by kind of variant.

    The maps of `image_ids`, `MOST_IMAGES` of them at most, are read.
    """
    variants = study_variants(results)
    return [
        _finding(results, "random_alike", variants.random, "random models", image_ids),
        _finding(results, "trained_alike", variants.trained, "the trained model", image_ids),
    ]


def _finding(
    results: StudyResults, key: str, ids: Sequence[str], who: str, image_ids: Sequence[str]
) -> Finding:
    claim = (
        f"In {who} the maps of two targets look alike when each is normalized by itself, and differences "
        "reappear under their joint range."
    )
    measured = {variant: _measure(results, variant, image_ids) for variant in ids}
    told = {variant: rows for variant, rows in measured.items() if len(rows)}
    if not told:
        reason = (
            "it takes maps of two targets that were kept"
            if ids
            else f"the study has no {who.removeprefix('the ')}"
        )
        return unknown(key, claim, reason, _CRITERION)
    means = {variant: rows.mean(axis=0) for variant, rows in told.items()}
    parts = [
        part
        for own, joint, _, _ in means.values()
        for part in (bool(own <= ALIKE), bool(joint - own >= REAPPEARS))
    ]
    if len(means) > MOST_SAID:  # one by one they would fill the page
        said = [
            _say(f"on average over {count(len(means), 'variant')}", np.mean(list(means.values()), axis=0))
        ]
    else:
        said = [_say(plain(variant), mean) for variant, mean in means.items()]
    answer = f"Over {count(sum(map(len, told.values())), 'pair')} of maps: {'; '.join(said)}."
    head = (
        "variant",
        "pairs of maps",
        "unlike, by itself",
        "unlike, jointly",
        "signed, by itself",
        "signed, jointly",
    )
    rows = [(plain(v), f"{len(told[v])}", *(f"{value:.2f}" for value in mean)) for v, mean in means.items()]
    by_itself, jointly = np.mean(list(means.values()), axis=0)[:2]
    brief = f"{whole(by_itself)} of their colour lies elsewhere by itself and {whole(jointly)} jointly"
    evidence = Table(head, tuple(rows[:MOST_ROWS]))
    return Finding(key, claim, combine(parts), answer, _CRITERION, evidence, brief)


def _say(who: str, mean: NDArray[np.float64]) -> str:
    own, joint, own_signed, joint_signed = mean
    return (
        f"{who}, {whole(own)} of the colour lies elsewhere when each map is normalized by itself, "
        f"{whole(joint)} jointly (pixel by pixel and with signs, {whole(own_signed)} and "
        f"{whole(joint_signed)} differ)"
    )


def whole(share: float) -> str:
    """Write a share in whole percent."""
    return f"{100 * share:.0f}\u00a0%"


def _measure(results: StudyResults, variant: str, image_ids: Sequence[str]) -> NDArray[np.float64]:
    """Return strength by itself and jointly, then signed likewise, a row a pair: float64 [pairs, 4]."""
    rows = []
    for image_id in image_ids[:MOST_IMAGES]:
        maps = {}
        for target in results.target_names:
            try:
                maps[target] = results.attribution(variant, image_id, target)
            except KeyError:
                continue
        for one, other in islice(combinations(maps.values(), 2), MOST_PAIRS):
            gains = [float(np.abs(values).max()) for values in (one, other)]
            own, joint = unlikeness(one, other, *gains), unlikeness(one, other, max(gains), max(gains))
            if own is not None and joint is not None:
                rows.append((own.strength, joint.strength, own.signed, joint.signed))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _from_white(values: NDArray[np.floating], gain: float) -> NDArray[np.float64]:
    """Return signed distances from white on the colour scale, -0.5 to 0.5."""
    if gain <= 0:
        return np.zeros(values.shape)
    return np.clip(np.asarray(values, dtype=np.float64) / (2 * gain), -0.5, 0.5)


def _by_cells(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over a grid of `CELLS` x `CELLS` cells, or as many as there are pixels."""
    for axis in (0, 1):
        size = values.shape[axis]
        edges = np.linspace(0, size, min(CELLS, size) + 1).astype(int)
        counts = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        values = np.add.reduceat(values, edges[:-1], axis=axis) / counts
    return values


def _unshared(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(np.abs(p - q).sum() / (np.abs(p).sum() + np.abs(q).sum()))
