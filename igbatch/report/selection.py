"""Which images a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from igbatch.report.text import count, listing, plain
from igbatch.results import StudyResults

MOST_VARIANTS = 12
"""Variants that the page shows of each image, of those that are computed on it."""

FEWER_VARIANTS = 6
"""The same in a randomization study of more variants than that, which has a section of its own for them."""

MOST_PAIRS = 10
"""Figures of pairs of targets, for each featured image and variant."""


@dataclass(frozen=True)
class Selection:
    """What is shown: images in order, and those featured among them; `variants` are all of the study.

    `strange` are names that the study file features and the study does not have.
    """

    featured: tuple[str, ...]
    images: tuple[str, ...]
    variants: tuple[str, ...]
    strange: tuple[str, ...]


def select(results: StudyResults) -> Selection:
    """Choose the featured images of the study file, then the first others up to its `max_images`.

    Where none is featured, the first image that has a map is. Images without any map come last.
    """
    wanted = results.study["study"]["report"]
    computed = results.computed
    ordered = np.concatenate([np.flatnonzero(computed), np.flatnonzero(~computed)])
    known = dict(zip(wanted["featured"], (results.places(wanted["featured"]) >= 0).tolist(), strict=True))
    featured = [name for name in wanted["featured"] if known[name]] or results.image_ids(ordered[:1])
    most = max(int(wanted["max_images"]), len(featured))
    first = results.image_ids(ordered[: most + len(featured)])
    others = [name for name in first if name not in set(featured)]
    variants = [str(name) for name in results.variants["variant_id"]]
    return Selection(
        tuple(featured),
        (*featured, *others[: most - len(featured)]),
        tuple(variants),
        tuple(name for name in wanted["featured"] if not known[name]),
    )


def shown_variants(results: StudyResults, variants: Sequence[str]) -> list[str]:
    """Choose those of some variants that are shown, in their order: trained ones, then of every kind in turn.

    A cascade down, one up, random models and single layers are kinds of their own, for each model.
    """
    if len(variants) <= MOST_VARIANTS:
        return list(variants)
    most = FEWER_VARIANTS if results.randomized else MOST_VARIANTS
    facts = results.variants.set_index("variant_id").loc[list(variants)]
    kinds = facts["kind"] + facts["direction"].fillna("") + facts["model"]
    turn = facts.groupby(kinds, sort=False).cumcount().where(facts["kind"] != "trained", -1)
    chosen = set(turn.sort_values(kind="stable").index[:most])
    return [each for each in variants if each in chosen]


def left_out(results: StudyResults, selection: Selection, cut: Sequence[str]) -> list[str]:
    """Say what the page does not show; `cut` are the CSV tables that hold the rows of its images only."""
    notes = []
    if selection.strange:
        strange = listing([plain(name) for name in selection.strange])
        notes.append(f"Featured in the study file but not among its images: {strange}.")
    if len(selection.images) < results.n_images:
        most = results.study["study"]["report"]["max_images"]
        hidden = count(results.n_images - len(selection.images), "image")
        notes.append(
            f"{hidden} of {results.n_images:,}: shown are the featured ones and the first others, up to "
            f"{most} (report.max_images). {'Means' if cut else 'Tables'} and ranges cover all."
        )
    unseen = [
        len(each) - len(shown_variants(results, each)) for each in map(results.variants_of, selection.images)
    ]
    if max(unseen, default=0):
        notes.append(f"{count(max(unseen), 'variant')}, in the pictures; the tables have them.")
    return notes
