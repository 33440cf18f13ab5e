"""The section of the page that a randomization study has: words, figures and tables of each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from igbatch.report.color.scope import Normalizations
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.randomization.curves import WIDE_WORDS, curves_figure
from igbatch.report.randomization.grid import grid_figure
from igbatch.report.randomization.independent import independent_figure
from igbatch.report.randomization.means import Means
from igbatch.report.randomization.nulls import nulls_figure
from igbatch.report.randomization.statistics import SCALE_WORDS, images_with_tests, null_tests
from igbatch.report.randomization.steps import ModelVariants, first_of_each_direction, model_variants
from igbatch.report.randomization.table import (
    edges_table,
    likeness_table,
    located_table,
    null_table,
    sign_agreement,
    sign_rows,
    sign_table,
    targets_table,
)
from igbatch.report.randomization.verdicts import Setting, what_tests_say
from igbatch.report.randomization.words import what_maps_depend_on
from igbatch.report.text import Table, count, file_stem, plain
from igbatch.results import StudyResults

MOST_IMAGES = 2
"""Featured images that have grids of maps."""

MOST_TESTED = 1
"""Images whose own tests are shown, featured ones first; the words are about all."""

_CURVES_NUMBERS = "tables/randomization.csv has the numbers"

Draw = Callable[[str, Figure], tuple[str, int]]
"""Stores a figure under a file's stem; returns it as a data URI, and its width on the page."""


@dataclass(frozen=True)
class FigureView:
    """A figure as it is embedded: a data URI, its width in pixels, words instead of it, and its file."""

    heading: str
    source: str
    width: int
    alt: str
    path: str


@dataclass(frozen=True)
class TableView:
    """A table with what to know of it; `folded` ones are opened by the reader."""

    heading: str
    words: str
    table: Table
    folded: bool = False


@dataclass(frozen=True)
class ModelView:
    """What is shown of one model: texts under their headings, figures, and tables."""

    model: str
    paragraphs: tuple[tuple[str, list[str]], ...]
    figures: tuple[FigureView, ...]
    tables: tuple[TableView, ...]


def randomization_views(
    results: StudyResults, normalizations: Normalizations, maps: Sequence[ImageMaps], draw: Draw
) -> list[ModelView]:
    """Prepare the section, one view a model; none where the study is not a randomization study.

    Args:
        results: a reduced study.
        normalizations: of its maps.
        maps: of the featured images; the first `MOST_IMAGES` are drawn.
        draw: stores a figure.
    """
    if not results.randomized:
        return []
    return [
        _view(results, normalizations, maps, variants, draw) for variants in model_variants(results.variants)
    ]


def _view(
    results: StudyResults,
    normalizations: Normalizations,
    maps: Sequence[ImageMaps],
    variants: ModelVariants,
    draw: Draw,
) -> ModelView:
    means = Means(results.randomization, variants.model)
    drawn = []
    for heading, alt, stem, figure in _figures(results, normalizations, maps, variants, means):
        source, width = draw(stem, figure)
        drawn.append(FigureView(heading, source, width, alt, f"figures/{stem}.png"))
    return ModelView(
        plain(variants.model),
        tuple(_paragraphs(results, means, variants)),
        tuple(drawn),
        tuple(_tables(results, means, variants)),
    )


def _paragraphs(
    results: StudyResults, means: Means, variants: ModelVariants
) -> Iterator[tuple[str, list[str]]]:
    yield "What the maps depend on", what_maps_depend_on(means, variants, results.target_names)
    nulls, by_image = results.significance.iloc[:0], results.significance.iloc[:0]
    if variants.trained is not None:
        nulls = null_tests(results, variants.trained)
        images = images_with_tests(results, variants.trained)
        by_image = pd.concat([by_image, *(null_tests(results, variants.trained, each) for each in images)])
    smoothed = results.study.attribution.smoothing is not None
    setting = Setting(results.n_images, smoothed)
    said = what_tests_say(nulls, by_image, sign_rows(results, variants), variants, setting)
    yield "What the tests say, and what they do not", said


