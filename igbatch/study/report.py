"""The sections on what a report shows, and what a randomization study measures for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from igbatch.study.section import Section, Seed, SeededSample


class Randomization(Section):
    """What a randomization study measures of the stored maps, and how much of it.

    `images` are those whose maps are compared, of those whose maps are kept. `random_pairs` is the budget of
    random-to-random comparisons: how many other random models each one is compared with.
    """

    images: Literal["all"] | SeededSample = "all"
    random_pairs: Annotated[int, Field(ge=0, le=1000)] = 2


class Report(Section):
    """What the report shows: the featured images by id, then `others`, up to `max_images` in all.

    Others are the first ones, or are chosen at `random` under `seed`, or by the largest difference of a box's
    sums between targets, the worst convergence, or trained and random maps that disagree most
    (`igbatch.report.selection`). `variants` are those that are shown; by default the report chooses.
    `figures` says whether the maps of featured images are drawn as files besides, for print; `gallery`
    whether there is a page of all images at a glance, or of how many at most.
    """

    featured: tuple[str, ...] = ()
    max_images: Annotated[int, Field(ge=1, le=200)] = 8
    others: Literal["first", "random", "box-contrast", "worst-convergence", "disagreement"] = "first"
    seed: Seed = 0
    variants: tuple[str, ...] = ()
    figures: bool = True
    gallery: Annotated[bool, Field(strict=True)] | Annotated[int, Field(ge=1, le=5000)] = True

    @field_validator("variants")
    @classmethod
    def _listed_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for place, name in enumerate(value) if name in value[:place]), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is listed twice; list it once")
        return value
