"""What to be careful about in a study: normalization, convergence, the baseline, what is missing."""

from __future__ import annotations

import pandas as pd

from igbatch.report.accuracy import convergence_words
from igbatch.report.normalization import Normalizations
from igbatch.report.text import count, number, percent, plain
from igbatch.report.verdicts import study_variants
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
        convergence_words(results),
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
