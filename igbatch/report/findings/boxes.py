"""The claims on the size of sums in boxes: negligible for random models, significant for the trained one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from igbatch.report.findings.groups import Group, mean_size, of_variants
from igbatch.report.findings.model import Finding, combine, study_variants, unknown
from igbatch.report.text import Table, count, number, percent, plain
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES

SMALL_PROBABILITY = 0.01
"""A mean |sum| below this is negligible on the scale of probabilities, which ends at 1."""

SMALL_SHARE = 0.05
"""A mean |sum| below this share of the trained model's is negligible beside it."""

MOST_ROWS = 24


def negligible_when_random(results: StudyResults, by_variant: Mapping[str, Sequence[Group]]) -> Finding:
    """Test whether the sums in boxes (`group_sums` of each variant) are negligible in all random variants."""
    key, claim = "random_negligible", "In models with random parameters the sums in the boxes are negligible."
    probability = results.study.attribution.output == "probability"
    absolute = f"below {SMALL_PROBABILITY}, 1 % of the probability scale, and " if probability else ""
    criterion = (
        f"Negligible: the mean over images of |sum in the box| is {absolute}below {100 * SMALL_SHARE:.0f} % "
        "of the same mean over all boxes and targets of the trained model, where there is one. Asked of "
        "every random variant, box label and target."
    )
    variants = study_variants(results)
    groups = of_variants(by_variant, variants.random)
    references = {
        variant: mean_size(of_variants(by_variant, [variants.trained_of[variant]]))
        for variant in variants.random
        if variant in variants.trained_of
    }
    reason = _why_not(groups, "" if variants.random else "no variant with random parameters")
    if not reason and not probability and not any(references.values()):
        reason = "there is no trained variant to measure against, and the output has no scale of its own"
    if reason:
        return unknown(key, claim, reason, criterion)
    small = [
        not (probability and group.size >= SMALL_PROBABILITY)
        and not _weighty(group, references.get(group.variant_id))
        for group in groups
    ]
    largest = max(groups, key=lambda group: group.size)
    sizes = [f"{percent(largest.size)} of the probability scale"] if probability else []
    if reference := references.get(largest.variant_id):
        sizes.append(f"{percent(largest.size / reference)} of the trained model's {number(reference)}")
    answer = (
        f"In {sum(small)} of {count(len(small), 'group')} (random variant, box label, target) the sums are "
        f"negligible. The largest mean |sum| is {number(largest.size)} ({plain(largest.variant_id)}, "
        f"{plain(largest.label)} box, target {plain(largest.target)}, {count(largest.images, 'image')}): "
        f"{' and '.join(sizes)}."
    )
    head = ("variant", "box", "target", "images", "mean |sum|", "of trained", "negligible")
    rows = []
    for group, ok in zip(groups, small, strict=True):
        reference = references.get(group.variant_id)
        share = percent(group.size / reference) if reference else "–"
        rows.append((*_names(group), number(group.size), share, "yes" if ok else "no"))
    brief = f"mean |sum| up to {number(largest.size, 2)}"
    return Finding(key, claim, combine(small), answer, criterion, Table(head, tuple(rows[:MOST_ROWS])), brief)


def significant_when_trained(results: StudyResults, by_variant: Mapping[str, Sequence[Group]]) -> Finding:
    """Test whether the trained model's sums in boxes (`group_sums` of each variant) differ from zero."""
    key, claim = "trained_significant", "In the trained model the sums in the boxes are significant."
    probability = results.study.attribution.output == "probability"
    size = f", and the mean of |sum| is at least {SMALL_PROBABILITY}" if probability else ""
    criterion = (
        f"Significant: the 95 % interval of the mean sum over images leaves out zero{size}. Asked of every "
        "box label that is a target (of every label, where none is) and every target."
    )
    variants = study_variants(results)
    groups = of_variants(by_variant, variants.trained)
    groups = [group for group in groups if group.label in results.target_names] or groups
    reason = _why_not(groups, "" if variants.trained else "no trained variant")
    if reason:
        return unknown(key, claim, reason, criterion)
    parts = [
        (group.low > 0 or group.high < 0) and not (probability and group.size < SMALL_PROBABILITY)
        for group in groups
    ]
    answer = (
        f"In {sum(parts)} of {count(len(parts), 'group')} (box label, target) the sums are significant; the "
        f"mean |sum| is {number(mean_size(groups) or 0.0)}"
    )
    random = mean_size(of_variants(by_variant, variants.random))
    own = mean_size(groups)
    if random and own:
        answer += f", {number(own / random, 2)} times the {number(random)} of the random variants"
    head = ("variant", "box", "target", "images", "mean sum", "95 % interval", "significant")
    rows = [
        (
            *_names(group),
            number(group.mean),
            f"{number(group.low)} to {number(group.high)}",
            "yes" if ok else "no",
        )
        for group, ok in zip(groups, parts, strict=True)
    ]
    brief = f"{sum(parts)} of {len(parts)}, mean |sum| {number(own or 0.0, 2)}"
    evidence = Table(head, tuple(rows[:MOST_ROWS]))
    return Finding(key, claim, combine(parts), f"{answer}.", criterion, evidence, brief)


def _weighty(group: Group, reference: float | None) -> bool:
    return reference is not None and group.size >= SMALL_SHARE * reference


def _names(group: Group) -> tuple[str, str, str, str]:
    return plain(group.variant_id), plain(group.label), plain(group.target), f"{group.images:,}"


def _why_not(groups: Sequence[Group], nobody: str) -> str:
    if nobody:
        return f"the study has {nobody}"
    return "" if groups else f"no box label is on at least {FEWEST_IMAGES} computed images"
