"""Which images, variants and targets a report shows, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.selection import seeded_order
from igbatch.report.sentences import render, sentences
from igbatch.results import StudyResults

MAX_VARIANTS = 12
"""Variants that the page shows of each image, of those that are computed on it."""

MAX_VARIANTS_RANDOMIZED = 6
"""The same in a randomization study of more variants than that, which has a section of its own for them."""

MAX_TARGETS = 8
"""Targets whose maps the page holds; figures and tables have all."""

MAX_PAIRS = 10
"""Figures of pairs of targets, for each featured image and variant."""

SCORES = {
    "box-contrast": ["box_contrast", "box_contrast_variant_id", "box_contrast_label"],
    "worst-convergence": ["convergence_ratio", "convergence_variant_id", "convergence_target"],
    "disagreement": [
        "disagreement", "disagreement_measure", "disagreement_target", "disagreement_label",
    ],
}  # fmt: skip
"""Columns of `image_summary` by the rules of `report.others` that score images: the score, then what of."""


@dataclass(frozen=True)
class Selection:
    """What is shown: images in order, and those featured among them.

    Attributes:
        strange: names that the study file features and the study does not have.
        reasons: why each image is shown, in a few words.
        scored: of how many images the rule of `report.others` has a score; None where it needs none.
    """

    featured: tuple[str, ...]
    images: tuple[str, ...]
    strange: tuple[str, ...]
    reasons: Mapping[str, str]
    scored: int | None


def select(results: StudyResults) -> Selection:
    """Choose the featured images of the study file, then others by its rule, up to its `max_images`.

    Where none is featured, the first by the rule is. Images without any map come last, and before them those
    that the rule has no score of; equal ones are in the order of the list.
    """
    requested = results.study.report
    columns = SCORES.get(requested.others, [])
    table = results.image_scores(columns) if columns else pa.table({})
    scores = table.column(0).to_numpy() if columns else np.full(results.n_images, np.nan)
    order = np.argsort(-scores, kind="stable")  # NaN comes last
    if requested.others == "random":
        order = seeded_order(requested.seed, results.listing.image_ids)
    known = _known(results)
    featured, images = _listed(results, order)
    ranks = np.argsort(order)
    several = int((results.variants["kind"] == "trained").sum()) > 1
    reasons = {
        name: render(
            "chosen.j2",
            report=requested,
            featured=name in known,
            score=float(scores[place]),
            rank=int(ranks[place]),
            of=table.slice(place, 1).to_pylist()[0] if columns else {},
            several=several,
        )
        for name, place in zip(images, results.listing.places_of(images).tolist(), strict=True)
    }
    strange = tuple(name for name in dict.fromkeys(requested.featured) if name not in known)
    scored = int(np.count_nonzero(~np.isnan(scores))) if columns else None
    return Selection(featured, images, strange, reasons, scored)


def compared_images(results: StudyResults) -> tuple[str, ...]:
    """Return the images whose maps the findings compare: the featured ones, then the first others.

    They do not follow `report.others`: images that were chosen by a score would bias what is found.
    """
    return _listed(results, np.arange(results.n_images))[1]


def _known(results: StudyResults) -> list[str]:
    names = list(dict.fromkeys(results.study.report.featured))
    return [name for name, place in zip(names, results.listing.places_of(names), strict=True) if place >= 0]


def _listed(results: StudyResults, order: NDArray[np.int64]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the featured images, the first one in the order where none is, and all that are shown."""
    computed = results.image_scores(["n_maps"])["n_maps"].to_numpy()[order] > 0
    order = np.concatenate([order[computed], order[~computed]])
    featured = _known(results) or results.listing.ids(order[:1])
    max_images = max(results.study.report.max_images, len(featured))
    first = results.listing.ids(order[: max_images + len(featured)])
    return tuple(featured), tuple(dict.fromkeys([*featured, *first]))[:max_images]


def shown_variants(results: StudyResults, variants: Sequence[str]) -> list[str]:
    """Choose those of some variants that are shown, in their order: those that the study file names.

    Where it names none: trained ones, then of every kind in turn. A cascade down, one up, random models and
    single layers are kinds of their own, for each model.
    """
    named = set(results.study.report.variants)
    if named:
        return [each for each in variants if each in named]
    if len(variants) <= MAX_VARIANTS:
        return list(variants)
    max_variants = MAX_VARIANTS_RANDOMIZED if results.randomized else MAX_VARIANTS
    facts = results.variants.set_index("variant_id").loc[list(variants)]
    kinds = facts["kind"] + facts["direction"].fillna("") + facts["model"]
    turn = facts.groupby(kinds, sort=False).cumcount().where(facts["kind"] != "trained", -1)
    chosen = set(turn.sort_values(kind="stable").index[:max_variants])
    return [each for each in variants if each in chosen]


def variants_on(results: StudyResults, image_id: str) -> list[str]:
    """Return the variants that are shown of an image; the study's first one where none is requested."""
    every = [str(name) for name in results.variants["variant_id"]]
    return shown_variants(results, results.reader.variants_of(image_id)) or every[:1]


def left_out(
    results: StudyResults, selection: Selection, cut: Sequence[str], problems: Sequence[str] = ()
) -> list[str]:
    """Say what the page does not show.

    Args:
        results: a reduced study.
        selection: what is shown.
        cut: the CSV tables that hold the rows of its images only.
        problems: why the audit or the answers of readers cannot be read.
    """
    variants = map(results.reader.variants_of, selection.images)
    return sentences(
        "left_out.j2",
        selection=selection,
        report=results.study.report,
        n_images=results.n_images,
        hidden=results.n_images - len(selection.images),
        unscored=0 if selection.scored is None else results.n_images - selection.scored,
        variants=max((len(each) - len(shown_variants(results, each)) for each in variants), default=0),
        cut=cut,
        targets=max(len(results.target_names) - MAX_TARGETS, 0),
        problems=problems,
    )
