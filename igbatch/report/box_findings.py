"""The claims about sums in boxes: negligible for random models, significant and opposed for the trained one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from igbatch.report.findings import Finding, Variants, Verdict, combine, image_sums, study_variants
from igbatch.report.text import Table, count, listing, number, percent, plain
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES, mean_interval, share_interval

SMALL_PROBABILITY = 0.01
"""A mean |sum| below this is negligible on the scale of probabilities, which ends at 1."""

SMALL_SHARE = 0.05
"""A mean |sum| below this share of the trained model's is negligible beside it."""

FEWEST_TO_TELL = 4
"""Images below which signs tell nothing: of 4 that agree, the 95 % interval of the share just leaves one half."""

MOST_ROWS = 24
_GROUP = ["variant_id", "box_label", "target"]


@dataclass(frozen=True)
class Opposition:
    """Whether the box of one class counts against another class, in one variant."""

    variant_id: str
    label: str
    target: str
    images: int
    negative: int
    mean: float
    low: float | None
    high: float | None
    both: int
    negative_in_both: int

    @property
    def verdict(self) -> Verdict:
        """Judge by the sign's share of the images and by the mean, both with their 95 % intervals."""
        share_low, share_high = share_interval(self.negative, self.images)
        if self.images < FEWEST_TO_TELL or None in (share_low, share_high, self.low, self.high):
            return Verdict.UNKNOWN
        assert share_low is not None and share_high is not None and self.low is not None and self.high is not None
        if share_low > 0.5 and self.high < 0:
            return Verdict.HOLDS
        return Verdict.FAILS if share_high < 0.5 or self.low > 0 else Verdict.MIXED


def negligible_when_random(results: StudyResults) -> Finding:
    """Test whether the sums in boxes are negligible in every random variant, for every label and target."""
    variants = study_variants(results)
    claim = "In models with random parameters the sums in the boxes are negligible, for every box and target."
    probability = results.study["study"]["attribution"]["output"] == "probability"
    absolute = f"below {SMALL_PROBABILITY}, 1 % of the probability scale, and " if probability else ""
    criterion = (
        f"Negligible: the mean over images of |sum in the box| is {absolute}below {100 * SMALL_SHARE:.0f} % of the same "
        "mean over all boxes and targets of the trained model, where there is one."
    )
    groups = _mean_sizes(results, variants.random)
    reason = _why_not(groups, "no variant with random parameters", not variants.random)
    references = {variant: _reference(results, variants, variant) for variant in variants.random}
    if not reason and not probability and not any(references.values()):
        reason = "there is no trained variant to measure against, and the output has no scale of its own"
    if reason:
        return Finding("random_negligible", claim, Verdict.UNKNOWN, f"It cannot be told: {reason}.", criterion)
    small, rows = [], []
    for row in groups.itertuples():
        reference = references[row.variant_id]
        ok = not (probability and row.size >= SMALL_PROBABILITY)
        small.append(ok and not (reference and row.size >= SMALL_SHARE * reference))
        share = percent(row.size / reference) if reference else "–"
        rows.append((plain(row.variant_id), plain(row.box_label), plain(row.target), f"{row.images}",
                     number(row.size), share, "yes" if small[-1] else "no"))  # fmt: skip
    top = groups.loc[groups["size"].idxmax()]
    reference = references[top["variant_id"]]
    sizes = [f"{percent(top['size'])} of the probability scale"] if probability else []
    sizes += [f"{percent(top['size'] / reference)} of the trained model's {number(reference)}"] if reference else []
    answer = (
        f"In {sum(small)} of {count(len(small), 'group')} (random variant, box label, target) the sums are "
        f"negligible. The largest mean |sum| is {number(top['size'])} ({plain(top['variant_id'])}, "
        f"{plain(top['box_label'])} box, target {plain(top['target'])}, {count(int(top['images']), 'image')}): "
        f"{' and '.join(sizes)}."
    )
    head = ("variant", "box", "target", "images", "mean |sum|", "of trained", "negligible")
    return Finding("random_negligible", claim, combine(small), answer, criterion, Table(head, tuple(rows[:MOST_ROWS])))


