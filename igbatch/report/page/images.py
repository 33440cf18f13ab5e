"""One image as the page's script gets it: pictures, boxes, and maps of its variants with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.page.ranges import ranges_on
from igbatch.report.page.raw_maps import packed
from igbatch.report.page.viewer_data import (
    ImageVariant,
    ModelFrame,
    StoredMap,
    StudyImage,
)


def study_image(
    maps: ImageMaps,
    variants: Mapping[str, int],
    targets: Sequence[str],
    blocks: list[tuple[str, str]],
    **about: str,
) -> StudyImage:
    """Return what the page's script gets of some variants of an image.

    Args:
        maps: of the image.
        variants: that are shown of it, each with its place in the page's list.
        targets: of the page.
        blocks: the packed maps of the page so far, by element id; this image's are appended.
        about: the image's label, and why it is chosen.
    """
    every, of_variant = ranges_on(maps.results, maps.image_id)
    models = maps.results.variants.set_index("variant_id")["model"]
    first_of: dict[str, str] = {}
    for variant in variants:
        first_of.setdefault(str(models[variant]), variant)
    shown = [
        ImageVariant(
            variant=place,
            prediction=maps.prediction(variant),
            range=of_variant.get(variant),
            maps=[_stored_map(maps, variant, target, at, blocks) for at, target in enumerate(targets)],
        )
        for variant, place in variants.items()
    ]
    frames = [_frame(maps, model, variant) for model, variant in first_of.items()]
    named = {"id": maps.image_id, "name": maps.image_id} | about
    return StudyImage.model_validate(named | {"range": every, "frames": frames, "variants": shown})


def _frame(maps: ImageMaps, model: str, variant_id: str) -> ModelFrame:
    """Return the image as a model saw it; `variant_id` is one of its variants."""
    picture = maps.picture(variant_id)
    if picture.pixels is None:
        source = ""
        high, wide = maps.results.record["models"][model]["data_config"]["input_size"][1:]
    else:
        source = data_uri(photo_jpeg(picture.pixels), "image/jpeg")
        high, wide = picture.pixels.shape[:2]
    boxes = list(maps.boxes_seen_by(variant_id))
    return ModelFrame(
        model=model, width=wide, height=high, picture=source, missing=picture.missing, boxes=boxes
    )


def _stored_map(
    maps: ImageMaps, variant_id: str, target: str, place: int, blocks: list[tuple[str, str]]
) -> StoredMap:
    panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
    block, scale = "", 0.0
    if panel.values is not None:
        block = f"map-{len(blocks)}"
        text, scale = packed(panel.values)
        blocks.append((block, text))
    places = {box.box_id: at for at, box in enumerate(maps.boxes_seen_by(variant_id))}
    sums = maps.box_sums
    sums = sums[(sums["variant_id"] == variant_id) & (sums["target"] == target)]
    where = {"target": place, "block": block, "scale": scale, "missing": panel.missing, "marks": panel.marks}
    boxes = [row | {"box": places[str(row["box_id"])]} for row in sums.to_dict("records")]
    numbers = {} if row is None else row.to_dict()
    return StoredMap.model_validate(numbers | where | {"boxes": boxes})
