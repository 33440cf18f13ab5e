"""Which images a report shows."""

from __future__ import annotations

from dataclasses import dataclass

from igbatch.report.text import count, listing, plain
from igbatch.results import StudyResults

MOST_VARIANTS = 12
"""Variants that the page shows of each image."""

MOST_PAIRS = 10
"""Figures of pairs of targets, for each featured image and variant."""


@dataclass(frozen=True)
class Selection:
    """What is shown: images in order, those featured among them, variants; and what is left out."""

    featured: tuple[str, ...]
    images: tuple[str, ...]
    variants: tuple[str, ...]
    left_out: tuple[str, ...]


def select(results: StudyResults) -> Selection:
    """Choose the featured images of the study file, then the first others up to its `max_images`.

    Where none is featured, the first image that has a map is. Images without any map come last.
    """
    wanted = results.study["study"]["report"]
    known = [str(name) for name in results.images["image_id"]]
    computed = set(results.image_stats["image_id"])
    ordered = [name for name in known if name in computed] + [name for name in known if name not in computed]
    featured = [name for name in wanted["featured"] if name in set(known)] or ordered[:1]
    others = [name for name in ordered if name not in set(featured)]
    images = [*featured, *others[: max(int(wanted["max_images"]) - len(featured), 0)]]
    variants = [str(name) for name in results.variants["variant_id"]]
    notes = []
    strange = [plain(name) for name in wanted["featured"] if name not in set(known)]
    if strange:
        notes.append(f"Featured in the study file but not among its images: {listing(strange)}.")
    if len(images) < len(known):
        notes.append(
            f"{count(len(known) - len(images), 'image')} of {len(known):,}: shown are the featured ones and "
            f"the first others, up to {wanted['max_images']} (report.max_images). Tables and ranges cover "
            "all."
        )
    if len(variants) > MOST_VARIANTS:
        notes.append(
            f"{count(len(variants) - MOST_VARIANTS, 'variant')}, in the pictures; the tables have them."
        )
    return Selection(tuple(featured), tuple(images), tuple(variants[:MOST_VARIANTS]), tuple(notes))