def significant_when_trained(results: StudyResults) -> Finding:
    """Test whether the trained model's sums differ from zero, for every box of a target class and every target."""
    variants = study_variants(results)
    probability = results.study["study"]["attribution"]["output"] == "probability"
    claim = "In the trained model the sums in the boxes are significant, for every box of a target class and target."
    size = f", and the mean of |sum| is at least {SMALL_PROBABILITY}" if probability else ""
    criterion = f"Significant: the 95 % interval of the mean sum over images leaves out zero{size}."
    groups = _mean_sizes(results, variants.trained)
    named = groups[groups["box_label"].isin(results.target_names)]
    groups = named if len(named) else groups
    reason = _why_not(groups, "no trained variant", not variants.trained)
    if reason:
        return Finding("trained_significant", claim, Verdict.UNKNOWN, f"It cannot be told: {reason}.", criterion)
    parts, rows = [], []
    for row in groups.itertuples():
        clear = row.low > 0 or row.high < 0
        parts.append(bool(clear and not (probability and row.size < SMALL_PROBABILITY)))
        rows.append((plain(row.variant_id), plain(row.box_label), plain(row.target), f"{row.images}",
                     number(row.mean), f"{number(row.low)} to {number(row.high)}",
                     "yes" if parts[-1] else "no"))  # fmt: skip
    answer = f"In {sum(parts)} of {count(len(parts), 'group')} (box label, target) the sums are significant."
    random = _mean_sizes(results, variants.random)
    if len(random):
        times = groups["size"].mean() / random["size"].mean() if random["size"].mean() > 0 else np.inf
        answer += (
            f" Their mean |sum| is {number(groups['size'].mean())}, that of the random variants "
            f"{number(random['size'].mean())}" + (f", a factor of {number(times, 2)}." if np.isfinite(times) else ".")
        )
    head = ("variant", "box", "target", "images", "mean sum", "95 % interval", "significant")
    table = Table(head, tuple(rows[:MOST_ROWS]))
    return Finding("trained_significant", claim, combine(parts), answer, criterion, table)


def opposition(results: StudyResults) -> list[Finding]:
    """Test whether the box of each class counts against the others: in the trained model, and in no random one."""
    variants = study_variants(results)
    sums = image_sums(results)
    criterion = (
        "A box counts against a target where its sum is negative in most images and on average: the 95 % intervals "
        f"of the share of images (Wilson) and of the mean (bootstrap) both say so. Fewer than {FEWEST_TO_TELL} images "
        "cannot tell."
    )
    labels = [name for name in results.target_names if name in set(sums["box_label"])]
    birds = listing(list(map(plain, labels))) or "each class"
    trained_claim = f"In the trained model the box of each class counts against the others ({birds})."
    random_claim = "In the random models the boxes do not count against the other classes in this way."
    found = {v: _opposed(sums, v, labels) for v in (*variants.trained, *variants.random)}
    results_of = []
    for key, claim, ids, wanted in (
        ("trained_opposition", trained_claim, variants.trained, True),
        ("random_no_opposition", random_claim, variants.random, False),
    ):
        pairs = [pair for variant in ids for pair in found[variant]]
        reason = _why_no_pairs(ids, wanted, labels, pairs)
        if reason:
            unknown = f"It cannot be told: {reason}."
            results_of.append(Finding(key, claim, Verdict.UNKNOWN, unknown, criterion, _pair_table(pairs)))
            continue
        if wanted:
            verdict = _overall([pair.verdict for pair in pairs])
            answer = "; ".join(map(_say_pair, pairs[:6])) + "."
        else:
            patterns = {variant: _shows(found[variant]) for variant in ids}
            verdict = combine(None if shown is None else not shown for shown in patterns.values())
            answer = _say_patterns(patterns, pairs)
        answer = answer[:1].upper() + answer[1:]
        results_of.append(Finding(key, claim, verdict, answer, criterion, _pair_table(pairs)))
    return results_of


def _mean_sizes(results: StudyResults, variants: tuple[str, ...]) -> pd.DataFrame:
    """Group the sums of images: one row a variant, label and target with images, mean |sum|, mean and interval."""
    sums = image_sums(results)
    rows = []
    for key, group in sums[sums["variant_id"].isin(variants)].groupby(_GROUP, sort=True):
        values = group["sum"].to_numpy(dtype=np.float64)
        if len(values) < FEWEST_IMAGES:
            continue
        low, high = mean_interval(values)
        rows.append((*key, len(values), float(np.abs(values).mean()), float(values.mean()), low, high))
    return pd.DataFrame(rows, columns=[*_GROUP, "images", "size", "mean", "low", "high"])


