"""One image as the page's script gets it: pictures, boxes, and maps of its variants with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.figures.image_data import Box, ImageMaps
from igbatch.report.page.ranges import finite, ranges_on
from igbatch.report.page.raw_maps import packed
from igbatch.report.page.viewer_data import (
    DataBox,
    ImageVariant,
    ModelFrame,
    StoredBox,
    StoredMap,
    StudyImage,
)
from igbatch.report.text import plain

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


def study_image(
    maps: ImageMaps,
    variants: Mapping[str, int],
    targets: Sequence[str],
    blocks: list[tuple[str, str]],
    *,
    label: str,
    chosen: str,
) -> StudyImage:
    """Return what the page's script gets of some variants of an image.

    Args:
        maps: of the image.
        variants: that are shown of it, each with its place in the page's list.
        targets: of the page.
        blocks: the packed maps of the page so far, by element id; this image's are appended.
        label: of the image; empty where it has none.
        chosen: why it is shown.
    """
    results = maps.results
    every, of_variant = ranges_on(results, maps.image_id)
    models = results.variants.set_index("variant_id")["model"]
    first_of: dict[str, str] = {}
    for variant in variants:
        first_of.setdefault(str(models[variant]), variant)
    shown = []
    for variant, place in variants.items():
        boxes = _stored_boxes(maps, variant)
        shown.append(
            ImageVariant(
                variant=place,
                prediction=maps.prediction(variant),
                range=of_variant.get(variant),
                maps=[
                    _stored_map(maps, variant, target, at, boxes.get(target, []), blocks)
                    for at, target in enumerate(targets)
                ],
            )
        )
    return StudyImage(
        id=maps.image_id,
        name=plain(maps.image_id),
        label=label,
        chosen=chosen,
        range=every,
        frames=[_frame(maps, model, variant) for model, variant in first_of.items()],
        variants=shown,
    )


def _frame(maps: ImageMaps, model: str, variant_id: str) -> ModelFrame:
    """Return the image as a model saw it; `variant_id` is one of its variants."""
    picture = maps.picture(variant_id)
    if picture.pixels is None:
        source = ""
        high, wide = maps.results.study["models"][model]["data_config"]["input_size"][1:]
    else:
        source = data_uri(photo_jpeg(picture.pixels), "image/jpeg")
        high, wide = picture.pixels.shape[:2]
    return ModelFrame(
        model=plain(model),
        width=wide,
        height=high,
        picture=source,
        missing=picture.missing,
        boxes=[_data_box(box) for box in maps.boxes_seen_by(variant_id)],
    )


def _stored_map(
    maps: ImageMaps,
    variant_id: str,
    target: str,
    place: int,
    boxes: list[StoredBox],
    blocks: list[tuple[str, str]],
) -> StoredMap:
    panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
    block, scale = "", 0.0
    if panel.values is not None:
        block = f"map-{len(blocks)}"
        text, scale = packed(panel.values)
        blocks.append((block, text))
    return StoredMap(
        target=place,
        block=block,
        scale=scale,
        missing=panel.missing,
        **{name: None if row is None else finite(row[column]) for name, column in _NUMBERS.items()},
        steps=None if row is None else int(row["steps"]),
        converged=None if row is None else bool(row["converged"]),
        marks=list(panel.marks),
        boxes=boxes,
    )


def _stored_boxes(maps: ImageMaps, variant_id: str) -> dict[str, list[StoredBox]]:
    """Return the stored sums of a variant's boxes, by target."""
    places = {box.box_id: place for place, box in enumerate(maps.boxes_seen_by(variant_id))}
    found: dict[str, list[StoredBox]] = {}
    for row in maps.box_sums[maps.box_sums["variant_id"] == variant_id].to_dict("records"):
        box = StoredBox(
            box=places[str(row["box_id"])], pixels=row["pixels"], sum=row["sum"], share=finite(row["share"])
        )
        found.setdefault(str(row["target"]), []).append(box)
    return found


def _data_box(box: Box) -> DataBox:
    sides = {"x_min": box.x_min, "y_min": box.y_min, "x_max": box.x_max, "y_max": box.y_max}
    return DataBox(id=box.box_id, name=box.name, color=box.color, **sides)
