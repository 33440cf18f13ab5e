"""What the page's script gets of a study: the JSON of `viewer/src/study.ts`, and the raw maps beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.report.colors import PALETTES
from igbatch.report.dotplot import select_aggregates
from igbatch.report.encoding import data_uri, photo_jpeg
from igbatch.report.look import RULE_WORDS
from igbatch.report.normalization import SCOPE_WORDS, Normalizations
from igbatch.report.page_ranges import ImageRanges, StudyRanges, finite
from igbatch.report.panels import Box, ImageMaps, ShownRows
from igbatch.report.raw_maps import packed
from igbatch.report.selection import Selection, shown_variants
from igbatch.report.text import count, plain
from igbatch.results import StudyResults
from igbatch.statistics.histogram import RELATIVE_ERROR

FORMAT = 1
MOST_TARGETS = 8
"""Targets whose maps the page holds; figures and tables have all."""

FIRST_VARIANTS = 3
"""Variants that the page shows before the reader chooses: trained ones first."""


@dataclass
class PageData:
    """What the script reads: the study as JSON that is safe in HTML, and packed maps by element id.

    `left_out` says what the page does not hold of what is shown.
    """

    study: str
    maps: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def page_data(
    results: StudyResults, normalizations: Normalizations, selection: Selection, shown: ShownRows
) -> PageData:
    """Gather what the page's script shows of the selected images; the maps of one image are held at a time.

    Args:
        results: a reduced study.
        normalizations: of its maps.
        selection: what is shown.
        shown: the rows of the selected images.
    """
    return _Writer(results, normalizations, selection, shown).write()


def json_in_html(value: Any) -> str:
    """Return JSON that a script element may hold: ASCII, without `<`, `>` and `&`, whatever the names are.

    Lone surrogates and the line separators U+2028 and U+2029 are escaped too, since all beyond ASCII is.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class _Writer:
    """One page while its data is gathered."""

    def __init__(
        self, results: StudyResults, normalizations: Normalizations, selection: Selection, shown: ShownRows
    ) -> None:
        self.results, self.normalizations, self.selection, self.shown = (
            results,
            normalizations,
            selection,
            shown,
        )
        self.ranges = StudyRanges(results)
        self.targets = results.target_names[:MOST_TARGETS]
        listed = results.listed(selection.images, ["image_id", "label"])
        self.labels = dict(zip(listed["image_id"], listed["label"], strict=True))
        self.facts = results.variants.set_index("variant_id")
        by_image = {image: self._variants_of(image) for image in selection.images}
        met = {variant for variants in by_image.values() for variant in variants}
        self.by_image = by_image
        self.variants = [str(each) for each in self.facts.index if each in met]
        self.place = {variant: place for place, variant in enumerate(self.variants)}
        self.maps: list[tuple[str, str]] = []

    def write(self) -> PageData:
        images = [self._image(image_id) for image_id in self.selection.images]
        study = {
            "format": FORMAT,
            "name": plain(str(self.results.study["study"]["name"])),
            "unit": self.normalizations.unit,
            "quantile_error": RELATIVE_ERROR,
            "raw": self.ranges.raw(self.normalizations),
            "dataset": self.ranges.dataset(),
            **_words(),
            "variants": [self._variant(each) for each in self.variants],
            "targets": [{"id": target, "name": plain(target)} for target in self.targets],
            "images": images,
            "first": {"variants": self._first_variants(), "targets": []},
            "aggregates": self._aggregates(),
        }
        left = len(self.results.target_names) - len(self.targets)
        notes = [f"Maps of {count(left, 'target')}: figures, tables and ranges have them."] if left else []
        return PageData(json_in_html(study), self.maps, notes)

    def _variants_of(self, image_id: str) -> list[str]:
        asked = self.results.variants_of(image_id)
        return shown_variants(self.results, asked) or list(self.selection.variants[:1])

    def _first_variants(self) -> list[int]:
        """Choose what is shown at first; none where that is all."""
        if len(self.variants) <= FIRST_VARIANTS:
            return []
        ordered = sorted(self.variants, key=lambda each: self.facts["kind"][each] != "trained")
        return sorted(self.place[each] for each in ordered[:FIRST_VARIANTS])

    def _variant(self, variant_id: str) -> dict[str, Any]:
        facts = self.facts.loc[variant_id]
        return {
            "id": variant_id,
            "name": plain(variant_id),
            "kind": str(facts["kind"]),
            "model": plain(str(facts["model"])),
            "range": self.ranges.variant(variant_id),
        }

    def _image(self, image_id: str) -> dict[str, Any]:
        maps = ImageMaps(self.results, image_id, self.shown)
        ranges = self.ranges.image(image_id)
        label = self.labels[image_id]
        first_of = {str(self.facts["model"][each]): each for each in reversed(self.by_image[image_id])}
        return {
            "id": image_id,
            "name": plain(image_id),
            "label": "" if label is None or label != label else plain(str(label)),
            "chosen": "featured" if image_id in self.selection.featured else "",
            "range": ranges.models(),
            "frames": [self._frame(maps, model, variant) for model, variant in first_of.items()],
            "variants": [self._image_variant(maps, each, ranges) for each in self.by_image[image_id]],
        }

    def _frame(self, maps: ImageMaps, model: str, variant_id: str) -> dict[str, Any]:
        """Return the image as a model saw it; `variant_id` is one of its variants."""
        picture = maps.picture(variant_id)
        if picture.pixels is not None:
            high, wide = picture.pixels.shape[:2]
        else:
            high, wide = self.results.study["models"][model]["data_config"]["input_size"][1:]
        return {
            "model": plain(model),
            "width": int(wide),
            "height": int(high),
            "picture": "" if picture.pixels is None else _photo(picture.pixels),
            "missing": picture.missing,
            "boxes": [_box(box) for box in maps.boxes_seen_by(variant_id)],
        }

    def _image_variant(self, maps: ImageMaps, variant_id: str, ranges: ImageRanges) -> dict[str, Any]:
        return {
            "variant": self.place[variant_id],
            "prediction": maps.prediction(variant_id),
            "range": ranges.targets(variant_id),
            "maps": [self._map(maps, variant_id, place) for place in range(len(self.targets))],
        }

    def _map(self, maps: ImageMaps, variant_id: str, place: int) -> dict[str, Any]:
        target = self.targets[place]
        panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
        block, scale = "", 0.0
        if panel.values is not None:
            block = f"map-{len(self.maps)}"
            text, scale = packed(panel.values)
            self.maps.append((block, text))
        return {
            "target": place,
            "block": block,
            "scale": scale,
            "missing": panel.missing,
            **{name: None if row is None else finite(row[column]) for name, column in _NUMBERS.items()},
            "steps": None if row is None else int(row["steps"]),
            "converged": None if row is None else bool(row["converged"]),
            "marks": list(panel.marks),
            "boxes": [] if row is None else _stored_boxes(maps, variant_id, target),
        }

    def _aggregates(self) -> list[dict[str, Any]]:
        rows = select_aggregates(self.results).rows
        return [
            {
                "variant": plain(str(row["variant_id"])),
                "kind": str(self.facts["kind"][row["variant_id"]]),
                "label": plain(str(row["box_label"])),
                "target": plain(str(row["target"])),
                "mean": finite(row["mean_sum"]),
                "low": finite(row["mean_sum_low"]),
                "high": finite(row["mean_sum_high"]),
                "images": int(row["n_images"]),
            }
            for row in rows.to_dict("records")
        ]


