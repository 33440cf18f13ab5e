"""What to be careful about in a study: normalization, convergence, the baseline, what is missing."""

from __future__ import annotations

from typing import Any

import pandas as pd

from igbatch.report.findings import study_variants
from igbatch.report.normalization import Normalizations
from igbatch.report.text import count, number, percent, plain
from igbatch.results import StudyResults

WEIGHTY_BASELINE = 0.05
"""A probability at the baseline from which on the report says so."""


def cautions(results: StudyResults, normalizations: Normalizations) -> list[str]:
    """Return what a reader of the report must know, one or two sentences each."""
    stats = results.image_stats
    said = [
        "The same numbers look different under different normalizations. A map normalized by itself always "
        "fills its scale, however small it is: read the minimum, maximum and sum below it, and compare "
        "colours only where maps share a range."
    ]
    if not len(stats):
        return [*said, "No map has been computed."]
    said += [
        _scale(normalizations),
        _convergence(results, stats),
        _negligible(stats),
        _baseline(results, stats),
    ]
    return [sentence for sentence in [*said, _missing(results, stats)] if sentence]


def _scale(normalizations: Normalizations) -> str:
    raw = normalizations.of("raw")
    if raw is None:
        return ""
    return (
        f"The raw scale ends at ±{number(raw.gain, 1)}, the round number that is just above 99.9 % of all "
        "|a| in the variant where these are largest; beyond it the colour is that of the end, and the number "
        "of such pixels is told below the map."
    )


def _convergence(results: StudyResults, stats: pd.DataFrame) -> str:
    converged = int(stats["converged"].sum())
    tolerance = f"{100 * float(results.study['study']['attribution']['tolerance']):.3g} %"
    start = f"{converged:,} of {count(len(stats), 'map')} converged (allowed: {tolerance} of F(image) − F(baseline))."
    gaps = stats.loc[~stats["negligible"] & stats["relative_delta"].notna(), "relative_delta"]
    if not len(gaps):
        return start
    worst: Any = stats.loc[gaps.index[int(gaps.argmax())]]
    return (
        f"{start} The largest gap between a map's sum and F(image) − F(baseline) is "
        f"{percent(float(worst['relative_delta']))} of its |a| ({plain(worst['variant_id'])}, "
        f"{plain(worst['image_id'])}, {plain(worst['target'])}, {worst['steps']} steps). The gap is the "
        "least a map can be off: errors of opposite sign cancel in it."
    )


def _negligible(stats: pd.DataFrame) -> str:
    small = int(stats["negligible"].sum())
    if not small:
        return ""
    are = "is" if small == 1 else "are"
    return f"{count(small, 'map')} {are} negligible: too small for ratios to mean anything."


def _baseline(results: StudyResults, stats: pd.DataFrame) -> str:
    if results.study["study"]["attribution"]["output"] != "probability":
        return ""
    trained = stats[stats["variant_id"].isin(study_variants(results).trained)]
    means = trained.groupby(["variant_id", "target"], sort=False)["score_baseline"].mean()
    if not len(means) or means.max() < WEIGHTY_BASELINE:
        return ""
    variant, target = means.index[int(means.argmax())]
    return (
        f"The baseline is not nothing to the model: {plain(variant)} gives {plain(target)} "
        f"{percent(means.max())} there. Maps explain the difference from that."
    )


def _missing(results: StudyResults, stats: pd.DataFrame) -> str:
    gone = results.expected_rows - len(stats)
    if gone <= 0:
        return ""
    lost = "some are in quarantine, see below" if len(results.quarantine) else "they are not computed yet"
    return (
        f"{count(gone, 'map')} of {results.expected_rows:,} {'is' if gone == 1 else 'are'} missing ({lost}): "
        "ranges over the study are marked incomplete."
    )
