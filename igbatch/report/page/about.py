"""What a study is, in words and pairs of words: data, models, method, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from igbatch.reduce.summary import Summary
from igbatch.report.findings.caveats import tolerance_words
from igbatch.report.sentences import sentences
from igbatch.report.text import count, plain
from igbatch.results import StudyResults

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Description:
    """A study in words: `facts` for its beginning, the rest for its end."""

    title: str
    summary: str
    facts: Pairs
    versions: Pairs
    hardware: tuple[Pairs, ...]
    weights: Pairs


def describe(results: StudyResults, totals: Summary) -> Description:
    """Describe a study from its `study.json`, its tables and the totals of its rows."""
    record, study = results.record, results.study
    scenes = [" ".join(filter(None, (each.kind, each.label))) for each in study.images.scenes or ()]
    summary, *facts = sentences(
        "about.j2",
        results=results,
        study=study,
        settings=study.attribution,
        totals=totals,
        scenes=[f"{kind} scenes" for kind in dict.fromkeys(scenes)],
        variants=_variants(results),
        classes=_classes(results),
        rules=_rules(results),
        steps=_steps(totals),
        tolerance=tolerance_words(study.attribution),
    )
    weights = zip(results.variants["variant_id"], results.variants["weights_sha256"], strict=True)
    return Description(
        title=plain(study.title or study.name),
        summary=summary,
        facts=tuple((name, words) for name, _, words in (fact.partition(": ") for fact in facts)),
        versions=_pairs(record["versions"]),
        hardware=tuple(map(_pairs, record["hardware"])),
        weights=_pairs({variant: digest or "not recorded" for variant, digest in weights}),
    )


def _variants(results: StudyResults) -> list[str]:
    """Return the variants with what sets them apart: their kind, and the number of images where not all."""
    named = []
    for variant_id, kind in zip(results.variants["variant_id"], results.variants["kind"], strict=True):
        images = int(np.count_nonzero(results.reader.expected(variant_id)))
        said = {"trained": [], "random": ["random parameters"]}.get(kind, ["partly random parameters"])
        said = said if images == results.n_images else [*said, f"on {count(images, 'image')} only"]
        named.append(f"{variant_id} ({', '.join(said)})" if said else str(variant_id))
    return named


def _classes(results: StudyResults) -> list[str]:
    """Return the targets, each with its class where all models have the same ones."""
    first, *others = results.record["targets"].values() or [{}]
    known = {} if any(each != first for each in others) else first
    return [
        name if known.get(name) is None else f"{name} (class {known[name]})" for name in results.target_names
    ]


def _rules(results: StudyResults) -> list[str]:
    """Return the quadratures of the study's variants in words."""
    prints = results.record["fingerprint"]
    rules = dict.fromkeys(str(prints[variant]["rule"]) for variant in results.variants["variant_id"])
    return ["adaptive steps" if rule == "adaptive" else f"{rule} rule" for rule in rules]


def _steps(totals: Summary) -> list[str]:
    """Return how many steps maps took, of each variant where they differ."""
    spans = totals.steps.items()
    texts = {each: f"{low} steps" if low == high else f"{low} to {high} steps" for each, (low, high) in spans}
    if len(set(texts.values())) == 1:
        return list(texts.values())[:1]
    return [f"{text} for {variant}" for variant, text in texts.items()]


def _pairs(values: Mapping[str, Any]) -> Pairs:
    return tuple((plain(str(name)), plain(str(value))) for name, value in values.items())
