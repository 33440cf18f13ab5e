"""What a randomization study supports: typed verdicts, each chosen by its numbers; templates hold the words.

What was not measured has no verdict (None).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from igbatch.report.randomization.means import Mean, Means
from igbatch.report.randomization.statistics import SCALE_FREE, SIGNIFICANT, STATISTICS
from igbatch.report.randomization.steps import Randomized

ALIKE = 0.5
"""From this similarity on maps are said to look alike."""

RELATED = 0.3
"""From this rank correlation on, in size, maps are said to have places or signs in common."""

UNRELATED = 0.1
"""Below this rank correlation, in size, maps are said to have next to nothing in common."""

UNTOUCHED = 0.9
"""From this rank correlation on a randomized layer is said to leave the maps as they were."""

MIN_MODELS = 19
"""Random models from which on a one-sided p of 1 / (models + 1) reaches `SIGNIFICANT`."""

OFTEN = 0.2
"""Share of random models from which on a test that rejects in them says little of the trained one."""


@dataclass(frozen=True)
class StrongPixels:
    """Where the strong pixels of two targets' maps lie, and with which signs.

    `white`: SSIM is high although signs differ, as most pixels are nearly white.
    """

    places: Literal["apart", "same signs", "opposite signs", "unrelated signs"]
    white: bool


def strong_pixels(means: Means) -> dict[str, StrongPixels | None]:
    """Judge two targets' maps of the `trained` model, and of the mean `random` one."""
    measures = ("spearman", "spearman_abs", "ssim_own")
    found = [means.compared(measure, comparison="between_targets") for measure in measures]
    trained, random, _ = zip(*found, strict=True)
    return {"trained": _strong_pixels(*trained), "random": _strong_pixels(*random)}


def _strong_pixels(signed: Mean | None, size: Mean | None, ssim: Mean | None) -> StrongPixels | None:
    if signed is None or size is None:
        return None
    white = ssim is not None and ssim.value >= ALIKE and signed.value < RELATED
    if size.value < RELATED:
        return StrongPixels("apart", white)
    if abs(signed.value) < RELATED:
        return StrongPixels("unrelated signs", white)
    return StrongPixels("same signs" if signed.value > 0 else "opposite signs", white)


Nearer = Literal["unrelated", "unknown", "to the trained model", "to each other", "neither"]


def nearer(means: Means) -> dict[str, Nearer | None]:
    """Judge what random models' maps are nearer to, by `signed` values and by their `size`."""
    return {"signed": _nearer(means, "spearman"), "size": _nearer(means, "spearman_abs")}


def _nearer(means: Means, measure: str) -> Nearer | None:
    mutual, trained = (means.random(measure, comparison=each) for each in ("between_random", "to_trained"))
    if mutual is None or trained is None:
        return None
    if max(abs(mutual.value), abs(trained.value)) < UNRELATED:
        return "unrelated"
    if mutual.ends is None or trained.ends is None:
        return "unknown"
    if trained.ends[0] > mutual.ends[1]:
        return "to the trained model"
    return "to each other" if trained.ends[1] < mutual.ends[0] else "neither"


@dataclass(frozen=True)
class Fall:
    """How the maps of a cascade lose their rank correlation with the trained model's.

    Attributes:
        steps: measured ones.
        level: whether that between random models was measured; without it, it is taken to be 0.
        step, half: the first step less than half way from the level to 1, and its layer; None for no step.
        met: the layer, `half` or a later one, that brings it down to the level as far as intervals tell.
    """

    steps: int
    level: bool
    step: int | None = None
    half: str | None = None
    met: str | None = None


def fall(means: Means, cascade: Randomized) -> Fall | None:
    """Judge where along a cascade rank correlation falls, and where it is that of random models."""
    level = means.random("spearman", comparison="between_random")
    layers, found = list(cascade.steps), means.along(cascade, "spearman")
    if not found:
        return None
    middle, floor = ((1 + level.value) / 2, level.span[1]) if level else (0.5, -2.0)  # none is as low
    below = [n for n, mean in enumerate(found.values()) if mean.value < middle]
    if not below:
        return Fall(len(found), level is not None)
    half, places = below[0], list(found)
    met = [layers[places[max(n, half)]] for n, mean in enumerate(found.values()) if mean.span[0] <= floor]
    return Fall(len(found), level is not None, half + 1, layers[places[half]], next(iter(met), None))


