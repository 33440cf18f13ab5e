"""What a randomization study supports, in plain words: every sentence is chosen by its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.randomization.means import Mean, Means, two_places
from igbatch.report.randomization.steps import ModelVariants, Randomized, first_of_each_direction
from igbatch.report.text import count, listing, plain

ALIKE = 0.5
"""From this similarity on maps are said to look alike."""

RELATED = 0.3
"""From this rank correlation on, in size, maps are said to have places or signs in common."""

UNRELATED = 0.1
"""Below this rank correlation, in size, maps are said to have next to nothing in common."""

UNTOUCHED = 0.9
"""From this rank correlation on a randomized layer is said to leave the maps as they were."""

Sentences = list[str]


def what_maps_depend_on(means: Means, variants: ModelVariants, targets: Sequence[str]) -> list[str]:
    """Say what likenesses show: of two targets, of random models, along the cascades, to edges.

    What the study did not measure has no sentence.

    Returns:
        texts of some sentences each.
    """
    depths = [_depth(means, cascade) for cascade in first_of_each_direction(variants.cascades)]
    texts = [
        _two_targets(means, variants),
        _random_models(means),
        [*(text for depth in depths for text in depth), *_single_layers(means, variants)],
        [*_edges(means, variants, targets), *_complexity(means, targets)],
    ]
    return [" ".join(text) for text in texts if text] or ["No maps were compared: none are kept."]


def _two_targets(means: Means, variants: ModelVariants) -> Sentences:
    """Judge the seed's central claim for the trained model and for the mean random one."""
    told = []
    for who in ("trained", "random"):
        found = [
            _between(means, variants, who, name) for name in ("ssim_own", "ssim_pair", "ssim_own_minus_pair")
        ]
        own, pair, gap = found
        if own is None or pair is None or gap is None:
            continue
        name = (
            "the trained model" if who == "trained" else f"the mean of {count(own.variants, 'random model')}"
        )
        told.append(
            f"For {name}, SSIM is {own.prose} by own ranges and {pair.prose} under the pair's: "
            f"{_claim(own, pair, gap)}."
        )
        told += _places(means, variants, who)
    if not told:
        return []
    claim = (
        "The seed's claim is that the maps of two targets of one model look alike when each is normalized "
        "by its own range, and differ under the range of the pair. The findings above judge it by where "
        "colour lies, averaged over cells as the eye does; here it is judged by SSIM, which compares "
        "windows of 7 pixels."
    )
    return [claim, *told]


def _between(means: Means, variants: ModelVariants, who: str, measure: str) -> Mean | None:
    if who == "random":
        return means.random_likeness("between_targets", measure)
    if variants.trained is None:
        return None
    return means.likeness(variants.trained, "between_targets", measure)


def _claim(own: Mean, pair: Mean, gap: Mean) -> str:
    if max(own.value, pair.value) < ALIKE and not gap.above:
        return f"they look alike by neither (both below {ALIKE}), which speaks against the claim"
    if gap.above is None:
        return "no difference between the two can be told, so that the claim has no support"
    if not gap.above:
        return "they are less alike by own ranges than under the pair's, which speaks against the claim"
    if own.value >= ALIKE:
        return "they look alike by own ranges and less so under the pair's, which supports the claim"
    return (
        f"they are more alike by own ranges than under the pair's, but below {ALIKE}, so that they do not "
        "look alike by either, which supports the claim in part"
    )


def _places(means: Means, variants: ModelVariants, who: str) -> Sentences:
    """Say whether strong pixels of two targets' maps lie together, and where SSIM does not tell."""
    signed = _between(means, variants, who, "spearman")
    size = _between(means, variants, who, "spearman_abs")
    own = _between(means, variants, who, "ssim_own")
    if signed is None or size is None:
        return []
    if size.value < RELATED:
        verdict = "strong pixels are in different places"
    elif signed.value <= -RELATED:
        verdict = "strong pixels are in the same places, with opposite signs"
    elif signed.value >= RELATED:
        verdict = "strong pixels are in the same places, with the same signs"
    else:
        verdict = "strong pixels are in the same places, with signs that do not go together"
    said = [f"Ranks correlate by {signed.prose}, those of |a| by {size.prose}: {verdict}."]
    if own is not None and own.value >= ALIKE and signed.value < RELATED:
        said.append(
            "SSIM is high all the same: most pixels are nearly white beside a few, and count as alike."
        )
    return said


def _random_models(means: Means) -> Sentences:
    told = []
    for name, of in (("spearman", "Maps"), ("spearman_abs", "Their absolute values")):
        mutual, trained = (means.random_likeness(which, name) for which in ("between_random", "to_trained"))
        if mutual is None:
            continue
        seeds = " of random models of different seeds" if name == "spearman" else ""
        words = f"{of}{seeds} correlate by {mutual.prose} in rank with each other"
        if trained is not None:
            words += f" and by {trained.prose} with the trained model's: {_nearer(mutual, trained)}"
        told.append(f"{words}.")
    return told


def _nearer(mutual: Mean, trained: Mean) -> str:
    if max(abs(mutual.value), abs(trained.value)) < UNRELATED:
        return "both are next to nothing"
    if mutual.ends is None or trained.ends is None:
        return "too few images to compare the two"
    if trained.ends[0] > mutual.ends[1]:
        return "they are nearer to the trained model than to each other"
    if trained.ends[1] < mutual.ends[0]:
        return "they are nearer to each other than to the trained model"
    return "they are as far from the trained model as from each other"


