"""The claim on signs: the box of one class counts against another, in the trained model only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

from igbatch.report.findings.boxes import BoxSum
from igbatch.report.findings.model import Finding, Missing, Variants, Verdict, combine, present
from igbatch.report.text import number, plain
from igbatch.statistics.aggregates import share_interval

FEWEST_TO_TELL = 4
"""Images below which signs tell nothing: of 4 that agree, the 95 % interval just leaves one half."""

MAX_NAMED = 6
"""Pairs of classes that the answer names one by one."""

_HEAD = ("variant", "box", "against", "negative in", "where both are", "mean sum", "95 % interval", "verdict")


def opposition(sums: Sequence[BoxSum], variants: Variants, targets: Sequence[str]) -> list[Finding]:
    """Test whether the box of each class counts against the others, by sign and by mean.

    Args:
        sums: of the study.
        variants: of the study: the claim is one on trained models, and its contrary on random ones.
        targets: of the study; those that are labels of boxes, too, are the classes.
    """
    labels = [name for name in targets if any(row.box_label == name for row in sums)]
    rows = {(row.variant_id, row.box_label, row.target): row for row in sums}
    findings = []
    for key, kind, names in (
        ("trained_opposition", Missing.TRAINED, variants.trained),
        ("random_no_opposition", Missing.RANDOM, variants.random),
    ):
        keys = [(name, *pair) for name in names for pair in permutations(labels, 2)]
        pairs = [(rows[each], against(rows[each])) for each in keys if each in rows]
        found = [verdict for _, verdict in pairs]
        patterns = {
            name: whole_pattern(verdict for row, verdict in pairs if row.variant_id == name) for name in names
        }
        verdict: Verdict | Missing = combine(None if each is None else not each for each in patterns.values())
        if key == "trained_opposition":
            known = set(found) - {Verdict.UNKNOWN}
            verdict = known.pop() if len(known) == 1 else Verdict.MIXED
        if not names:
            verdict = kind
        elif len(labels) < 2:
            verdict = Missing.CLASSES
        elif all(each is Verdict.UNKNOWN for each in found):
            verdict = Missing.IMAGES
        findings.append(present(
            key,
            verdict,
            _HEAD,
            (_cells(*pair) for pair in pairs),
            labels=[plain(label) for label in labels],
            sums=[row for row, _ in pairs],
            against=found.count(Verdict.HOLDS),
            cases=len(found) - found.count(Verdict.UNKNOWN),
            patterns=patterns,
            most=max((row.n_images for row, _ in pairs), default=0),
            largest=max((abs(row.mean_sum) for row, each in pairs if each != Verdict.UNKNOWN), default=0),
            fewest=FEWEST_TO_TELL,
            max_named=MAX_NAMED,
        ))  # fmt: skip
    return findings


def against(row: BoxSum) -> Verdict:
    """Judge whether the boxes of a label count against a target."""
    low, high = share_interval(row.n_negative, row.n_images)
    if row.n_images < FEWEST_TO_TELL or low is None or high is None:
        return Verdict.UNKNOWN
    if low > 0.5 and row.mean_sum_high < 0:
        return Verdict.HOLDS
    return Verdict.FAILS if high < 0.5 or row.mean_sum_low > 0 else Verdict.MIXED


def whole_pattern(verdicts: Iterable[Verdict]) -> bool | None:
    """Tell whether a variant shows the whole pattern: each box counts against each other class."""
    found = set(verdicts)
    if found & {Verdict.FAILS, Verdict.MIXED}:
        return False
    return None if Verdict.UNKNOWN in found or not found else True


def _cells(row: BoxSum, found: Verdict) -> tuple[str, ...]:
    counts = f"{row.n_negative} of {row.n_images}", f"{row.n_negative_both} of {row.n_both}"
    return *row.names[:3], *counts, number(row.mean_sum), row.interval, found.value
