"""What the page says of a study in sentences: what it is, what was found, and what to be careful about.

Every sentence is chosen by verdicts and counts, and none is there whatever the data say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from igbatch.report.findings.model import Finding, variants_of_kind
from igbatch.report.randomization.statistics import SIGNIFICANT, null_tests
from igbatch.report.randomization.verdicts import MIN_MODELS, null_verdict
from igbatch.report.sentences import sentences
from igbatch.report.text import count
from igbatch.results import StudyResults
from igbatch.statistics.aggregates import FEWEST_IMAGES

FEW_IMAGES = 10
"""Images below which the summary warns that means over them are of little weight."""

WEIGHTY_BASELINE = 0.05
"""A probability at the baseline from which on the report says so."""


class BaselineMean(NamedTuple):
    """The mean probability that a variant gives a target at the baseline."""

    variant_id: str
    target: str
    mean: float


def describe(results: StudyResults) -> tuple[str, dict[str, str]]:
    """Return what a study is in a sentence, and its data, models and method by name (`about.j2`)."""
    scenes = [" ".join(filter(None, (each.kind, each.label))) for each in results.study.images.scenes or ()]
    rules = dict.fromkeys(results.record["fingerprint"][each]["rule"] for each in results.reader.variant_ids)
    lead, *facts = sentences(
        "about.j2",
        results=results,
        settings=results.study.attribution,
        summary=results.totals,
        scenes=[f"{kind} scenes" for kind in dict.fromkeys(scenes)],
        variants=_variants(results),
        classes=_classes(results),
        rules=["adaptive steps" if rule == "adaptive" else f"{rule} rule" for rule in rules],
        steps=_steps(results),
    )
    return lead, {name: words for name, _, words in (fact.partition(": ") for fact in facts)}


def five_sentences(results: StudyResults, findings: Sequence[Finding], quarantined: int) -> list[str]:
    """Sum a study up: what it is, what it found of ranges, in boxes and by tests, what to beware of.

    Args:
        results: a reduced study.
        findings: of it (`findings.find`).
        quarantined: rows in quarantine.
    """
    trained = variants_of_kind(results, "trained") if results.randomized else ()
    nulls = [null_tests(results, each) for each in trained]
    return sentences(
        "summary.j2",
        results=results,
        kinds=Counter(results.variants["kind"]),
        findings={finding.key: finding for finding in findings},
        tests=null_verdict(pd.concat(nulls)) if nulls else None,
        level=SIGNIFICANT,
        min_models=MIN_MODELS,
        few_images=FEW_IMAGES,
        fewest_images=FEWEST_IMAGES,
        **_doubts(results, quarantined),
    )


def cautions(results: StudyResults, quarantined: int) -> list[str]:
    """Return what a reader of the report must know, one to three sentences each (`caveats.j2`).

    Args:
        results: a reduced study.
        quarantined: rows in quarantine.
    """
    boxes = results.box_counts
    apart = boxes is not None and boxes.unknown_images > 0 and boxes.images < boxes.study_images
    return sentences(
        "caveats.j2",
        raw_end=results.scope_range("raw").maximum if results.totals.rows else None,
        boxes=boxes.words() if boxes and (apart or boxes.exceptions()) else "",
        **_doubts(results, quarantined),
    )


def _doubts(results: StudyResults, quarantined: int) -> dict[str, Any]:
    """Return what speaks against a study's numbers: maps that are missing, errors, a weighty baseline."""
    return {
        "summary": results.totals,
        "settings": results.study.attribution,
        "expected": results.expected_rows,
        "gone": results.expected_rows - results.totals.rows,
        "quarantined": quarantined,
        "baseline": weighty_baseline(results),
    }


def weighty_baseline(results: StudyResults) -> BaselineMean | None:
    """Return the largest mean probability at the baseline of a trained variant and a target.

    None where it is below `WEIGHTY_BASELINE`, or the output is no probability.
    """
    if results.study.attribution.output != "probability":
        return None
    trained = variants_of_kind(results, "trained")
    means = [BaselineMean(*key, mean) for key, mean in results.totals.baselines.items() if key[0] in trained]
    weighty = [each for each in means if each.mean >= WEIGHTY_BASELINE]
    return max(weighty, key=lambda each: each.mean, default=None)


def _variants(results: StudyResults) -> list[str]:
    """Return the variants with what sets them apart: their kind, and the number of images where not all."""
    named = []
    for variant_id, kind in zip(results.variants["variant_id"], results.variants["kind"], strict=True):
        images = results.reader.expected_images(variant_id)
        some = "" if images == results.n_images else f"on {count(images, 'image')} only"
        random = {"trained": "", "random": "random parameters"}.get(kind, "partly random parameters")
        apart = ", ".join(filter(None, (random, some)))
        named.append(f"{variant_id} ({apart})" if apart else str(variant_id))
    return named


def _classes(results: StudyResults) -> list[str]:
    """Return the targets, each with its class where all models have the same ones."""
    first, *others = results.record["targets"].values() or [{}]
    known = {} if any(each != first for each in others) else first
    return [
        name if known.get(name) is None else f"{name} (class {known[name]})" for name in results.target_names
    ]


def _steps(results: StudyResults) -> list[str]:
    """Return how many steps maps took, of each variant where they differ."""
    spans = results.totals.steps.items()
    texts = {each: f"{low} steps" if low == high else f"{low} to {high} steps" for each, (low, high) in spans}
    if len(set(texts.values())) == 1:
        return list(texts.values())[:1]
    return [f"{text} for {variant}" for variant, text in texts.items()]
