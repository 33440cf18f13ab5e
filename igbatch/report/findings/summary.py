"""The first screen of the page: what a study found and what to be careful about, in five sentences.

Every sentence is chosen by verdicts and counts, and none is there whatever the data say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from igbatch.reduce.summary import Summary
from igbatch.report.findings.caveats import weighty_baseline
from igbatch.report.findings.model import Finding, Verdict, study_variants
from igbatch.report.findings.similarity import whole
from igbatch.report.randomization.statistics import SIGNIFICANT, STATISTICS, null_tests, scale_free
from igbatch.report.randomization.verdicts import FEWEST_MODELS, LEVEL
from igbatch.report.text import count, listing, number, percent, plain
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES

FEW_IMAGES = 10
"""Images below which the summary warns that means over them are of little weight."""


def five_sentences(
    results: StudyResults, findings: Sequence[Finding], census: Summary, quarantined: int
) -> tuple[str, str, str, str, str]:
    """Sum a study up: what it is, what it found of normalization, in boxes and by tests, what to beware of.

    Args:
        results: a reduced study.
        findings: of it (`findings.find`).
        census: of its rows.
        quarantined: rows in quarantine.
    """
    by_key = {finding.key: finding for finding in findings}
    return (
        _what_it_is(results, census, quarantined),
        _normalization(by_key),
        _boxes(results, by_key),
        _tests(results),
        _beware(results, census, quarantined),
    )


def _what_it_is(results: StudyResults, census: Summary, quarantined: int) -> str:
    targets = listing([plain(name) for name in results.target_names], most=4)
    kinds = results.variants["kind"].value_counts()
    partly = int(kinds.get("cascade", 0) + kinds.get("independent", 0))
    told = [
        count(int(kinds[kind]), f"{kind} model") for kind in ("trained", "random") if kinds.get(kind, 0)
    ] + ([count(partly, "partly random model")] if partly else [])
    output = results.study["study"]["attribution"]["output"]
    said = (
        f"This study explains the {output} of {targets} on {count(results.n_images, 'image')} in "
        f"{listing(told)}"
    )
    gone = results.expected_rows - census.rows
    if not census.rows:
        return f"{said}, and none of its {count(results.expected_rows, 'map')} has been computed."
    if gone <= 0:
        return f"{said}, and is whole: all {count(census.rows, 'map')} are there."
    lost = f", {quarantined:,} of them in quarantine" if quarantined else ""
    are = "is" if gone == 1 else "are"
    return f"{said}, and is not whole: {gone:,} of {results.expected_rows:,} maps {are} missing{lost}."


def _normalization(findings: Mapping[str, Finding]) -> str:
    """Say whether two targets' maps look alike by themselves and differ jointly, by kind of model."""
    by_verdict: dict[Verdict, list[str]] = {}
    for key, who in (("trained_alike", "the trained model"), ("random_alike", "random models")):
        finding = findings[key]
        by_verdict.setdefault(finding.verdict, []).append(f"{who} ({finding.brief})")
    said = [f"{_FARES[verdict]} for {' and for '.join(who)}" for verdict, who in by_verdict.items()]
    return (
        "That the maps of two targets look alike when each is normalized by itself, and differ under one "
        f"range for both, {', and '.join(said)}."
    )


_FARES = {
    Verdict.HOLDS: "holds",
    Verdict.FAILS: "does not hold",
    Verdict.MIXED: "holds in part",
    Verdict.UNKNOWN: "cannot be told",
}


def _boxes(results: StudyResults, findings: Mapping[str, Finding]) -> str:
    trained, random = findings["trained_significant"], findings["random_negligible"]
    against = findings["trained_opposition"]
    unknown = [each for each in (trained, random) if each.verdict is Verdict.UNKNOWN]
    if not len(results.aggregates):
        return "Nothing is said of boxes: no map of this study has a sum in one."
    if len(unknown) == 2:
        return f"What the sums in boxes say cannot be told: {trained.brief}, and {random.brief}."
    said = [
        f"the trained model's sums {_SIGNIFICANT[trained.verdict]} ({trained.brief})",
        f"those of random models {_NEGLIGIBLE[random.verdict]} ({random.brief})",
    ]
    signs = _FARES[against.verdict]
    own = "that a class's box counts against the other classes"
    return f"In the boxes {' and '.join(said)}; {own} {signs} for the trained model ({against.brief})."


