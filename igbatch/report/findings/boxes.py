"""The claims on sums in boxes: negligible in random models, significant in the trained one; their signs."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

import pandas as pd

from igbatch.report.columns import TableColumns, in_order, interval_cell, name, share, value, whole, yes
from igbatch.report.findings.contrasts import MIN_TO_JUDGE, against, contrast_findings
from igbatch.report.findings.model import Finding, Missing, Verdict, combine, present, variants_of_kind
from igbatch.results import StudyResults
from igbatch.text import plain

SMALL_PROBABILITY = 0.01
"""A mean |sum| below this is negligible on the scale of probabilities, which ends at 1."""

SMALL_SHARE = 0.05
"""A mean |sum| below this share of the trained model's is negligible beside it."""

MAX_NAMED = 6
"""Pairs of classes that the answer names one by one."""

_LIMITS = {"small_probability": SMALL_PROBABILITY, "small_share": SMALL_SHARE, "min_images": MIN_TO_JUDGE}

_BOX: TableColumns = {
    "variant": name("variant_id"),
    "box": name("box_label"),
    "target": name("target"),
    "images": whole("n_images"),
}
_MEAN: TableColumns = {
    "mean sum": value("mean_sum"),
    "95 % interval": interval_cell("mean_sum_low", "mean_sum_high"),
}
_NEGLIGIBLE: TableColumns = {
    **_BOX,
    "mean |sum|": value("mean_abs_sum"),
    "of trained": share("share"),
    "negligible": yes("passed"),
}
_SIGNIFICANT: TableColumns = {**_BOX, **_MEAN, "significant": yes("passed")}
_OPPOSITION: TableColumns = {
    "variant": name("variant_id"),
    "box": name("box_label"),
    "against": name("target"),
    "negative in": lambda row: f"{row['n_negative']} of {row['n_images']}",
    "where both are": lambda row: f"{row['n_negative_both']} of {row['n_both']}",
    **_MEAN,
    "verdict": name("found"),
}


def box_findings(results: StudyResults) -> list[Finding]:
    """Test every claim on boxes, by the sums of the study's `aggregates`.

    Claims on classes are not on contrasts, whose sums are differences of theirs: these have their own.
    """
    kinds = results.variants[["variant_id", "model", "kind"]]
    sums = results.aggregates.merge(kinds, on="variant_id").sort_values(["variant_id", "box_label", "target"])
    contrast = sums["target"].isin(results.contrasts)
    classes = sums[~contrast] if not set(results.target_names) <= set(results.contrasts) else sums
    return [
        negligible_when_random(results, classes),
        significant_when_trained(results, classes),
        *opposition(results, classes),
        *contrast_findings(results, sums),
    ]


def negligible_when_random(results: StudyResults, sums: pd.DataFrame) -> Finding:
    """Test whether the sums in boxes are negligible in all random variants."""
    probability = results.study.attribution.output == "probability"
    sums = sums[sums["n_images"] >= MIN_TO_JUDGE]
    sizes = sums[sums["kind"] == "trained"].groupby("model")["mean_abs_sum"].mean()
    own = sums[sums["kind"] == "random"]
    own = own.assign(reference=own["model"].map(sizes.where(sizes > 0)).astype(float))
    own = own.assign(share=own["mean_abs_sum"] / own["reference"])
    large = own["share"] >= SMALL_SHARE
    if probability:
        large |= own["mean_abs_sum"] >= SMALL_PROBABILITY
    own = own.assign(passed=~large)
    missing = _missing(results, "random", own)
    if not missing and not probability and own["reference"].isna().all():
        missing = Missing.SCALE
    return present(
        "random_negligible",
        missing or combine(own["passed"]),
        own[:0] if missing else own,
        _NEGLIGIBLE,
        passed=own["passed"].sum(),
        judged=len(own),
        largest=max(own.to_dict("records"), key=itemgetter("mean_abs_sum"), default=None),
        probability=probability,
        **_LIMITS,
    )


def significant_when_trained(results: StudyResults, sums: pd.DataFrame) -> Finding:
    """Test whether the trained model's sums in boxes differ from zero; of boxes that are targets, if any."""
    probability = results.study.attribution.output == "probability"
    sums = sums[sums["n_images"] >= MIN_TO_JUDGE]
    own = sums[sums["kind"] == "trained"]
    if (named := own["box_label"].isin(results.target_names)).any():
        own = own[named]
    passed = (own["mean_sum_low"] > 0) | (own["mean_sum_high"] < 0)
    if probability:
        passed &= own["mean_abs_sum"] >= SMALL_PROBABILITY
    return present(
        "trained_significant",
        _missing(results, "trained", own) or combine(passed),
        own.assign(passed=passed),
        _SIGNIFICANT,
        passed=passed.sum(),
        judged=len(own),
        size=own["mean_abs_sum"].mean(),
        random_size=sums.loc[sums["kind"] == "random", "mean_abs_sum"].mean(),
        probability=probability,
        **_LIMITS,
    )


def _missing(results: StudyResults, kind: str, rows: pd.DataFrame) -> Missing | None:
    return Missing(kind) if not variants_of_kind(results, kind) else None if len(rows) else Missing.BOXES


def opposition(results: StudyResults, sums: pd.DataFrame) -> list[Finding]:
    """Test whether the box of each class counts against the others, by sign and by mean.

    The claim is one on trained models, and its contrary on random ones. Classes are targets that are labels
    of boxes, too.
    """
    labels = [target for target in results.target_names if (sums["box_label"] == target).any()]
    among = sums["box_label"].isin(labels) & sums["target"].isin(labels)
    variants = results.variants["variant_id"].tolist()
    pairs = in_order(
        sums[among & (sums["box_label"] != sums["target"])],
        {"variant_id": variants, "box_label": labels, "target": labels},
    )
    pairs = pairs.assign(found=[against(row) for row in pairs.to_dict("records")])
    findings = []
    for key, kind in (("trained_opposition", "trained"), ("random_no_opposition", "random")):
        names, own = variants_of_kind(results, kind), pairs[pairs["kind"] == kind]
        judged = own[own["found"] != Verdict.UNKNOWN]
        patterns = {each: whole_pattern(own.loc[own["variant_id"] == each, "found"]) for each in names}
        verdict: Verdict | Missing = combine(None if each is None else not each for each in patterns.values())
        if kind == "trained":
            verdict = Verdict(judged["found"].iloc[0]) if judged["found"].nunique() == 1 else Verdict.MIXED
        if not names:
            verdict = Missing(kind)
        elif len(labels) < 2:
            verdict = Missing.CLASSES
        elif judged.empty:
            verdict = Missing.IMAGES
        findings.append(present(
            key,
            verdict,
            own,
            _OPPOSITION,
            labels=[plain(label) for label in labels],
            sums=own.to_dict("records"),
            against=(own["found"] == Verdict.HOLDS).sum(),
            cases=len(judged),
            patterns=patterns,
            largest_count=max(own["n_images"], default=0),
            largest=judged["mean_sum"].abs().max(),
            min_count=MIN_TO_JUDGE,
            max_named=MAX_NAMED,
        ))  # fmt: skip
    return findings


def whole_pattern(verdicts: Iterable[Verdict]) -> bool | None:
    """Tell whether a variant shows the whole pattern: each box counts against each other class."""
    found = set(verdicts)
    if found & {Verdict.FAILS, Verdict.MIXED}:
        return False
    return None if Verdict.UNKNOWN in found or not found else True
