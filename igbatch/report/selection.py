"""Which images and variants a report shows, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.choice import ranked
from igbatch.report.scores import WORDS, Scores
from igbatch.report.text import count, listing, plain
from igbatch.results import StudyResults
from igbatch.study import Report

MOST_VARIANTS = 12
"""Variants that the page shows of each image, of those that are computed on it."""

FEWER_VARIANTS = 6
"""The same in a randomization study of more variants than that, which has a section of its own for them."""

MOST_PAIRS = 10
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
    asked = results.study.report
    scores = Scores(results, asked.others) if asked.others in WORDS else None
    order = _computed_first(results, _order(results, asked, scores))
    known = _known(results, asked)
    featured, images = _listed(results, asked, order)
    return Selection(
        tuple(featured),
        images,
        tuple(str(name) for name in results.variants["variant_id"]),
        tuple(name for name in dict.fromkeys(asked.featured) if name not in known),
        _reasons(results, asked, images, known, order, scores),
        None if scores is None else int(np.count_nonzero(~np.isnan(scores.values))),
    )


def compared_images(results: StudyResults) -> tuple[str, ...]:
    """Return the images whose maps the findings compare: the featured ones, then the first others.

    They do not follow `report.others`: images that were chosen by a score would bias what is found.
    """
    return _listed(results, results.study.report, _computed_first(results, np.arange(results.n_images)))[1]


def _known(results: StudyResults, asked: Report) -> list[str]:
    names = list(dict.fromkeys(asked.featured))
    return [name for name, place in zip(names, results.listing.places_of(names), strict=True) if place >= 0]


def _computed_first(results: StudyResults, order: NDArray[np.int64]) -> NDArray[np.int64]:
    computed = results.image_scores(["n_maps"])["n_maps"].to_numpy()[order] > 0
    return np.concatenate([order[computed], order[~computed]])


def _listed(
    results: StudyResults, asked: Report, order: NDArray[np.int64]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the featured images, the first one in the order where none is, and all that are shown."""
    known = _known(results, asked)
    most = max(asked.max_images, len(known))
    featured = known or results.listing.ids(order[:1])
    first = results.listing.ids(order[: most + len(featured)])
    others = [name for name in first if name not in set(featured)]
    return featured, (*featured, *others[: most - len(featured)])


def _order(results: StudyResults, asked: Report, scores: Scores | None) -> NDArray[np.int64]:
    if scores is not None:
        return scores.order()
    places = np.arange(results.n_images)
    if asked.others == "random":
        return ranked(asked.seed, pa.array(results.listing.ids(places), pa.string()))
    return places


def _reasons(
    results: StudyResults,
    asked: Report,
    images: Sequence[str],
    known: Sequence[str],
    order: NDArray[np.int64],
    scores: Scores | None,
) -> dict[str, str]:
    """Say why each image is shown: that it is featured, and what the rule says of it."""
    places = results.listing.places_of(images).tolist()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    reasons = {}
    for name, place in zip(images, places, strict=True):
        said = ["featured"] if name in known else []
        if scores is not None:
            said.append(scores.reason(place, int(rank[place])))
        elif asked.others == "random" and not said:
            said.append(f"chosen at random (seed {asked.seed})")
        elif not said:
            said.append("among the first of the study")
        reasons[name] = "; ".join(filter(None, said)) or f"no score by {asked.others}; next in the list"
    return reasons


def shown_variants(results: StudyResults, variants: Sequence[str]) -> list[str]:
    """Choose those of some variants that are shown, in their order: those that the study file names.

    Where it names none: trained ones, then of every kind in turn. A cascade down, one up, random models and
    single layers are kinds of their own, for each model.
    """
    named = set(results.study.report.variants)
    if named:
        return [each for each in variants if each in named]
    if len(variants) <= MOST_VARIANTS:
        return list(variants)
    most = FEWER_VARIANTS if results.randomized else MOST_VARIANTS
    facts = results.variants.set_index("variant_id").loc[list(variants)]
    kinds = facts["kind"] + facts["direction"].fillna("") + facts["model"]
    turn = facts.groupby(kinds, sort=False).cumcount().where(facts["kind"] != "trained", -1)
    chosen = set(turn.sort_values(kind="stable").index[:most])
    return [each for each in variants if each in chosen]


def variants_on(results: StudyResults, image_id: str) -> list[str]:
    """Return the variants that are shown of an image; the study's first one where none is asked for."""
    every = [str(name) for name in results.variants["variant_id"]]
    return shown_variants(results, results.reader.variants_of(image_id)) or every[:1]


def left_out(results: StudyResults, selection: Selection, cut: Sequence[str]) -> list[str]:
    """Say what the page does not show; `cut` are the CSV tables that hold the rows of its images only."""
    notes = []
    if selection.strange:
        strange = listing([plain(name) for name in selection.strange])
        notes.append(f"Featured in the study file but not among its images: {strange}.")
    asked = results.study.report
    if len(selection.images) < results.n_images:
        hidden = count(results.n_images - len(selection.images), "image")
        notes.append(
            f"{hidden} of {results.n_images:,}: shown are the featured ones and {_rule(asked)}, up to "
            f"{asked.max_images} (report.max_images, report.others). "
            f"{'Means' if cut else 'Tables'} and ranges cover all."
        )
    if selection.scored is not None and selection.scored < results.n_images:
        without = results.n_images - selection.scored
        notes.append(
            f"{count(without, 'image')} of {results.n_images:,} {'has' if without == 1 else 'have'} no score "
            f"by the rule {asked.others}; they come last, as listed."
        )
    unseen = [
        len(each) - len(shown_variants(results, each))
        for each in map(results.reader.variants_of, selection.images)
    ]
    if max(unseen, default=0):
        which = "named in the study file (report.variants)" if asked.variants else "chosen of each kind"
        notes.append(
            f"{count(max(unseen), 'variant')}, in the pictures, where those are shown that are {which}; the "
            "tables have them."
        )
    return notes


def _rule(asked: Report) -> str:
    if asked.others == "first":
        return "the first others"
    if asked.others == "random":
        return f"others at random (seed {asked.seed})"
    return f"those with {WORDS[asked.others]}"
