"""The claim on signs: the box of one class counts against another, in the trained model only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import pandas as pd

from igbatch.report.findings.model import Finding, Verdict, combine, study_variants, unknown
from igbatch.report.text import Table, count, listing, number, plain
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import share_interval

FEWEST_TO_TELL = 4
"""Images below which signs tell nothing: of 4 that agree, the 95 % interval just leaves one half."""

MOST_ROWS, MOST_SAID = 24, 6

_CRITERION = (
    "A box counts against a target where its sum is negative in most images and on average: the 95 % "
    "intervals of the share of images (Wilson) and of the mean (bootstrap) both say so. It does not where "
    f"one of them says the opposite; it is mixed otherwise. Fewer than {FEWEST_TO_TELL} images cannot tell."
)


@dataclass(frozen=True)
class Opposition:
    """How the boxes of a label count for another target, in one variant.

    Attributes:
        images, negative: images with such a box, and those of them where its sum is negative.
        mean, low, high: the mean sum, in units of the output, and its 95 % interval.
        both, negative_in_both: the same counts of the images that have a box of the target, too.
    """

    variant_id: str
    label: str
    target: str
    images: int
    negative: int
    mean: float
    low: float
    high: float
    both: int
    negative_in_both: int

    @property
    def verdict(self) -> Verdict:
        """Judge whether the box counts against the target."""
        share_low, share_high = share_interval(self.negative, self.images)
        if self.images < FEWEST_TO_TELL:
            return Verdict.UNKNOWN
        if share_low is None or share_high is None or math.isnan(self.low):
            return Verdict.UNKNOWN
        if share_low > 0.5 and self.high < 0:
            return Verdict.HOLDS
        return Verdict.FAILS if share_high < 0.5 or self.low > 0 else Verdict.MIXED


def opposition(
    results: StudyResults, labels: Sequence[str], by_variant: Mapping[str, Sequence[Opposition]]
) -> list[Finding]:
    """Test whether the box of each class counts against the others, by sign and by mean.

    Args:
        results: a reduced study.
        labels: classes: the targets that are labels of boxes, too.
        by_variant: what `measure` told of each variant.
    """
    variants = study_variants(results)
    return [
        _trained(variants.trained, labels, by_variant),
        _random(variants.random, labels, by_variant),
    ]


def measure(aggregates: pd.DataFrame, variant_id: str, labels: Sequence[str]) -> list[Opposition]:
    """Return every ordered pair of classes that a variant has boxes of, from the study's `aggregates`."""
    rows = aggregates[aggregates["variant_id"] == variant_id]
    found = {(row["box_label"], row["target"]): row for row in rows.to_dict("records")}
    mean = ("mean_sum", "mean_sum_low", "mean_sum_high")
    names = ("n_images", "n_negative", *mean, "n_both", "n_negative_both")
    pairs = [pair for pair in permutations(labels, 2) if pair in found]
    return [Opposition(variant_id, *pair, *(found[pair][name] for name in names)) for pair in pairs]


def _trained(
    ids: Sequence[str], labels: Sequence[str], by_variant: Mapping[str, Sequence[Opposition]]
) -> Finding:
    names = listing([plain(label) for label in labels]) or "of those in boxes"
    key, claim = (
        "trained_opposition",
        f"In the trained model the box of each class counts against the others ({names}).",
    )
    pairs = [pair for variant_id in ids for pair in by_variant[variant_id]]
    reason = _why_not(pairs, labels, "" if ids else "no trained variant")
    if reason:
        return unknown(key, claim, reason, _CRITERION, _table(pairs))
    told = {pair.verdict for pair in pairs} - {Verdict.UNKNOWN}
    verdict = told.pop() if len(told) == 1 else Verdict.MIXED
    answer = "; ".join(_say(pair) for pair in pairs[:MOST_SAID])
    negative, images = sum(pair.negative for pair in pairs), sum(pair.images for pair in pairs)
    brief = f"negative in {negative:,} of {count(images, 'case')}"
    answer = f"{answer[:1].upper()}{answer[1:]}."
    return Finding(key, claim, verdict, answer, _CRITERION, _table(pairs), brief)


def _random(
    ids: Sequence[str], labels: Sequence[str], by_variant: Mapping[str, Sequence[Opposition]]
) -> Finding:
    key = "random_no_opposition"
    claim = "In the random models the boxes do not count against the other classes in this way."
    pairs = [pair for variant_id in ids for pair in by_variant[variant_id]]
    reason = _why_not(pairs, labels, "" if ids else "no variant with random parameters")
    if reason:
        return unknown(key, claim, reason, _CRITERION, _table(pairs))
    patterns = {variant_id: _whole_pattern(by_variant[variant_id]) for variant_id in ids}
    verdict = combine(None if shown is None else not shown for shown in patterns.values())
    shown = [plain(variant_id) for variant_id, is_shown in patterns.items() if is_shown]
    told = [variant_id for variant_id, is_shown in patterns.items() if is_shown is not None]
    against = sum(pair.verdict is Verdict.HOLDS for pair in pairs)
    answer = (
        f"{len(shown)} of {count(len(told), 'random variant')} show the whole pattern"
        f"{f' ({listing(shown)})' if shown else ''}; single boxes count against the other class in {against} "
        f"of {count(len(pairs), 'case')}. The largest mean sum of these is "
        f"{number(max(abs(pair.mean) for pair in pairs))} in size."
    )
    brief = f"{len(shown)} of {len(told)} show the whole pattern"
    return Finding(key, claim, verdict, answer, _CRITERION, _table(pairs), brief)


def _whole_pattern(pairs: Sequence[Opposition]) -> bool | None:
    """Tell whether a variant shows the whole pattern: each box counts against each other class."""
    verdicts = [pair.verdict for pair in pairs]
    if any(verdict in (Verdict.FAILS, Verdict.MIXED) for verdict in verdicts):
        return False
    return None if Verdict.UNKNOWN in verdicts or not verdicts else True


def _why_not(pairs: Sequence[Opposition], labels: Sequence[str], nobody: str) -> str:
    if nobody:
        return f"the study has {nobody}"
    if len(labels) < 2:
        return "it takes boxes of two classes that are targets, too"
    if all(pair.verdict is Verdict.UNKNOWN for pair in pairs):
        most = max((pair.images for pair in pairs), default=0)
        return f"there are too few images with such boxes ({most} at most; {FEWEST_TO_TELL} are needed)"
    return ""


def _say(pair: Opposition) -> str:
    interval = "" if math.isnan(pair.low) else f", 95 % interval {_interval(pair)}"
    return (
        f"the {plain(pair.label)} box counts against {plain(pair.target)} in {pair.negative} of "
        f"{count(pair.images, 'image')} (mean {number(pair.mean)}{interval})"
    )


def _interval(pair: Opposition) -> str:
    return "–" if math.isnan(pair.low) else f"{number(pair.low)} to {number(pair.high)}"


def _table(pairs: Sequence[Opposition]) -> Table | None:
    if not pairs:
        return None
    head = (
        "variant",
        "box",
        "against",
        "negative in",
        "where both are",
        "mean sum",
        "95 % interval",
        "verdict",
    )
    rows = []
    for pair in pairs[:MOST_ROWS]:
        names = plain(pair.variant_id), plain(pair.label), plain(pair.target)
        counts = f"{pair.negative} of {pair.images}", f"{pair.negative_in_both} of {pair.both}"
        rows.append((*names, *counts, number(pair.mean), _interval(pair), pair.verdict.value))
    return Table(head, tuple(rows))