_SIGNIFICANT = {
    Verdict.HOLDS: "are significant",
    Verdict.FAILS: "are not significant",
    Verdict.MIXED: "are significant in part",
    Verdict.UNKNOWN: "cannot be judged",
}
_NEGLIGIBLE = {
    Verdict.HOLDS: "are negligible",
    Verdict.FAILS: "are not negligible",
    Verdict.MIXED: "are negligible in part",
    Verdict.UNKNOWN: "cannot be judged",
}


def _tests(results: StudyResults) -> str:
    variants = study_variants(results)
    models = count(len(variants.random), "random model")
    if not results.randomized:
        if not variants.random or not variants.trained:
            missing = "random" if variants.trained else "trained"
            return f"Nothing is tested against chance: the study has no {missing} model to hold against."
        return (
            f"Nothing is tested against chance: the study has no randomization section, and its {models} "
            f"{'is an example' if len(variants.random) == 1 else 'are examples'}, not a null distribution."
        )
    rows = pd.concat([null_tests(results, each) for each in variants.trained] or [results.significance[:0]])
    if not len(rows):
        return "There is no test over the data set: it takes a trained model, random ones, and maps of both."
    held = count(int(rows["n_null"].max()), "random model")
    if float(rows["p_smallest"].min()) > SIGNIFICANT:
        return (
            f"The tests cannot reach {LEVEL} against {held}: it takes at least {FEWEST_MODELS}, so that they "
            "show nothing either way."
        )
    free = rows[[scale_free(row) for row in rows.to_dict("records")]]
    if not len(free):
        return f"No statistic that is free of scale could be tested against {held}."
    passed = free[free["p_adjusted"] <= SIGNIFICANT]
    return (
        f"With the trained model against {held}, {len(passed)} of {count(len(free), 'test')} free of scale "
        f"reached an adjusted p of at most {LEVEL}: {_shown(passed, len(free))}."
    )


def _shown(passed: pd.DataFrame, tests: int) -> str:
    if len(passed) == tests:
        return "where the trained model's maps lie, and which signs they have, are not what chance gives"
    if len(passed):
        respects = listing(
            [words for name, words in STATISTICS.items() if (passed["statistic"] == name).any()]
        )
        return f"its maps differ from random ones in {respects}, and have not been shown to in all respects"
    return "its maps have not been shown to lie in boxes, or to sign them, otherwise than by chance"


def _beware(results: StudyResults, census: Summary, quarantined: int) -> str:
    """Name what weighs most against the numbers; where nothing does, what colours cannot tell."""
    if not census.rows:
        return "Be careful: nothing here is a result, as no map has been computed."
    said = [*_unconverged(census), *_unfinished(results, census, quarantined)]
    if found := weighty_baseline(results, census):
        (variant, target), share = found
        said.append(f"{plain(variant)} gives {plain(target)} {percent(share)} at the baseline already")
    if results.n_images < FEW_IMAGES:
        few = "no interval" if results.n_images < FEWEST_IMAGES else "wide intervals"
        said.append(f"{count(results.n_images, 'image')} give {few}, and speak of no others")
    if said:
        return f"Be careful most of all: {'; '.join(said)}."
    assert census.worst is not None
    return (
        f"All maps converged (the worst one is off by {whole(census.worst.ratio)} of what is allowed), so be "
        "careful most of all with colours, which can be compared only where maps share a range."
    )


def _unconverged(census: Summary) -> list[str]:
    gone = census.rows - census.converged
    if not gone or census.worst is None:
        return []
    where = ", ".join(map(plain, census.worst.key))
    return [
        f"{gone:,} of {count(census.rows, 'map')} did not converge, the worst one ({where}) being off by "
        f"{number(census.worst.ratio, 2)} times what is allowed"
    ]


def _unfinished(results: StudyResults, census: Summary, quarantined: int) -> list[str]:
    gone = results.expected_rows - census.rows
    if gone <= 0:
        return []
    why = "in quarantine, and may not be missing by chance" if quarantined else "not computed yet"
    return [f"{percent(gone / results.expected_rows)} of the maps are {why}"]
