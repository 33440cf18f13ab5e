"""Which images and variants a report shows, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.choice import ranked
from igbatch.report.scores import WORDS, Scores
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults

MAX_VARIANTS = 12
"""Variants that the page shows of each image, of those that are computed on it."""

MAX_VARIANTS_RANDOMIZED = 6
"""The same in a randomization study of more variants than that, which has a section of its own for them."""

MAX_PAIRS = 10
"""Figures of pairs of targets, for each featured image and variant."""


@dataclass(frozen=True)
class Selection:
    """What is shown: images in order, and those featured among them; `variants` are all of the study.

    Attributes:
        strange: names that the study file features and the study does not have.
        reasons: why each image is shown, in a few words.
        scored: of how many images the rule of `report.others` has a score; None where it needs none.
    """

    featured: tuple[str, ...]
    images: tuple[str, ...]
    variants: tuple[str, ...]
    strange: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    scored: int | None = None


def select(results: StudyResults) -> Selection:
    """Choose the featured images of the study file, then others by its rule, up to its `max_images`.

    Where none is featured, the first by the rule is. Images without any map come last, and before them those
    that the rule has no score of; equal ones are in the order of the list.
    """
    requested = results.study.report
    scores = Scores(results, requested.others) if requested.others in WORDS else None
    order = _computed_first(results, _order(results, scores))
    known = _known(results)
    featured, images = _listed(results, order)
    return Selection(
        tuple(featured),
        images,
        tuple(str(name) for name in results.variants["variant_id"]),
        tuple(name for name in dict.fromkeys(requested.featured) if name not in known),
        _reasons(results, images, known, order, scores),
        None if scores is None else int(np.count_nonzero(~np.isnan(scores.values))),
    )


def compared_images(results: StudyResults) -> tuple[str, ...]:
    """Return the images whose maps the findings compare: the featured ones, then the first others.

    They do not follow `report.others`: images that were chosen by a score would bias what is found.
    """
    return _listed(results, _computed_first(results, np.arange(results.n_images)))[1]


def _known(results: StudyResults) -> list[str]:
    names = list(dict.fromkeys(results.study.report.featured))
    return [name for name, place in zip(names, results.listing.places_of(names), strict=True) if place >= 0]


def _computed_first(results: StudyResults, order: NDArray[np.int64]) -> NDArray[np.int64]:
    computed = results.image_scores(["n_maps"])["n_maps"].to_numpy()[order] > 0
    return np.concatenate([order[computed], order[~computed]])


def _listed(results: StudyResults, order: NDArray[np.int64]) -> tuple[list[str], tuple[str, ...]]:
    """Return the featured images, the first one in the order where none is, and all that are shown."""
    known = _known(results)
    most = max(results.study.report.max_images, len(known))
    featured = known or results.listing.ids(order[:1])
    first = results.listing.ids(order[: most + len(featured)])
    others = [name for name in first if name not in set(featured)]
    return featured, (*featured, *others[: most - len(featured)])


def _order(results: StudyResults, scores: Scores | None) -> NDArray[np.int64]:
    if scores is not None:
        return scores.order()
    places = np.arange(results.n_images)
    if results.study.report.others == "random":
        return ranked(results.study.report.seed, pa.array(results.listing.ids(places), pa.string()))
    return places


def _reasons(
    results: StudyResults,
    images: Sequence[str],
    known: Sequence[str],
    order: NDArray[np.int64],
    scores: Scores | None,
) -> dict[str, str]:
    """Say why each image is shown: that it is featured, and what the rule says of it."""
    requested = results.study.report
    places = results.listing.places_of(images).tolist()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    reasons = {}
    for name, place in zip(images, places, strict=True):
        reason = ["featured"] if name in known else []
        if scores is not None:
            reason.append(scores.reason(place, int(rank[place])))
        elif requested.others == "random" and not reason:
            reason.append(f"chosen at random (seed {requested.seed})")
        elif not reason:
            reason.append("among the first of the study")
        reasons[name] = "; ".join(filter(None, reason)) or f"no score by {requested.others}; next in the list"
    return reasons


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
    most = MAX_VARIANTS_RANDOMIZED if results.randomized else MAX_VARIANTS
    facts = results.variants.set_index("variant_id").loc[list(variants)]
    kinds = facts["kind"] + facts["direction"].fillna("") + facts["model"]
    turn = facts.groupby(kinds, sort=False).cumcount().where(facts["kind"] != "trained", -1)
    chosen = set(turn.sort_values(kind="stable").index[:most])
    return [each for each in variants if each in chosen]


def variants_on(results: StudyResults, image_id: str) -> list[str]:
    """Return the variants that are shown of an image; the study's first one where none is asked for."""
    every = [str(name) for name in results.variants["variant_id"]]
    return shown_variants(results, results.reader.variants_of(image_id)) or every[:1]


def left_out(
    results: StudyResults, selection: Selection, cut: Sequence[str], targets: int = 0, audit: str = ""
) -> list[str]:
    """Say what the page does not show.

    Args:
        results: a reduced study.
        selection: what is shown.
        cut: the CSV tables that hold the rows of its images only.
        targets: how many have no maps on the page.
        audit: why the audit cannot be told.
    """
    variants = map(results.reader.variants_of, selection.images)
    return sentences(
        "left_out.j2",
        selection=selection,
        report=results.study.report,
        rule=WORDS.get(results.study.report.others, ""),
        n_images=results.n_images,
        hidden=results.n_images - len(selection.images),
        unscored=0 if selection.scored is None else results.n_images - selection.scored,
        variants=max((len(each) - len(shown_variants(results, each)) for each in variants), default=0),
        cut=cut,
        targets=targets,
        audit=audit,
    )
