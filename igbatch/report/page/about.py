"""What a study is, in words and pairs of words: data, models, method, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from igbatch.images.box_counts import BoxCounts
from igbatch.reduce.summary import Summary
from igbatch.report.findings.caveats import tolerance_words
from igbatch.report.text import count, listing, plain
from igbatch.results import StudyResults
from igbatch.study import Images, Smoothing

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Description:
    """A study in words: `facts` for its beginning, the rest for its end."""

    name: str
    title: str
    summary: str
    facts: Pairs
    versions: Pairs
    hardware: tuple[Pairs, ...]
    weights: Pairs


def describe(results: StudyResults, totals: Summary) -> Description:
    """Describe a study from its `study.json`, its tables and the summary of its maps."""
    record, study = results.record, results.study
    name = plain(study.name)
    images, variants = results.n_images, len(results.variants)
    summary = (
        f"Integrated Gradients of {count(images, 'image')} for {count(len(results.target_names), 'target')} "
        f"({listing([plain(target) for target in results.target_names])}) and {count(variants, 'variant')} "
        f"of {count(len(study.models), 'model')}: {totals.rows:,} of "
        f"{count(results.expected_rows, 'map')} {'is' if results.expected_rows == 1 else 'are'} there."
    )
    return Description(
        name=name,
        title=plain(study.title) or name,
        summary=summary,
        facts=_facts(results, totals),
        versions=_pairs(record["versions"]),
        hardware=tuple(_pairs(machine) for machine in record["hardware"]),
        weights=tuple(
            (plain(str(row["variant_id"])), plain(str(row["weights_sha256"] or "not recorded")))
            for row in results.variants.to_dict("records")
        ),
    )


def _facts(results: StudyResults, totals: Summary) -> Pairs:
    study, settings = results.study, results.study.attribution
    models = [
        f"{plain(name)}: {plain(str(model['architecture']))}, weights {plain(study.models[name].weights)}"
        for name, model in results.record["models"].items()
    ]
    kinds = zip(results.variants["variant_id"], results.variants["kind"], strict=True)
    variants = [plain(str(variant)) + _aside(results, variant, kind) for variant, kind in kinds]
    return (
        ("Data", _data(study.images, results.n_images, results.box_counts)),
        ("Models", "; ".join(models)),
        ("Variants", listing(variants, most=12)),
        ("Targets", _targets(results)),
        ("Explained", f"the {settings.output} of each target; attributions are in units of it"),
        ("Baseline", plain(str(settings.baseline))),
        ("Integration", f"{_rule(results)}, {_steps(results, totals)}"),
        *_smoothing(settings.smoothing),
        ("Tolerance", tolerance_words(settings)),
        ("Arithmetic", _seen(totals, "precision") + " on " + _seen(totals, "device")),
    )


def _smoothing(smoothing: Smoothing | None) -> Pairs:
    if not smoothing:
        return ()
    words = (
        f"each map is the mean of those of {smoothing.samples} copies of the image with normal noise of "
        f"standard deviation {smoothing.noise:g} (black is 0, white is 1; not clipped; seed "
        f"{smoothing.seed}), the same copies for every variant and target; scores are means over them"
    )
    return (("Smoothing", words),)


def _aside(results: StudyResults, variant_id: str, kind: str) -> str:
    """Return what sets a variant apart, in brackets: its kind, and the number of images where not all."""
    images = int(np.count_nonzero(results.reader.expected(variant_id)))
    said = [] if kind == "trained" else [f"{'' if kind == 'random' else 'partly '}random parameters"]
    said += [] if images == results.n_images else [f"on {count(images, 'image')} only"]
    return f" ({', '.join(said)})" if said else ""


def _data(images: Images, n_images: int, counts: BoxCounts | None) -> str:
    if images.scenes:
        groups = [" ".join(filter(None, (group.kind, group.label))) + " scenes" for group in images.scenes]
        return f"{count(n_images, 'drawn scene')} ({listing(list(dict.fromkeys(groups)))})"
    boxes = "no boxes"
    if images.boxes:
        boxes = f"boxes of {plain(images.boxes.path)}" + (f" ({counts.words()})" if counts else "")
    return f"{count(n_images, 'image')} of {plain(str(images.manifest or images.root))}, {boxes}"


def _targets(results: StudyResults) -> str:
    by_model = results.record["targets"]
    first: Mapping[str, Any] = next(iter(by_model.values()), {})
    if all(targets == first for targets in by_model.values()):
        named = [
            plain(name) + ("" if first.get(name) is None else f" (class {first[name]})")
            for name in results.target_names
        ]
        return listing(named, most=12)
    return listing([plain(name) for name in results.target_names], most=12)


def _rule(results: StudyResults) -> str:
    """Return the quadrature of the study's variants in words."""
    prints = results.record["fingerprint"]
    rules = dict.fromkeys(str(prints[variant]["rule"]) for variant in results.variants["variant_id"])
    return listing(["adaptive steps" if rule == "adaptive" else f"{rule} rule" for rule in rules])


def _steps(results: StudyResults, totals: Summary) -> str:
    if not totals.steps:
        steps = results.study.attribution.steps
        return "as many as needed" if steps == "auto" else f"{steps} steps"
    spans = totals.steps.items()
    texts = {v: f"{low}" if low == high else f"{low} to {high}" for v, (low, high) in spans}
    if len(set(texts.values())) == 1:
        return f"{next(iter(texts.values()))} steps"
    return listing([f"{text} steps for {plain(str(variant))}" for variant, text in texts.items()])


def _seen(totals: Summary, column: str) -> str:
    return listing([plain(value) for value in sorted(totals.seen[column])]) or "nothing yet"


def _pairs(values: Mapping[str, Any]) -> Pairs:
    return tuple((plain(str(name)), plain(str(value))) for name, value in values.items())
