"""What to be careful about in a study: normalization, convergence, the baseline, what is missing."""

from __future__ import annotations

from igbatch.images.box_counts import BoxCounts
from igbatch.reduce.summary import Summary
from igbatch.report.color.scope import Normalizations
from igbatch.report.figures.accuracy import convergence_words
from igbatch.report.findings.model import study_variants
from igbatch.report.text import count, number, percent, plain
from igbatch.results import StudyResults

WEIGHTY_BASELINE = 0.05
"""A probability at the baseline from which on the report says so."""


def cautions(
    results: StudyResults, normalizations: Normalizations, census: Summary, quarantined: int
) -> list[str]:
    """Return what a reader of the report must know, one or two sentences each.

    Args:
        results: a reduced study.
        normalizations: of its maps.
        census: of its rows.
        quarantined: rows in quarantine.
    """
    said = [
        "The same numbers look different under different normalizations. A map normalized by itself always "
        "fills its scale, however small it is: read the minimum, maximum and sum below it, and compare "
        "colours only where maps share a range."
    ]
    if not census.rows:
        return [*said, "No map has been computed."]
    said += [
        _scale(normalizations),
        convergence_words(census, results.study["study"]["attribution"]),
        _negligible(census.negligible),
        _constant(census),
        _baseline(results, census),
        _boxes(results.box_counts),
    ]
    return [sentence for sentence in [*said, _missing(results, census.rows, quarantined)] if sentence]


def _scale(normalizations: Normalizations) -> str:
    raw = normalizations.of("raw")
    if raw is None:
        return ""
    return (
        f"The raw scale ends at ±{number(raw.gain, 1)}, the round number that is just above 99.9 % of all "
        "|a| in the variant where these are largest; beyond it the colour is that of the end, and the number "
        "of such pixels is told below the map."
    )


def _negligible(small: int) -> str:
    if not small:
        return ""
    are = "is" if small == 1 else "are"
    return f"{count(small, 'map')} {are} negligible: too small for ratios to mean anything."


def _constant(census: Summary) -> str:
    """Say for which targets the output does not change, and so cannot be explained."""
    if not census.constant:
        return ""
    (variant, target), most = max(census.constant.items(), key=lambda found: found[1])
    maps = sum(census.constant.values())
    more = f", most of them of {plain(variant)} for {plain(target)} ({most:,})" if most < maps else ""
    where = more or f" ({plain(variant)} for {plain(target)})"
    return (
        f"{count(maps, 'map')} {'is' if maps == 1 else 'are'} 0{where}: the output does not change between "
        "the baseline and the image, so that there is nothing to explain."
    )


def weighty_baseline(results: StudyResults, census: Summary) -> tuple[tuple[str, str], float] | None:
    """Return the trained variant and target of the largest mean probability at the baseline, and that mean.

    None where it is below `WEIGHTY_BASELINE`, or the output is no probability.
    """
    if results.study["study"]["attribution"]["output"] != "probability":
        return None
    trained = study_variants(results).trained
    means = {key: mean for key, mean in census.baselines.items() if key[0] in trained}
    if not means or max(means.values()) < WEIGHTY_BASELINE:
        return None
    key = max(means, key=lambda key: means[key])
    return key, means[key]


def _baseline(results: StudyResults, census: Summary) -> str:
    found = weighty_baseline(results, census)
    if found is None:
        return ""
    (variant, target), mean = found
    return (
        f"The baseline is not nothing to the model: {plain(variant)} gives {plain(target)} "
        f"{percent(mean)} there. Maps explain the difference from that."
    )


def _boxes(counts: BoxCounts | None) -> str:
    """Say which boxes were left out, and where a box file and a study both have images of their own."""
    if counts is None:
        return ""
    apart = counts.unknown_images > 0 and counts.images < counts.study_images
    return f"Boxes: {counts.words()}." if apart or counts.exceptions() else ""


def _missing(results: StudyResults, rows: int, quarantined: int) -> str:
    gone = results.expected_rows - rows
    if gone <= 0:
        return ""
    lost = "some are in quarantine, see below" if quarantined else "they are not computed yet"
    return (
        f"{count(gone, 'map')} of {results.expected_rows:,} {'is' if gone == 1 else 'are'} missing ({lost}): "
        "ranges over the study are marked incomplete."
    )