def _depth(means: Means, cascade: Randomized) -> Sentences:
    """Say where along a cascade rank correlation with the trained model falls."""
    level = means.random_likeness("between_random", "spearman")
    steps = [
        (step.layer, means.likeness(step.variant_id, "to_trained", "spearman")) for step in cascade.steps
    ]
    told = [(layer, mean) for layer, mean in steps if mean is not None]
    if not told:
        return []
    whence = {"down": "From the head down", "up": "From the patch embedding up"}[str(cascade.direction)]
    fall = _fall(told, level)
    ends = f"with all layers random it is {told[-1][1].prose}"
    return [f"{whence}, rank correlation with the trained model's maps {fall}; {ends}."]


def _fall(told: Sequence[tuple[str, Mean]], level: Mean | None) -> str:
    """Say at which layer a cascade's likeness is half lost, and where it is at the level of random models."""
    floor = 0.0 if level is None else level.value
    half = next((n for n, (_, mean) in enumerate(told) if mean.value < (1 + floor) / 2), None)
    if half is None:
        return "stays above half way to the level between random models: the maps hardly depend on parameters"
    layer, mean = told[half]
    at = f"at {plain(layer)} ({mean.prose}, step {half + 1} of {len(told)})"
    if level is None:
        return f"falls below {ALIKE} {at}"
    met = next((n for n, (_, mean) in enumerate(told) if _meets(mean, level)), None)
    if met is not None and met <= half:
        return f"falls to the level between random models {at}"
    then = "never meets that level" if met is None else f"meets that level at {plain(told[met][0])}"
    return f"falls more than half way to the level between random models {at} and {then}"


def _meets(mean: Mean, level: Mean) -> bool:
    """Tell whether a mean lies on a level or below it, as far as intervals tell."""
    low = mean.value if mean.low is None else mean.low
    high = level.value if level.high is None else level.high
    return low <= high


def _single_layers(means: Means, variants: ModelVariants) -> Sentences:
    if not variants.independent:
        return []
    found = [
        (plain(step.layer), means.likeness(step.variant_id, "to_trained", "spearman"))
        for step in variants.independent[0].steps
    ]
    told = [(layer, mean) for layer, mean in found if mean is not None]
    same = [layer for layer, mean in told if mean.value >= UNTOUCHED]
    gone = [layer for layer, mean in told if mean.value < RELATED]
    if not told:
        return []
    parts = [
        f"{listing(gone, 8)} {_alone(gone)} brings it below {RELATED}"
        if gone
        else f"no single layer brings it below {RELATED}",
        f"{listing(same, 8)} {_alone(same)} leaves it at {UNTOUCHED} or more" if same else "",
    ]
    return [f"Of {count(len(told), 'layer')} randomized one at a time, {'; '.join(filter(None, parts))}."]


def _edges(means: Means, variants: ModelVariants, targets: Sequence[str]) -> Sentences:
    numbers: dict[str, list[str]] = {}
    for target in targets:
        trained = means.of_maps("variant", target, "sobel_spearman", variants.trained)
        random = means.of_maps("random_mean", target, "sobel_spearman")
        gap = means.of_maps("trained_minus_random", target, "sobel_spearman")
        if trained is None or random is None or gap is None:
            continue
        words = f"{trained.prose} for {plain(target)} ({two_places(random.value)} in random models)"
        numbers.setdefault(_edge_verdict(trained, random, gap), []).append(words)
    return [
        f"Is it an edge detector? |a| and the image's edges (Sobel) correlate in rank by {listing(told)}: "
        f"{verdict}."
        for verdict, told in numbers.items()
    ]


def _edge_verdict(trained: Mean, random: Mean, gap: Mean) -> str:
    strong = max(trained.value, random.value) >= ALIKE
    if gap.above is None:
        like = "the maps resemble edges whatever the parameters, as an edge detector's would"
        return like if strong else "no difference can be told, and neither is an edge map"
    more = "more" if gap.above else "less"
    words = f"the trained model's maps are {more} like edges than random ones"
    return words if strong else f"{words}, but neither is an edge map"


def _complexity(means: Means, targets: Sequence[str]) -> Sentences:
    found = {target: means.of_maps("random_mean", target, "complexity_rise") for target in targets}
    told = {target: mean for target, mean in found.items() if mean is not None}
    if not told:
        return []
    numbers = listing([f"{mean.prose} for {plain(target)}" for target, mean in told.items()])
    signs = {mean.above for mean in told.values()}
    if signs == {True}:
        verdict = "maps grow more complex, as the test asks of maps that depend on parameters"
    elif signs == {False}:
        verdict = "maps grow less complex, which counts against a dependence on parameters in that test"
    else:
        verdict = "no rise in complexity can be told for every target"
    return [
        "The efficient randomization test (Hedström et al. 2024: rise of entropy under full randomization) "
        f"scores {numbers}: {verdict}."
    ]


def _alone(layers: Sequence[str]) -> str:
    """Say of layers that each of them is meant by itself."""
    return "each alone" if len(layers) > 1 else "alone"
