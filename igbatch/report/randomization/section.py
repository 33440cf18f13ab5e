"""The section of the page that a randomization study has: statements, each beside its figure or table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.randomization import table as tables
from igbatch.report.randomization import verdicts
from igbatch.report.randomization.curves import curves_figure, layers_figure
from igbatch.report.randomization.grid import grid_figure
from igbatch.report.randomization.means import Means
from igbatch.report.randomization.nulls import nulls_figure
from igbatch.report.randomization.statistics import LEVEL, images_with_tests, null_tests
from igbatch.report.randomization.steps import ModelVariants, first_of_each_direction, model_variants
from igbatch.report.sentences import sentences
from igbatch.report.text import Table, file_stem, plain
from igbatch.results import StudyResults

MAX_IMAGES = 2
"""Featured images that have grids of maps."""

MAX_TESTED = 1
"""Images whose own tests are shown, featured ones first; the counts are of all."""

Draw = Callable[[str, Figure], tuple[str, int]]
"""Stores a figure under a file's stem; returns it as a data URI, and its width on the page."""


@dataclass(frozen=True)
class FigureView:
    """A figure as it is embedded: a data URI, its width in pixels, words instead of it, and its file."""

    source: str
    width: int
    alt: str
    path: str


@dataclass(frozen=True)
class Statement:
    """One statement under a heading, beside what holds its numbers; a `folded` table is opened."""

    heading: str
    paragraphs: tuple[str, ...]
    figure: FigureView | None = None
    table: Table | None = None
    folded: bool = False

    def beside(self, table: Table | None, folded: bool = False) -> Statement:
        """Return the part with a table."""
        return replace(self, table=table, folded=folded)


@dataclass(frozen=True)
class ModelView:
    """What is shown of one model."""

    model: str
    parts: tuple[Statement, ...]


def randomization_views(results: StudyResults, maps: Sequence[ImageMaps], draw: Draw) -> list[ModelView]:
    """Prepare the section, one view a model; none where the study is not a randomization study.

    Args:
        results: a reduced study.
        maps: of the featured images; the first `MAX_IMAGES` are drawn.
        draw: stores a figure.
    """
    views = []
    for variants in model_variants(results.variants) if results.randomized else ():
        section = _Section(results, maps[:MAX_IMAGES], variants, draw)
        views.append(ModelView(plain(variants.model), tuple(section.parts())))
    return views


@dataclass(frozen=True)
class _Section:
    """The parts of one model's section; one figure is held at a time."""

    results: StudyResults
    maps: Sequence[ImageMaps]
    variants: ModelVariants
    draw: Draw

    def parts(self) -> Iterator[Statement]:
        """Yield what was measured, in order."""
        means = Means(self.results.randomization, self.variants)
        yield from self._layers(means)
        yield from self._likeness(means)
        yield from self._tests()
        if table := tables.located_table(means, self.results.target_names):
            yield _part("localization").beside(table, folded=True)
        groups = (*self.variants.cascades, *self.variants.independent)
        smoothed = self.results.study.attribution.smoothing is not None
        seeds = len({each.seed for each in groups})
        yield _part("limits", images=self.results.n_images, smoothed=smoothed, seeds=seeds)

    def _layers(self, means: Means) -> Iterator[Statement]:
        """Yield how likeness falls as layers are randomized, and maps of the first images."""
        for cascade in first_of_each_direction(self.variants.cascades):
            direction, fall = str(cascade.direction), verdicts.fall(means, cascade)
            part = _part("cascade", direction=direction, whence=cascade.whence, fall=fall)
            yield self._drawn(part, curves_figure(means, cascade), "similarity", direction)
            for image in self.maps:
                part = _part("maps", name=image.image_id, direction=direction)
                figure = grid_figure(image, self.variants.trained, cascade)
                yield self._drawn(part, figure, "maps", image.image_id, direction)
        for group in self.variants.independent[:1]:
            limits = {"related": verdicts.RELATED, "untouched": verdicts.UNTOUCHED}
            part = _part("layers", found=verdicts.single_layers(means, group), **limits)
            yield self._drawn(part, layers_figure(means, group), "similarity", "independent")

    def _likeness(self, means: Means) -> Iterator[Statement]:
        """Yield how alike maps of two targets are, maps of random models, and maps and edges."""
        targets = self.results.target_names
        if table := tables.targets_table(means):
            yield _part("targets", **verdicts.strong_pixels(means)).beside(table)
        if table := tables.likeness_table(means):
            yield _part("random_models", **verdicts.nearer(means)).beside(table, folded=True)
        if table := tables.edges_table(means, targets):
            likeness, rise = verdicts.edge_likeness(means, targets), verdicts.complexity_rise(means, targets)
            yield _part("edges", likeness=likeness, rise=rise).beside(table, folded=True)

    def _tests(self) -> Iterator[Statement]:
        """Yield the tests of the trained model: against random ones, of signs, and of single images."""
        trained, unit = self.variants.trained, self.results.study.attribution.output
        rows = null_tests(self.results, trained)
        part = _part("nulls", found=verdicts.null_verdict(rows), level=LEVEL, min_models=verdicts.MIN_MODELS)
        if trained is None:
            yield part
            return
        images = images_with_tests(self.results, trained)
        by_image = {image_id: null_tests(self.results, trained, image_id) for image_id in images}
        part = part.beside(tables.passed_table(pd.concat([rows, *by_image.values()])))
        yield self._drawn(part, nulls_figure(rows, "", unit), "nulls") if len(rows) else part
        if table := tables.null_table(rows, tables.sign_agreement(self.results, trained)):
            yield _part("tests").beside(table)
        if signs := tables.sign_rows(self.results, self.variants):
            part = _part("signs", found=verdicts.sign_verdict(signs), level=LEVEL)
            yield part.beside(tables.sign_table(signs))
        featured = set(self.results.study.report.featured)
        for image_id in sorted(images, key=lambda image_id: image_id not in featured)[:MAX_TESTED]:
            figure = nulls_figure(by_image[image_id], plain(image_id), unit)
            part = self._drawn(_part("image", name=image_id), figure, "nulls", image_id)
            yield part.beside(tables.null_table(by_image[image_id], {}), folded=True)

    def _drawn(self, part: Statement, figure: Figure, kind: str, *names: str) -> Statement:
        """Store a figure and return the part that it belongs to."""
        stem = file_stem(kind, self.variants.model, *names)
        source, width = self.draw(stem, figure)
        alt = f"{part.heading}; the tables have the numbers"
        return replace(part, figure=FigureView(source, width, alt, f"figures/{stem}.png"))


def _part(template: str, **values: Any) -> Statement:
    heading, *paragraphs = sentences(f"randomization/{template}.j2", **values)
    return Statement(heading, tuple(paragraphs))