def _figures(
    results: StudyResults,
    normalizations: Normalizations,
    maps: Sequence[ImageMaps],
    variants: ModelVariants,
    means: Means,
) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield headings, words for who cannot see, stems and figures; one is held at a time."""
    cascades = first_of_each_direction(variants.cascades)
    for cascade in cascades:
        direction = str(cascade.direction)
        stem = file_stem("similarity", variants.model, direction)
        alt = f"Similarity to the trained model along the cascade {direction}; {_CURVES_NUMBERS}"
        yield f"Similarity along the cascade {direction}", alt, stem, curves_figure(means, cascade)
    for one in variants.independent[:1]:
        stem = file_stem("similarity", variants.model, "independent")
        alt = f"Similarity to the trained model by layer; {_CURVES_NUMBERS}"
        yield "Similarity with one layer random", alt, stem, independent_figure(means, one)
    for image in maps[:MOST_IMAGES]:
        for cascade in cascades:
            name, direction = plain(image.image_id), str(cascade.direction)
            stem = file_stem("maps", variants.model, image.image_id, direction)
            figure = grid_figure(image, normalizations, variants.trained, cascade)
            alt = f"Maps of {name} along the cascade {direction}, with minimum, maximum and sum below each"
            yield f"Maps of {name} along the cascade {direction}", alt, stem, figure
    if variants.trained is not None:
        yield from _null_figures(results, variants.model, variants.trained)


def _null_figures(results: StudyResults, model: str, trained: str) -> Iterator[tuple[str, str, str, Figure]]:
    images: list[str | None] = [None, *_shown_images(results, trained)]
    for image_id in images:
        rows = null_tests(results, trained, image_id)
        if not len(rows):
            continue
        whole = image_id is None
        what = "means over the data set" if whole else f"values of {plain(str(image_id))} by itself"
        unit = results.study.attribution.output
        title = f"The trained model among random ones: {what} (sums in units of {unit})"
        stem = file_stem("nulls", model, *([] if whole else [str(image_id)]))
        alt = f"{count(len(rows), 'null distribution')} with the trained model's value, as tabled below"
        heading = "Random models as a null" + ("" if whole else f", {plain(str(image_id))} by itself")
        yield heading, alt, stem, nulls_figure(rows, title)


def _tables(results: StudyResults, means: Means, variants: ModelVariants) -> Iterator[TableView]:
    targets = results.target_names
    if variants.trained is not None:
        agreement = sign_agreement(results, variants.trained)
        yield from _shown(
            "Sums and shares in boxes against random models",
            f"Effect: distance from the null's mean in its standard deviations. {SCALE_WORDS} Adjusted "
            "after Benjamini and Hochberg, within the statistics free of scale and within those bound to "
            "it. Resampled: p of the same test with the images resampled. Sign: the share of images "
            "whose sum has the sign that is expected of the box and target.",
            null_table(null_tests(results, variants.trained), agreement),
        )
        yield from _shown(
            "Signs, image by image",
            "Does a box count against the other target? The last column counts random models in which the "
            "same sign test gives p of at most 5 %.",
            sign_table(results, variants),
        )
    yield from _shown(
        "Two targets of one model",
        f"Mean over images of the likeness of both targets' maps. {WIDE_WORDS}",
        targets_table(means, variants),
    )
    yield from _shown(
        "Random models with each other, and with the trained one",
        "Mean over images, targets and models.",
        likeness_table(means),
        folded=True,
    )
    yield from _shown(
        "Likeness to edges, and complexity",
        "Of |a| and edge magnitudes of the image. Rise of complexity: (random − trained) / trained.",
        edges_table(means, variants, targets),
        folded=True,
    )
    for image_id in _shown_images(results, variants.trained):
        yield from _shown(
            f"{plain(image_id)} by itself against random models",
            "One image: there is no interval over images, and no rate.",
            null_table(null_tests(results, str(variants.trained), image_id), {}),
            folded=True,
        )
    yield from _shown(
        "Localization in boxes",
        "Of the positive, the negative and the absolute part of each map (docs/measures.md).",
        located_table(means, variants, targets),
        folded=True,
    )


def _shown_images(results: StudyResults, trained: str | None) -> list[str]:
    """Return the images whose own tests are shown."""
    tested = [] if trained is None else images_with_tests(results, trained)
    featured = set(results.study.report.featured)
    return sorted(tested, key=lambda image_id: image_id not in featured)[:MOST_TESTED]


def _shown(heading: str, words: str, table: Table | None, folded: bool = False) -> Iterator[TableView]:
    if table is not None:
        yield TableView(heading, words, table, folded)
