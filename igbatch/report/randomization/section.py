"""The section of the page that a randomization study has: statements, each beside its figure or table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from igbatch.report.columns import Table
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.randomization import table as tables
from igbatch.report.randomization import verdicts
from igbatch.report.randomization.grid import grid_figure
from igbatch.report.randomization.means import Means
from igbatch.report.randomization.plots import curves_figure, layers_figure, nulls_figure
from igbatch.report.randomization.statistics import LEVEL, images_with_tests, null_tests
from igbatch.report.randomization.steps import ModelVariants, first_of_each_direction, model_variants
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.text import file_stem, plain

MAX_IMAGES = 2
"""Featured images that have grids of maps."""

MAX_TESTED = 1
"""Images whose own tests are shown, featured ones first; the counts are of all."""

Draw = Callable[[str, Figure], tuple[str, int]]
"""Stores a figure under a file's stem; returns it as a data URI, and its width on the page."""


class FigureView(NamedTuple):
    """A figure as it is embedded: a data URI, its width in pixels, and its file."""

    source: str
    width: int
    path: str


@dataclass(frozen=True)
class Statement:
    """One statement under a heading, beside what holds its numbers; a `folded` table is opened."""

    heading: str
    paragraphs: tuple[str, ...]
    figure: FigureView | None
    table: Table | None
    folded: bool


def randomization_views(
    results: StudyResults, maps: Sequence[ImageMaps], draw: Draw
) -> dict[str, list[Statement]]:
    """Prepare the section, the statements on each model; none where the study is not a randomization study.

    Args:
        results: a reduced study.
        maps: of the featured images; the first `MAX_IMAGES` are drawn.
        draw: stores a figure.
    """
    models = model_variants(results.variants) if results.randomized else ()
    sections = (_Section(results, maps[:MAX_IMAGES], variants, draw) for variants in models)
    return {each.variants.model: list(each.statements()) for each in sections}


@dataclass(frozen=True)
class _Section:
    """The statements on one model; one figure is held at a time."""

    results: StudyResults
    maps: Sequence[ImageMaps]
    variants: ModelVariants
    draw: Draw

    def statements(self) -> Iterator[Statement]:
        """Yield what was measured, in order."""
        means, targets = Means(self.results.randomization, self.variants), self.results.target_names
        yield from self._layers(means)
        if table := tables.targets_table(means):
            yield _statement("targets", verdicts.strong_pixels(means), table=table)
        if table := tables.likeness_table(means):
            yield _statement("random_models", verdicts.nearer(means), table=table, folded=True)
        if table := tables.edges_table(means, targets):
            likeness, rise = verdicts.edge_likeness(means, targets), verdicts.complexity_rise(means, targets)
            yield _statement("edges", {"likeness": likeness, "rise": rise}, table=table, folded=True)
        yield from self._tests()
        if table := tables.located_table(means, targets):
            yield _statement("localization", {}, table=table, folded=True)
        smoothed = self.results.study.attribution.smoothing is not None
        seeds = len({each.seed for each in (*self.variants.cascades, *self.variants.independent)})
        known = {"images": self.results.n_images, "smoothed": smoothed, "seeds": seeds}
        yield _statement("limits", known)

    def _layers(self, means: Means) -> Iterator[Statement]:
        """Yield how likeness falls as layers are randomized, and maps of the first images."""
        for cascade in first_of_each_direction(self.variants.cascades):
            direction, fall = str(cascade.direction), verdicts.fall(means, cascade)
            figure = self._drawn(curves_figure(means, cascade), "similarity", direction)
            words = {"direction": direction, "whence": cascade.whence, "fall": fall}
            yield _statement("cascade", words, figure)
            for image in self.maps:
                drawn = grid_figure(image, self.variants.trained, cascade)
                figure = self._drawn(drawn, "maps", image.image_id, direction)
                yield _statement("maps", {"name": image.image_id, "direction": direction}, figure)
        for group in self.variants.independent[:1]:
            limits = {"related": verdicts.RELATED, "untouched": verdicts.UNTOUCHED}
            figure = self._drawn(layers_figure(means, group), "similarity", "independent")
            yield _statement("layers", {"found": verdicts.single_layers(means, group), **limits}, figure)

    def _tests(self) -> Iterator[Statement]:
        """Yield the tests of the trained model: against random ones, of signs, and of single images."""
        trained, unit = self.variants.trained, self.results.study.attribution.output
        rows, images = null_tests(self.results, trained), images_with_tests(self.results, trained)
        by_image = {image_id: null_tests(self.results, trained, image_id) for image_id in images}
        figure = self._drawn(nulls_figure(rows, "", unit), "nulls") if len(rows) else None
        passed = tables.passed_table(pd.concat([rows, *by_image.values()]))
        words = {"found": verdicts.null_verdict(rows), "level": LEVEL, "min_models": verdicts.MIN_MODELS}
        yield _statement("nulls", words, figure, passed)
        if table := tables.null_table(rows, tables.sign_agreement(self.results, trained)):
            yield _statement("tests", {}, table=table)
        signs = tables.sign_rows(self.results, self.variants)
        if table := tables.sign_table(signs):
            yield _statement("signs", {"found": verdicts.sign_verdict(signs), "level": LEVEL}, table=table)
        featured = set(self.results.study.report.featured)
        for image_id in sorted(images, key=lambda image_id: image_id not in featured)[:MAX_TESTED]:
            figure = self._drawn(nulls_figure(by_image[image_id], plain(image_id), unit), "nulls", image_id)
            table = tables.null_table(by_image[image_id], {})
            yield _statement("image", {"name": image_id}, figure, table, folded=True)

    def _drawn(self, figure: Figure, kind: str, *names: str) -> FigureView:
        """Store a figure."""
        stem = file_stem(kind, self.variants.model, *names)
        return FigureView(*self.draw(stem, figure), f"figures/{stem}.png")


def _statement(
    template: str,
    words: Mapping[str, Any],
    figure: FigureView | None = None,
    table: Table | None = None,
    folded: bool = False,
) -> Statement:
    heading, *paragraphs = sentences(f"randomization/{template}.j2", **words)
    return Statement(heading, tuple(paragraphs), figure, table, folded)
