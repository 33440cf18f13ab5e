"""The data of one map in a figure or on the page: its numbers, its scope in words, and cautions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.errors import IgbatchError
from igbatch.images.boxes import EDGES
from igbatch.report.color.colormaps import BOX_COLORS
from igbatch.report.color.scale import ColorScale
from igbatch.report.target_titles import TargetTitles
from igbatch.results import StudyResults
from igbatch.statistics.image_stats import allowed_error
from igbatch.store.encoding import RELATIVE_ERROR
from igbatch.study import AttributionSection
from igbatch.text import number, percent, plain


@dataclass(frozen=True)
class DrawnBox:
    """A box on a picture or map: half-open pixels of the model's input, and the colour of its label.

    `name` is the label, numbered where the image has several boxes of it.
    """

    box_id: str
    name: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    color: str


@dataclass(frozen=True)
class Picture:
    """An image as the model saw it, float32 [H, W, 3] in 0..1; None and a reason where it cannot be read."""

    pixels: NDArray[np.float32] | None
    boxes: tuple[DrawnBox, ...]
    missing: str = ""


@dataclass(frozen=True)
class Panel:
    """One map with what a viewer must be told of it.

    Attributes:
        boxes: in pixels of the map.
        title: what the target is called on this image, such as `predicted: eagle`.
        values: [H, W], of each pixel or of the region that it is in; None where the map is missing, and
            `missing` says why.
        scale: what its colours stand for; None where no map of the scope is there, or none was requested.
        minimum, maximum: of its regions, in units of the output; None where it was not computed, and for
            other regions than pixels where their ranges were not kept.
        total: the sum of the map, whatever its regions are; None likewise.
        marks: what to be careful about, each a short phrase.
        photograph: what the map lies over, float32 [H, W, 3] in 0..1; None where it is shown alone.
    """

    image_id: str
    variant_id: str
    target: str
    boxes: tuple[DrawnBox, ...]
    title: str
    values: NDArray[np.floating[Any]] | None = None
    scale: ColorScale | None = None
    minimum: float | None = None
    maximum: float | None = None
    total: float | None = None
    marks: tuple[str, ...] = ()
    missing: str = ""
    photograph: NDArray[np.float32] | None = None


class ShownRows:
    """The rows of the images that are shown, read together; of all others nothing is held."""

    def __init__(self, results: StudyResults, image_ids: Sequence[str]) -> None:
        self.results = results
        self.image_ids = list(image_ids)
        self.stats = results.rows_of(image_ids)
        self.boxes = results.boxes_of(image_ids)
        self.colors = box_colors(results, self.boxes["box_label"])
        self._lost: dict[str, pd.DataFrame] = {}

    def lost(self, variant_id: str) -> pd.DataFrame:
        """Return what is missing of a variant on these images: rows of its quarantine."""
        if variant_id not in self._lost:
            rows = self.results.quarantine_of(variant_id)
            self._lost[variant_id] = rows[rows["image_id"].isin(self.image_ids)]
        return self._lost[variant_id]


class ImageMaps:
    """All that a study holds of one image; maps and pixels are read once, when they are first needed.

    `shown` are rows that were read already, this image's among them.
    """

    def __init__(self, results: StudyResults, image_id: str, shown: ShownRows | None = None) -> None:
        self.results = results
        self.image_id = image_id
        self.shown = ShownRows(results, [image_id]) if shown is None else shown
        stats, boxes = self.shown.stats, self.shown.boxes
        self.stats: pd.DataFrame = stats[stats["image_id"] == image_id].set_index(["variant_id", "target"])
        self.box_sums: pd.DataFrame = boxes[(boxes["image_id"] == image_id) & boxes["sum"].notna()]
        self.boxes = _boxes(self.box_sums, self.shown.colors)
        self.titles = TargetTitles(results)
        self._models = self.titles.models
        self._maps: dict[tuple[str, str], NDArray[np.float32] | None] = {}
        self._pictures: dict[str, Picture] = {}
        self._boxes: dict[str, tuple[DrawnBox, ...]] = {}
        self._regions: dict[tuple[str, str], dict[int, Any]] | None = None

    @cached_property
    def variants(self) -> list[str]:
        """The variants that the study asks for on this image."""
        return self.results.reader.variants_of(self.image_id)

    def row(self, variant_id: str, target: str) -> Any:
        """Return the statistics of one map, columns as attributes; None where it was not computed."""
        key = (variant_id, target)
        return self.stats.loc[key] if key in self.stats.index else None

    def values(self, variant_id: str, target: str) -> NDArray[np.float32] | None:
        """Return one map, float32 [H, W]; None where it was not computed or not kept."""
        key = (variant_id, target)
        if key not in self._maps:
            try:
                self._maps[key] = self.results.attribution(variant_id, self.image_id, target)
            except KeyError:
                self._maps[key] = None
        return self._maps[key]

    def picture(self, variant_id: str) -> Picture:
        """Return the image as a variant's model saw it, with its boxes."""
        model = str(self._models[variant_id])
        if model not in self._pictures:
            try:
                pixels = self.results.pixels(self.image_id, variant_id)
                self._pictures[model] = Picture(pixels, self.boxes_seen_by(variant_id))
            except (KeyError, OSError, IgbatchError) as error:
                self._pictures[model] = Picture(None, (), f"the image cannot be read: {plain(str(error))}")
        return self._pictures[model]

    def panel(self, variant_id: str, target: str, scale: ColorScale | None) -> Panel:
        """Return one map under a colour scale, over the photograph where the scale's style says so."""
        row, values = self.row(variant_id, target), self.values(variant_id, target)
        title = self.title(variant_id, target)
        key = (self.image_id, variant_id, target, self.boxes_seen_by(variant_id), title)
        if row is None:
            return Panel(*key, missing=self._absence(variant_id, target))
        marks, missing, photograph, pruned_at = [], "", None, self.results.reader.pruned_at
        if not row["converged"]:
            marks.append(error_mark(row, self.results.study.attribution))
        if row["negligible"]:
            marks.append("negligible: too small for its ratios to mean anything")
        if values is None:
            missing = "The map was not kept (store.maps); its numbers were."
            if pruned_at:
                missing = f"Maps were pruned on {pruned_at[:10]}; its numbers were kept."
        low: float | None = float(row["minimum"])
        high: float | None = float(row["maximum"])
        shown: NDArray[np.floating[Any]] | None = values
        sums: NDArray[np.floating[Any]] | None = values
        rounding = 0.0
        if scale is not None and scale.style.size != 1:
            low, high = self._region_ends(variant_id, target, scale.style.size)
            if values is not None:
                regions = self.results.partition(variant_id, self.image_id, scale.style.unit)
                sums = regions.sums(values)
                shown, low, high = (
                    regions.over_pixels(sums, values.shape),
                    float(sums.min()),
                    float(sums.max()),
                )
                rounding = regions.largest * RELATIVE_ERROR * float(np.abs(values).max())
        if sums is not None and scale is not None:
            marks += scale.marks(sums, rounding)
            if scale.style.opacity < 1:
                photograph = self.picture(variant_id).pixels
                if photograph is None:
                    marks.append("no photograph beneath: the image cannot be read")
        total = float(row["sum"])
        return Panel(*key, shown, scale, low, high, total, tuple(marks), missing, photograph)

    def _region_ends(self, variant_id: str, target: str, size: int) -> tuple[float | None, float | None]:
        """Return the smallest and the largest sum over regions of a map, by its row: it may not be kept."""
        if self._regions is None:
            rows = self.results.rows_of([self.image_id], ["variant_id", "target", "patches"])
            self._regions = {
                (row["variant_id"], row["target"]): {each["size"]: each for each in row["patches"]}
                for row in rows.to_dict("records")
                if row["patches"] is not None
            }
        ends = self._regions.get((variant_id, target), {}).get(size)
        return (None, None) if ends is None else (float(ends["minimum"]), float(ends["maximum"]))

    def boxes_seen_by(self, variant_id: str) -> tuple[DrawnBox, ...]:
        """Return the boxes in pixels of a variant's model: models may crop an image differently."""
        model = str(self._models[variant_id])
        if model not in self._boxes:
            same = self._models.index[self._models == model]
            self._boxes[model] = _boxes(
                self.box_sums[self.box_sums["variant_id"].isin(same)], self.shown.colors
            )
        return self._boxes[model]

    def title(self, variant_id: str, target: str) -> str:
        """Return what a target is called on this image: `eagle`, or `predicted: eagle`."""
        return self.titles.title(self.row(variant_id, target), variant_id, target)

    def prediction(self, variant_id: str) -> str:
        """Return the class that a variant predicts, in quotes, with its probability."""
        rows = self.stats[self.stats.index.get_level_values("variant_id") == variant_id]
        if not len(rows):
            return "nothing computed"
        first = rows.iloc[0]
        name = first["prediction"]
        name = f"class {first['prediction_index']}" if pd.isna(name) else plain(str(name))
        return f"“{name}” ({percent(first['prediction_probability'])})"

    def probabilities(self, variant_id: str, targets: Sequence[str]) -> list[str]:
        """Return the probability that a variant gives each target, in phrases; a contrast has none."""
        classes = [target for target in targets if target not in self.results.contrasts]
        rows = {target: self.row(variant_id, target) for target in classes}
        known = {target: row for target, row in rows.items() if row is not None}
        return [
            f"p({self.title(variant_id, target)}) = {percent(row['target_probability'])}"
            for target, row in known.items()
        ]

    def _absence(self, variant_id: str, target: str) -> str:
        lost = self.shown.lost(variant_id)
        lost = lost[lost["image_id"] == self.image_id]
        lost = lost[lost["target"].isna() | (lost["target"] == target)]
        if len(lost):
            row = lost.iloc[0]
            return f"Quarantined ({plain(str(row['stage']))}): {plain(str(row['error']))}"
        if variant_id not in self.variants:
            return "Not requested: the study computes this variant on other images only."
        return "Not computed yet."