def _reference(results: StudyResults, variants: Variants, variant: str) -> float | None:
    trained = variants.trained_of.get(variant)
    groups = _mean_sizes(results, (trained,) if trained else ())
    return float(groups["size"].mean()) if len(groups) and groups["size"].mean() > 0 else None


def _why_not(groups: pd.DataFrame, nobody: str, none: bool) -> str:
    if none:
        return f"the study has {nobody}"
    return "" if len(groups) else f"no box label is on at least {FEWEST_IMAGES} computed images"


def _opposed(sums: pd.DataFrame, variant: str, labels: list[str]) -> list[Opposition]:
    mine = sums[sums["variant_id"] == variant]
    pairs = []
    for label, target in permutations(labels, 2):
        group = mine[(mine["box_label"] == label) & (mine["target"] == target)]
        values = group["sum"].to_numpy(dtype=np.float64)
        if not len(values):
            continue
        others = set(mine.loc[mine["box_label"] == target, "image_id"])
        both = values[group["image_id"].isin(others).to_numpy()]
        low, high = mean_interval(values)
        pairs.append(
            Opposition(variant, label, target, len(values), int((values < 0).sum()), float(values.mean()), low, high,
                       len(both), int((both < 0).sum()))
        )  # fmt: skip
    return pairs


def _why_no_pairs(ids: tuple[str, ...], trained: bool, labels: list[str], pairs: list[Opposition]) -> str:
    if not ids:
        return f"the study has no {'trained variant' if trained else 'variant with random parameters'}"
    if len(labels) < 2:
        return "it takes boxes of two classes that are also targets"
    if all(pair.verdict is Verdict.UNKNOWN for pair in pairs):
        most = max((pair.images for pair in pairs), default=0)
        return f"there are too few images with such boxes ({most} at most, {FEWEST_TO_TELL} are needed)"
    return ""


def _overall(verdicts: list[Verdict]) -> Verdict:
    told = {verdict for verdict in verdicts if verdict is not Verdict.UNKNOWN}
    return told.pop() if len(told) == 1 else Verdict.MIXED


def _shows(pairs: list[Opposition]) -> bool | None:
    """Tell whether a variant shows the whole pattern: each box counts against each other class."""
    verdicts = [pair.verdict for pair in pairs]
    if any(verdict in (Verdict.FAILS, Verdict.MIXED) for verdict in verdicts):
        return False
    return None if Verdict.UNKNOWN in verdicts or not verdicts else True


def _say_pair(pair: Opposition) -> str:
    interval = "" if pair.low is None else f", 95 % interval {number(pair.low)} to {number(pair.high or 0.0)}"
    return (
        f"the {plain(pair.label)} box counts against {plain(pair.target)} in {pair.negative} of "
        f"{count(pair.images, 'image')} (mean {number(pair.mean)}{interval})"
    )


def _say_patterns(patterns: dict[str, bool | None], pairs: list[Opposition]) -> str:
    shown = [plain(variant) for variant, is_shown in patterns.items() if is_shown]
    told = [variant for variant, is_shown in patterns.items() if is_shown is not None]
    against = [pair for pair in pairs if pair.verdict is Verdict.HOLDS]
    largest = max((abs(pair.mean) for pair in pairs), default=0.0)
    start = f"{len(shown)} of {count(len(told), 'random variant')} show the whole pattern"
    start += f" ({listing(shown)})" if shown else ""
    return (
        f"{start}; single boxes count against the other class in {len(against)} of {len(pairs)} cases. "
        f"No mean sum of these is larger than {number(largest)} in size."
    )


def _pair_table(pairs: list[Opposition]) -> Table | None:
    if not pairs:
        return None
    head = ("variant", "box", "against", "negative in", "where both are", "mean sum", "95 % interval", "verdict")
    rows = [
        (plain(p.variant_id), plain(p.label), plain(p.target), f"{p.negative} of {p.images}",
         f"{p.negative_in_both} of {p.both}", number(p.mean),
         "–" if p.low is None or p.high is None else f"{number(p.low)} to {number(p.high)}", str(p.verdict))
        for p in pairs
    ]  # fmt: skip
    return Table(head, tuple(rows[:MOST_ROWS]))
