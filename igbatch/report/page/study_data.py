"""Gathering what the page's script gets of a study: its numbers, and the raw maps beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge, region_size
from igbatch.reduce.scopes import first_family, raw_scale
from igbatch.report.color.wording import LACKING_WORDS, knobs
from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.scales import FIRST, shown_regions, unit
from igbatch.report.page.knob_data import Knobs
from igbatch.report.page.packing import Blocks, add_map, packed_integers, page_range, raw_range
from igbatch.report.page.viewer_data import (
    BoxMean,
    CheckSeries,
    FrameLabels,
    ImageVariant,
    ModelFrame,
    PageStudy,
    PageTarget,
    PageVariant,
    Range,
    StoredMap,
    StudyImage,
)
from igbatch.report.selection import MAX_TARGETS, Selection, variants_on
from igbatch.results import StudyResults
from igbatch.statistics.blur import BLURRED
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.statistics.partitions import CODES, SEGMENTS
from igbatch.statistics.patches import PATCH_SIZES
from igbatch.text import count

FIRST_VARIANTS = 3
"""Variants that the page shows before the reader chooses: trained ones first."""

FIRST_PATCH = region_size(FIRST)
"""Pixels a side of the patches that are shown at first."""

SIZES = (*PATCH_SIZES, *CODES.values())
"""Of the regions that the page offers beside pixels, where all maps have their ranges."""


def page_data(
    results: StudyResults,
    selection: Selection,
    shown: ShownRows,
    *,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    means: Sequence[Mapping[Any, Any]] = (),
    history: Sequence[CheckSeries] = (),
) -> tuple[PageStudy, Blocks]:
    """Gather what the page's script shows of the selected images; the maps of one image are held at a time.

    Args:
        results: an opened study.
        selection: what is shown.
        shown: the rows of the selected images.
        variants: that are shown of every image; those that the report chooses where none are named.
        targets: that are shown; the first `MAX_TARGETS` where none are named.
        means: rows of `aggregates` for the chart of box sums.
        history: figures of audits over time.
    """
    targets = results.target_names[:MAX_TARGETS] if targets is None else targets
    by_image = {image_id: variants or variants_on(results, image_id) for image_id in selection.images}
    met = {variant for chosen in by_image.values() for variant in chosen}
    facts = results.variants[results.variants["variant_id"].isin(met)].to_dict("records")
    places = {str(row["variant_id"]): at for at, row in enumerate(facts)}
    trained_first = sorted(places.values(), key=lambda place: facts[place]["kind"] != "trained")
    first = [] if variants else trained_first[:FIRST_VARIANTS]
    families, variant_ids = results.reader.families, results.reader.variant_ids
    family = first_family(results.reader, results.range_of)
    ranges = {each: results.range_of(each, family) for each in variant_ids}
    images_of = {each: results.reader.expected_images(each) for each in variant_ids}
    every = len(families[family])
    whole = merge(ranges.values())
    dataset, raw = page_range(whole, every * sum(images_of.values())), None
    sizes = [size for size in SIZES if dataset and whole.of(size).n_maps == whole.n_maps]
    if dataset:
        scales = {size: raw_scale(each.of(size) for each in ranges.values()) for size in (1, *sizes)}
        raw = raw_range(dataset, scales)
    listed = results.reader.listed(selection.images, ["image_id", "label"]).to_pylist()
    labels = {row["image_id"]: row["label"] or "" for row in listed}
    blocks: Blocks = {}
    study = PageStudy(
        name=results.study.name,
        unit=unit(results),
        quantile_error=RELATIVE_ERROR,
        raw=raw,
        dataset=dataset,
        contrasts=_of_contrasts(results, targets, partial(_range_over, results, images_of)),
        knobs=Knobs.model_validate(knobs(sizes, lacking=_lacking(results, whole))),
        variants=[
            PageVariant.model_validate(row | {
                "id": each,
                "name": each,
                "range": page_range(ranges[each], every * images_of[each]),
                "contrasts": _of_contrasts(
                    results, targets, partial(_range_over, results, {each: images_of[each]})
                ),
            })
            for each, row in zip(places, facts, strict=True)
        ],
        targets=[
            PageTarget(id=target, name=target, contrast=target in results.contrasts) for target in targets
        ],
        images=[
            StudyImage.model_validate(
                _image(ImageMaps(results, image_id, shown), chosen, targets, places, blocks)
                | {"label": labels[image_id], "chosen": selection.reasons[image_id]}
            )
            for image_id, chosen in by_image.items()
        ],
        first=sorted(first) if len(places) > FIRST_VARIANTS else [],
        first_regions=region_size(shown_regions(results)),
        aggregates=list(map(BoxMean.model_validate, means)),
        history=list(history),
    )  # fmt: skip
    return study, blocks


def _of_contrasts(
    results: StudyResults, targets: Sequence[str], range_of: Callable[[str], Range | None]
) -> dict[str, Range | None]:
    """Return ranges of the contrasts that the page shows, by the place of the target."""
    return {str(at): range_of(name) for at, name in enumerate(targets) if name in results.contrasts}


def _range_over(results: StudyResults, images_of: Mapping[str, int], contrast: str) -> Range | None:
    """Return the range of all maps of a contrast, of some variants with so many images each."""
    found = merge(results.range_of(variant, contrast) for variant in images_of)
    return page_range(found, sum(images_of.values()))


def _lacking(results: StudyResults, whole: RangeSummary) -> str:
    """Say why regions are not there to choose, in sentences."""
    images, not_set = results.study.images, []
    kinds: dict[int, list[str]] = {}  # by how many maps are without
    segments = {name: (code,) for name, code in SEGMENTS.items()}
    sized = {"patches": PATCH_SIZES, **segments, "blurred maps": (BLURRED,)}
    for kind, sizes in sized.items():
        without = max(whole.n_maps - whole.of(size).n_maps for size in sizes)
        if without and not {"superpixels": images.superpixels, "objects": images.objects}.get(kind, True):
            not_set.append(LACKING_WORDS[kind])
        elif without:
            kinds.setdefault(without, []).append(kind)
    measured = [
        LACKING_WORDS["measured"].format(
            regions=", no ".join(names),
            maps=f"{without:,} of {count(whole.n_maps, 'map')} {'was' if without == 1 else 'were'}",
        )
        for without, names in kinds.items()
    ]
    return " ".join([*measured, *not_set])


def _image(
    maps: ImageMaps,
    variants: Sequence[str],
    targets: Sequence[str],
    places: Mapping[str, int],
    blocks: Blocks,
) -> dict[str, object]:
    """Return what an image's maps and rows tell of it, for a `StudyImage`.

    Args:
        maps: of the image.
        variants, targets: that are shown of it.
        places: of the variants in the page's list.
        blocks: the packed maps of the page so far, to which this image's are added.
    """
    results = maps.results
    models = results.variants.set_index("variant_id")["model"]
    rows = results.rows_of([maps.image_id], ["variant_id", "target", *COLUMNS, "patches"])  # 12 kB a map
    patches = {
        (row["variant_id"], row["target"]): row["patches"]
        for row in rows[["variant_id", "target", "patches"]].to_dict("records")
    }
    held: dict[tuple[str, float], str] = {}  # targets that are one class of the image have one map

    def add(values: NDArray[np.float32]) -> tuple[str, float]:
        return add_map(blocks, values, held)

    classes = results.reader.families[first_family(results.reader, results.range_of)]
    of_classes = rows[rows["target"].isin(classes)]
    first_of = models[list(variants)].drop_duplicates()  # models by the first variant of each
    shown = [
        ImageVariant(
            variant=places[variant],
            prediction=maps.prediction(variant),
            range=page_range(
                RangeSummary.of_rows(of_classes[of_classes["variant_id"] == variant]), len(classes)
            ),
            maps=[
                _stored_map(maps, variant, target, at, add, patches.get((variant, target)))
                for at, target in enumerate(targets)
            ],
        )
        for variant in variants
    ]
    return {
        "id": maps.image_id,
        "name": maps.image_id,
        "range": page_range(RangeSummary.of_rows(of_classes), len(classes) * len(maps.variants)),
        "contrasts": _of_contrasts(
            results,
            targets,
            lambda name: page_range(RangeSummary.of_rows(rows[rows["target"] == name]), len(maps.variants)),
        ),
        "frames": [_frame(maps, model, str(variant), blocks) for variant, model in first_of.items()],
        "variants": shown,
    }


def _frame(maps: ImageMaps, model: str, variant_id: str, blocks: Blocks) -> ModelFrame:
    """Return the image as a model saw it, its label maps in `blocks`; `variant_id` is one of its variants."""
    picture = maps.picture(variant_id)
    if picture.pixels is None:
        high, wide = maps.results.record["models"][model]["data_config"]["input_size"][1:]
    else:
        high, wide = picture.pixels.shape[:2]
    return ModelFrame(
        model=model,
        width=wide,
        height=high,
        picture="" if picture.pixels is None else data_uri(photo_jpeg(picture.pixels), "image/jpeg"),
        missing=picture.missing,
        boxes=list(maps.boxes_seen_by(variant_id)),
        labels=_frame_labels(maps, variant_id, blocks),
    )


def _frame_labels(maps: ImageMaps, variant_id: str, blocks: Blocks) -> dict[str, FrameLabels]:
    found = {}
    for each in maps.results.label_maps(variant_id, maps.image_id):
        block = f"map-{len(blocks)}"
        blocks[block] = packed_integers(each.labels)
        labels = FrameLabels(block=block, regions=each.regions, names=list(each.names))
        found[str(SEGMENTS[each.segments])] = labels
    return found


def _stored_map(
    maps: ImageMaps,
    variant_id: str,
    target: str,
    place: int,
    add: Callable[[NDArray[np.float32]], tuple[str, float]],
    patches: Any = None,
) -> StoredMap:
    """Return a map for the page, and `add` its values; `patches` are those of its row."""
    panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
    block, scale = ("", 0.0) if panel.values is None else add(panel.values)
    places = {box.box_id: at for at, box in enumerate(maps.boxes_seen_by(variant_id))}
    sums = maps.box_sums
    sums = sums[(sums["variant_id"] == variant_id) & (sums["target"] == target)]
    where = {
        "target": place, "block": block, "scale": scale, "missing": panel.missing, "marks": panel.marks,
        "class_index": None if row is None or pd.notna(row.get("other_index")) else row["target_index"],
        "class_name": maps.titles.class_of(row, variant_id, target),
    }  # fmt: skip
    boxes = [row | {"box": places[str(row["box_id"])]} for row in sums.to_dict("records")]
    numbers = {} if row is None else row.to_dict()
    ends = {str(each["size"]): each for each in (() if patches is None else patches)}
    return StoredMap.model_validate(numbers | where | {"boxes": boxes, "patches": ends})
