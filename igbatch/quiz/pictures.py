"""The pictures of a question: maps as the report draws them, and the image that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.quiz.cases import Case, ShownMap
from igbatch.quiz.key import Kind
from igbatch.reduce.ranges import Regions, Scope
from igbatch.report.color.colormaps import LEVELS
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import ColorStyle
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.figures.draw import panel_figure, picture_figure
from igbatch.report.figures.encoding import data_uri, figure_jpeg, figure_png
from igbatch.report.figures.image_data import DrawnBox, ImageMaps, Panel, ShownRows
from igbatch.report.figures.scales import color_scale
from igbatch.report.figures.typeset import DPI
from igbatch.report.quiz.model import QuizPicture
from igbatch.results import StudyResults
from igbatch.text import number

PHOTO_QUALITY = 80
PHOTO_SCALE = 1.5
"""Pixels of a photograph a pixel of its size on the screen, along an axis."""
OVER_BOTH: tuple[Kind, ...] = ("trained", "stronger", "changed")
"""Kinds whose two maps may be of two models or nights: their joint range as a pair is over the maps shown, as
`igbatch.compare` takes it. Of other kinds it is that of the model's maps of two classes, as in the report:
the range of one map shown twice would tell that there is but one."""


@dataclass(frozen=True)
class Shown:
    """A map as a question shows it.

    Attributes:
        picture: of it.
        colors: its place on the colour scale, -1 to 1, float64 [H, W]: all that a reader sees of its values.
        values: the map itself, of the regions shown, in units of the output.
        hint: how it is coloured, in sentences, without its numbers where the picture has none.
    """

    picture: QuizPicture
    colors: NDArray[np.float64]
    values: NDArray[np.float64]
    hint: str


class Pictures:
    """Draws the maps and images of some cases; what is equal is drawn once.

    Args:
        results: the study that is asked about.
        reference: the one that its maps are compared with, if any.
        image_ids: of all cases.
    """

    def __init__(
        self, results: StudyResults, reference: StudyResults | None, image_ids: Sequence[str]
    ) -> None:
        self._rows = {False: ShownRows(results, image_ids)}
        if reference is not None:
            known = set(reference.listing.image_ids.to_pylist())
            self._rows[True] = ShownRows(reference, [name for name in image_ids if name in known])
        self._classes = [name for name in results.target_names if name not in results.contrasts]
        self._images: dict[tuple[bool, str], ImageMaps] = {}
        self._maps: dict[object, Shown] = {}
        self._photographs: dict[tuple[str, str, bool], QuizPicture | None] = {}

    def map(
        self, case: Case, shown: ShownMap, scope: Scope, regions: Regions, palette: str, *, numbers: bool
    ) -> Shown:
        """Return one map of a case.

        Raises:
            InputError: it is not there, or its range was not kept.
        """
        beside = case.maps if scope == "pair" and case.kind in OVER_BOTH else ()
        key = (case.image_id, shown, scope, regions, palette, numbers, case.kind == "box", frozenset(beside))
        if key not in self._maps:
            style = ColorStyle(regions=regions, palette=palette)
            maps = self._image(shown.reference, case.image_id)
            scale = self._scale(case, shown, scope, style)
            panel = maps.panel(shown.variant_id, shown.target, scale)
            if scale is None or panel.values is None:
                where = f"variant {shown.variant_id!r}, image {case.image_id!r}, target {shown.target!r}"
                raise InputError(
                    f"{where}: {panel.missing or 'Its range was not kept.'} Make the quiz of a study "
                    "whose maps are there"
                )
            boxes = panel.boxes if case.kind == "box" else ()
            panel = replace(panel, title="", boxes=boxes)
            self._maps[key] = _shown(panel, scale, maps.values(shown.variant_id, shown.target), numbers)
        return self._maps[key]

    def photograph(self, case: Case) -> QuizPicture | None:
        """Return the image of a case as its model sees it, with its boxes where they are asked about."""
        shown, boxes = case.maps[-1], case.kind == "box"
        key = (case.image_id, shown.variant_id, boxes)
        if key not in self._photographs:
            picture = self._image(False, case.image_id).picture(shown.variant_id)
            self._photographs[key] = None
            if picture.pixels is not None:
                figure = picture_figure(picture, boxes=boxes)
                labels = ", ".join(f"“{box.name}”" for box in picture.boxes)
                alt = f"The image, with the boxes {labels}." if boxes else "The image."
                self._photographs[key] = _picture(
                    figure, figure_jpeg(figure, PHOTO_SCALE, PHOTO_QUALITY), "image/jpeg", alt
                )
        return self._photographs[key]

    def boxes(self, case: Case) -> tuple[DrawnBox, ...]:
        """Return the boxes of a case in pixels of its map, by the order of their rows."""
        return self._image(False, case.image_id).boxes_seen_by(case.maps[0].variant_id)

    def _image(self, reference: bool, image_id: str) -> ImageMaps:
        key = (reference, image_id)
        if key not in self._images:
            rows = self._rows[reference]
            self._images[key] = ImageMaps(rows.results, image_id, rows)
        return self._images[key]

    def _scale(self, case: Case, shown: ShownMap, scope: Scope, style: ColorStyle) -> ColorScale | None:
        """Return the scale of a map; under `pair` of both maps shown, or of the model's two classes."""
        if scope == "pair" and case.kind in OVER_BOTH:
            own = [self._scale(case, each, "image", style) for each in case.maps]
            scales = [each for each in own if each is not None]
            if len(scales) < len(own):
                return None
            low = min(each.shared.minimum for each in scales)
            high = max(each.shared.maximum for each in scales)
            both = replace(scales[0].shared, scope="pair", minimum=low, maximum=high, n_maps=len(scales))
            return replace(scales[0], shared=both)
        targets = [shown.target]
        if scope == "pair":
            targets.append(next(name for name in self._classes if name != shown.target))
        maps = self._image(shown.reference, case.image_id)
        return color_scale(maps, scope, shown.variant_id, targets, style)


def _shown(panel: Panel, scale: ColorScale, values: NDArray[np.float32] | None, numbers: bool) -> Shown:
    assert panel.values is not None
    figure = panel_figure(panel, numbers=numbers)
    alt = "Heat map without its numbers."
    if numbers:
        ends = {"minimum": panel.minimum, "maximum": panel.maximum, "sum": panel.total}
        found = (f"{name} {number(value)}" for name, value in ends.items() if value is not None)
        alt = f"Heat map: {', '.join(found)}."
    picture = _picture(figure, figure_png(figure), "image/png", alt)
    colors = (scale.indices(panel.values).astype(np.float64) - LEVELS) / LEVELS
    hue = scale.style.colors
    signs = f"{hue.negative.capitalize()} is negative, {hue.middle} is zero, {hue.positive} is positive."
    hint = " ".join(
        filter(None, (f"{SCOPE_WORDS[scale.shared.scope].title}.", scale.words["regions"], signs))
    )
    return Shown(picture, colors, np.asarray(panel.values, dtype=np.float64), hint)


def _picture(figure: Figure, content: bytes, kind: str, alt: str) -> QuizPicture:
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    return QuizPicture(uri=data_uri(content, kind), width=width, height=height, alt=alt)
