"""One image as the page's script gets it: pictures, boxes, and maps of its variants with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.figures.image_data import Box, ImageMaps
from igbatch.report.page.ranges import ImageRanges, StudyRanges, finite
from igbatch.report.page.raw_maps import packed
from igbatch.report.text import plain


class ImageWriter:
    """Writes the images of a page, one at a time; `blocks` are the packed maps so far, by element id.

    Args:
        ranges: of the study's maps.
        variants: of the page, in its order; images name them by place.
        targets: likewise.
    """

    def __init__(self, ranges: StudyRanges, variants: Sequence[str], targets: Sequence[str]) -> None:
        self.results = ranges.results
        self.ranges, self.targets = ranges, list(targets)
        self.blocks: list[tuple[str, str]] = []
        self._place = {variant: place for place, variant in enumerate(variants)}
        self._models: dict[str, str] = dict(
            zip(self.results.variants["variant_id"], self.results.variants["model"], strict=True)
        )

    def write(self, maps: ImageMaps, variants: Sequence[str]) -> dict[str, Any]:
        """Return what a `StudyImage` of the page's script says of the maps of some variants of an image."""
        ranges = self.ranges.image(maps.image_id)
        first_of: dict[str, str] = {}
        for each in variants:
            first_of.setdefault(self._models[each], each)
        return {
            "range": ranges.models(),
            "frames": [self._frame(maps, model, variant) for model, variant in first_of.items()],
            "variants": [self._variant(maps, each, ranges) for each in variants],
        }

    def _frame(self, maps: ImageMaps, model: str, variant_id: str) -> dict[str, Any]:
        """Return the image as a model saw it; `variant_id` is one of its variants."""
        picture = maps.picture(variant_id)
        source = ""
        if picture.pixels is None:
            high, wide = self.results.record["models"][model]["data_config"]["input_size"][1:]
        else:
            high, wide = picture.pixels.shape[:2]
            source = data_uri(photo_jpeg(picture.pixels), "image/jpeg")
        return {
            "model": plain(model),
            "width": int(wide),
            "height": int(high),
            "picture": source,
            "missing": picture.missing,
            "boxes": [_box(box) for box in maps.boxes_seen_by(variant_id)],
        }

    def _variant(self, maps: ImageMaps, variant_id: str, ranges: ImageRanges) -> dict[str, Any]:
        stored = _stored_boxes(maps, variant_id)
        return {
            "variant": self._place[variant_id],
            "prediction": maps.prediction(variant_id),
            "range": ranges.targets(variant_id),
            "maps": [
                {"target": place, **self._map(maps, variant_id, target), "boxes": stored.get(target, [])}
                for place, target in enumerate(self.targets)
            ],
        }

    def _map(self, maps: ImageMaps, variant_id: str, target: str) -> dict[str, Any]:
        panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
        block, scale = "", 0.0
        if panel.values is not None:
            block = f"map-{len(self.blocks)}"
            text, scale = packed(panel.values)
            self.blocks.append((block, text))
        return {
            "block": block,
            "scale": scale,
            "missing": panel.missing,
            **{name: None if row is None else finite(row[column]) for name, column in _NUMBERS.items()},
            "steps": None if row is None else int(row["steps"]),
            "converged": None if row is None else bool(row["converged"]),
            "marks": list(panel.marks),
        }


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


def _stored_boxes(maps: ImageMaps, variant_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the stored sums of a variant's boxes, by target."""
    places = {box.box_id: place for place, box in enumerate(maps.boxes_seen_by(variant_id))}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in maps.box_sums[maps.box_sums["variant_id"] == variant_id].to_dict("records"):
        found.setdefault(str(row["target"]), []).append(
            {
                "box": places[str(row["box_id"])],
                "pixels": int(row["pixels"]),
                "sum": float(row["sum"]),
                "share": finite(row["share"]),
            }
        )
    return found


def _box(box: Box) -> dict[str, Any]:
    sides = {"x_min": box.x_min, "y_min": box.y_min, "x_max": box.x_max, "y_max": box.y_max}
    return {"id": box.box_id, "name": box.name, "color": box.color, **sides}