@dataclass(frozen=True)
class SingleLayers:
    """Layers randomized one at a time: those that bring rank correlation below `RELATED`, or leave it."""

    layers: int
    gone: tuple[str, ...]
    same: tuple[str, ...]


def single_layers(means: Means, group: Randomized) -> SingleLayers | None:
    """Judge which single layers the maps depend on."""
    layers, found = list(group.steps), means.along(group, "spearman")
    gone = tuple(layers[place] for place, mean in found.items() if mean.value < RELATED)
    same = tuple(layers[place] for place, mean in found.items() if mean.value >= UNTOUCHED)
    return SingleLayers(len(found), gone, same) if found else None


class EdgeLikeness(NamedTuple):
    """Whether the trained model's maps are more like edges (`above`), less, or it cannot be told (None).

    `strong`: whether the maps of the trained model or of random ones resemble edges at all.
    """

    above: bool | None
    strong: bool


def edge_likeness(means: Means, targets: Iterable[str]) -> dict[EdgeLikeness, list[str]]:
    """Judge whether |a| resembles the image's edges: the targets of each verdict."""
    found: dict[EdgeLikeness, list[str]] = {}
    for target in targets:
        trained, random, gap = means.compared("sobel_spearman", target=target)
        if trained is not None and random is not None and gap is not None:
            strong = max(trained.value, random.value) >= ALIKE
            found.setdefault(EdgeLikeness(gap.above, strong), []).append(target)
    return found


def complexity_rise(means: Means, targets: Iterable[str]) -> Literal["more", "less", "unknown"] | None:
    """Judge whether full randomization makes maps more complex for all targets (Hedström et al. 2024)."""
    found = [means.random("complexity_rise", target=target) for target in targets]
    signs = {mean.above for mean in found if mean is not None}
    if not signs:
        return None
    return "more" if signs == {True} else "less" if signs == {False} else "unknown"


@dataclass(frozen=True)
class NullTests:
    """What the tests of a trained model against random ones over the data set come to.

    Attributes:
        models: random ones of the null, the most of any test.
        enough: whether with so many a test can reach `SIGNIFICANT`.
        apart, not_apart: statistics free of scale, by whether any test of them reached it.
        all_free: whether all tests of statistics free of scale did.
        bound: whether any test of a statistic bound to scale did; None without such a test.
    """

    models: int
    enough: bool
    apart: tuple[str, ...]
    not_apart: tuple[str, ...]
    all_free: bool
    bound: bool | None


def null_verdict(rows: pd.DataFrame) -> NullTests | None:
    """Judge the tests against the null over the data set (`statistics.null_tests`)."""
    if not len(rows):
        return None
    passed, is_free = rows["p_adjusted"] <= SIGNIFICANT, rows["family"].str.contains(SCALE_FREE)
    of_statistic = {name: passed[is_free & (rows["statistic"] == name)] for name in STATISTICS}
    return NullTests(
        int(rows["n_null"].max()),
        bool(rows["p_smallest"].min() <= SIGNIFICANT),
        tuple(STATISTICS[name] for name, own in of_statistic.items() if own.any()),
        tuple(STATISTICS[name] for name, own in of_statistic.items() if len(own) and not own.any()),
        bool(passed[is_free].all()),
        None if is_free.all() else bool(passed[~is_free].any()),
    )


@dataclass(frozen=True)
class Signs:
    """Hypotheses of the tests of signs: shown ones that set the model apart, other shown ones, not shown."""

    apart: tuple[str, ...]
    common: tuple[str, ...]
    not_shown: tuple[str, ...]


def sign_verdict(rows: pd.DataFrame) -> Signs:
    """Judge the tests of signs (`table.sign_rows`); random models that reject as well set nothing apart."""
    shown = rows["p_adjusted"] <= SIGNIFICANT
    common = shown & (rows["rejecting"] > OFTEN * rows["models"])
    outcomes = (shown & ~common, common, ~shown & rows["p"].notna())
    return Signs(*(tuple(rows.loc[rows_of, "hypothesis"]) for rows_of in outcomes))