def box_colors(results: StudyResults, more: Iterable[str] = ()) -> dict[str, str]:
    """Return the colour of each box label, the same in every figure of a reduced study.

    Labels are those of its aggregates, which have every label that is visible anywhere, and then `more`.
    """
    known = set(results.aggregates["box_label"]) if results.reduced else set()
    named = [name for name in results.target_names if name in known]
    labels = dict.fromkeys([*named, *sorted(map(str, known)), *sorted(map(str, set(more)))])
    return {label: BOX_COLORS[index % len(BOX_COLORS)] for index, label in enumerate(labels)}


def box_names(box_sums: pd.DataFrame) -> dict[str, str]:
    """Name the boxes of one image, by id: their labels, and where it has several of one their ids, too.

    Ids that a file leaves out are a label and a number, of which the number is told.
    """
    rows = box_sums[["box_id", "box_label"]].drop_duplicates("box_id")
    labels = list(map(str, rows["box_label"]))
    several = Counter(labels)
    names = {}
    for box_id, label in zip(map(str, rows["box_id"]), labels, strict=True):
        number = box_id.removeprefix(f"{label}-")
        numbered = number != box_id and number.isdecimal()
        own = f"{label} {number}" if numbered else f"{label}: {box_id}"
        names[box_id] = own if several[label] > 1 else label
    return names


def _boxes(box_sums: pd.DataFrame, colors: dict[str, str]) -> tuple[DrawnBox, ...]:
    rows = box_sums[["box_id", "box_label", *EDGES]].drop_duplicates("box_id")
    names = box_names(rows)
    boxes = []
    for row in rows.to_dict("records"):
        box_id, label = str(row["box_id"]), str(row["box_label"])
        x_min, y_min, x_max, y_max = (int(row[edge]) for edge in EDGES)
        boxes.append(DrawnBox(box_id, plain(names[box_id]), x_min, y_min, x_max, y_max, colors[label]))
    return tuple(boxes)


def error_mark(row: Any, settings: AttributionSection) -> str:
    """Return in a few words how far a map that did not converge is off; empty where it did."""
    if row["converged"]:
        return ""
    error, allowed = map(float, allowed_error(row, settings.tolerance, settings.atol))
    more = "{} or more" if pd.isna(row["map_error"]) else "up to {}"
    off = f"off by {more.format(number(error, 2))}, allowed {number(allowed, 2)}"
    paths = f" over {settings.copies} paths" if settings.copies > 1 else ""
    return f"not converged: {off} ({row['steps']} steps{paths})"