_NUMBERS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "sum": "sum",
    "abs_sum": "abs_sum",
    "probability": "target_probability",
    "score": "score",
    "score_baseline": "score_baseline",
    "gap": "convergence_delta",
}
"""Numbers of a map by their names on the page, and their columns of `image_stats`."""


def _words() -> dict[str, Any]:
    """Return what the choices are called and mean: the same words as those of the figures."""
    return {
        "scopes": [
            {"kind": kind, "title": words.title, "over": words.over, "compare": words.compare,
             "beware": words.beware}
            for kind, words in SCOPE_WORDS.items()
        ],
        "rules": [
            {"rule": rule, "title": words.title, "words": words.words} for rule, words in RULE_WORDS.items()
        ],
        "palettes": [
            {"name": name, "title": palette.title, "colors": [_hex(color) for color in palette.colors]}
            for name, palette in PALETTES.items()
        ],
    }  # fmt: skip


def _stored_boxes(maps: ImageMaps, variant_id: str, target: str) -> list[dict[str, Any]]:
    places = {box.box_id: place for place, box in enumerate(maps.boxes_seen_by(variant_id))}
    rows = maps.box_sums
    rows = rows[(rows["variant_id"] == variant_id) & (rows["target"] == target)]
    return [
        {
            "box": places[str(row["box_id"])],
            "pixels": int(row["pixels"]),
            "sum": float(row["sum"]),
            "share": finite(row["share"]),
        }
        for row in rows.to_dict("records")
    ]


def _box(box: Box) -> dict[str, Any]:
    sides = {"x_min": box.x_min, "y_min": box.y_min, "x_max": box.x_max, "y_max": box.y_max}
    return {"id": box.box_id, "name": box.name, "color": box.color, **sides}


def _photo(pixels: NDArray[np.floating]) -> str:
    return data_uri(photo_jpeg(pixels), "image/jpeg")


def _hex(color: Sequence[int]) -> str:
    red, green, blue = (int(channel) for channel in color)
    return f"#{red:02x}{green:02x}{blue:02x}"
