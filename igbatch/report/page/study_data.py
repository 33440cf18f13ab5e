"""Gathering what the page's script gets of a study: its numbers, and the raw maps beside them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge, region_size
from igbatch.reduce.scopes import raw_scale
from igbatch.report.color.wording import LACKING_WORDS, knobs
from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.scales import shown_regions, unit
from igbatch.report.page.viewer_data import (
    BoxMean,
    CheckSeries,
    FrameLabels,
    ImageVariant,
    Knobs,
    ModelFrame,
    Named,
    PageStudy,
    PageVariant,
    Range,
    RegionRange,
    StoredMap,
    StudyImage,
)
from igbatch.report.selection import MAX_TARGETS, Selection, variants_on
from igbatch.results import StudyResults
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.statistics.partitions import CODES
from igbatch.statistics.patches import PATCH_SIZES
from igbatch.store.encoding import to_int16
from igbatch.text import count, listing

FIRST_VARIANTS = 3
"""Variants that the page shows before the reader chooses: trained ones first."""

SIZES = (*PATCH_SIZES, *CODES.values())
"""Of the regions that the page offers beside pixels, where all maps have their ranges."""

PERCENTILES = tuple(round(90 + step / 10, 1) for step in range(101))
"""Of |a|: those that the percentile rule offers, 90.0 to 100.0."""

Blocks = dict[str, str]
"""Packed maps by the id of the element that holds them."""


def page_data(
    results: StudyResults, selection: Selection, shown: ShownRows, history: Sequence[CheckSeries] = ()
) -> tuple[PageStudy, Blocks]:
    """Gather what the page's script shows of the selected images; the maps of one image are held at a time.

    Args:
        results: a reduced study.
        selection: what is shown.
        shown: the rows of the selected images.
        history: figures of audits over time.
    """
    by_image = {image_id: variants_on(results, image_id) for image_id in selection.images}
    met = {variant for variants in by_image.values() for variant in variants}
    facts = results.variants[results.variants["variant_id"].isin(met)].to_dict("records")
    places = {str(row["variant_id"]): at for at, row in enumerate(facts)}
    trained_first = sorted(places.values(), key=lambda place: facts[place]["kind"] != "trained")
    every = len(results.target_names)
    ranges = {each: results.range_of(each) for each in results.reader.variant_ids}
    whole = merge(ranges.values())
    dataset, raw = page_range(whole, results.expected_rows), None
    sizes = [size for size in SIZES if dataset and whole.of(size).n_maps == whole.n_maps]
    if dataset:
        scales = {size: raw_scale(each.of(size) for each in ranges.values()) for size in (1, *sizes)}
        raw = _raw_range(dataset, scales)
    listed = results.reader.listed(selection.images, ["image_id", "label"]).to_pylist()
    labels = {row["image_id"]: row["label"] or "" for row in listed}
    blocks: Blocks = {}
    study = PageStudy(
        name=results.study.name,
        unit=unit(results),
        quantile_error=RELATIVE_ERROR,
        raw=raw,
        dataset=dataset,
        knobs=Knobs.model_validate(knobs(sizes, _lacking(results, whole))),
        variants=[
            PageVariant.model_validate(row | {
                "id": each,
                "name": each,
                "range": page_range(ranges[each], every * results.reader.expected_images(each)),
            })
            for each, row in zip(places, facts, strict=True)
        ],
        targets=[Named(id=target, name=target) for target in results.target_names[:MAX_TARGETS]],
        images=[
            StudyImage.model_validate(
                _image(ImageMaps(results, image_id, shown), variants, places, blocks)
                | {"label": labels[image_id], "chosen": selection.reasons[image_id]}
            )
            for image_id, variants in by_image.items()
        ],
        first=sorted(trained_first[:FIRST_VARIANTS]) if len(places) > FIRST_VARIANTS else [],
        first_regions=region_size(shown_regions(results)),
        aggregates=list(map(BoxMean.model_validate, select_aggregates(results).rows.to_dict("records"))),
        history=list(history),
    )  # fmt: skip
    return study, blocks


def _lacking(results: StudyResults, whole: RangeSummary) -> str:
    """Say why regions are not there to choose, in sentences."""
    images, unasked = results.study.images, []
    kinds: dict[int, list[str]] = {}  # by how many maps are without
    for kind, sizes in {"patches": PATCH_SIZES, **{name: (code,) for name, code in CODES.items()}}.items():
        without = max(whole.n_maps - whole.of(size).n_maps for size in sizes)
        if without and not {"superpixels": images.superpixels, "objects": images.objects}.get(kind, True):
            unasked.append(LACKING_WORDS[kind])
        elif without:
            kinds.setdefault(without, []).append(kind)
    measured = [
        LACKING_WORDS["measured"].format(
            regions=listing(names),
            maps=f"{without:,} of {count(whole.n_maps, 'map')} {'was' if without == 1 else 'were'}",
        )
        for without, names in kinds.items()
    ]
    return " ".join([*measured, *unasked])


def page_range(summary: RangeSummary, expected: int) -> Range | None:
    """Return the range of some maps, of which a complete study has `expected`; None where no map is there.

    Quantiles of |a| come from the histogram, within `histogram.RELATIVE_ERROR`; the last one is exact.
    """
    if not summary.n_maps:
        return None
    patches = {str(size): _region_range(each, expected) for size, each in summary.patches.items()}
    return Range(**_region_range(summary, expected).model_dump(), patches=patches)


def _region_range(summary: RangeSummary, expected: int) -> RegionRange:
    quantiles = [float(f"{summary.magnitude(percentile / 100):.6g}") for percentile in PERCENTILES[:-1]]
    return RegionRange(
        minimum=summary.minimum,
        maximum=summary.maximum,
        n_maps=summary.n_maps,
        complete=summary.n_maps == expected,
        quantiles=[*quantiles, summary.largest],
    )


def _raw_range(dataset: Range, scales: Mapping[int, float]) -> Range:
    """Return the raw scales as ranges, by the size of regions; every quantile of one is its end."""

    def ends(scale: float) -> dict[str, object]:
        return {"minimum": -scale, "maximum": scale, "quantiles": [scale] * len(PERCENTILES)}

    sides = {str(size): scale for size, scale in scales.items() if size != 1}
    patches = {side: dataset.patches[side].model_copy(update=ends(scale)) for side, scale in sides.items()}
    return dataset.model_copy(update={**ends(scales[1]), "patches": patches})


def _image(
    maps: ImageMaps, variants: list[str], places: Mapping[str, int], blocks: Blocks
) -> dict[str, object]:
    """Return what an image's maps and rows tell of it, for a `StudyImage`.

    Args:
        maps: of the image.
        variants: that are shown of it.
        places: of the variants in the page's list.
        blocks: the packed maps of the page so far, to which this image's are added.
    """
    results = maps.results
    targets = results.target_names
    models = results.variants.set_index("variant_id")["model"]
    rows = results.rows_of([maps.image_id], ["variant_id", "target", *COLUMNS, "patches"])  # 12 kB a map
    patches = {
        (row["variant_id"], row["target"]): row["patches"]
        for row in rows[["variant_id", "target", "patches"]].to_dict("records")
    }
    first_of = models[variants].drop_duplicates()  # models by the first variant of each
    shown = [
        ImageVariant(
            variant=places[variant],
            prediction=maps.prediction(variant),
            range=page_range(RangeSummary.of_rows(rows[rows["variant_id"] == variant]), len(targets)),
            maps=[
                _stored_map(maps, variant, target, at, blocks, patches.get((variant, target)))
                for at, target in enumerate(targets[:MAX_TARGETS])
            ],
        )
        for variant in variants
    ]
    return {
        "id": maps.image_id,
        "name": maps.image_id,
        "range": page_range(RangeSummary.of_rows(rows), len(targets) * len(maps.variants)),
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
        blocks[block] = packed_words(each.labels)
        labels = FrameLabels(block=block, regions=each.regions, names=list(each.names))
        found[str(CODES[each.segments])] = labels
    return found


def _stored_map(
    maps: ImageMaps, variant_id: str, target: str, place: int, blocks: Blocks, patches: Any = None
) -> StoredMap:
    """Return a map for the page, and put its values into `blocks`; `patches` are those of its row."""
    panel, row = maps.panel(variant_id, target, None), maps.row(variant_id, target)
    block, scale = "", 0.0
    if panel.values is not None:
        block = f"map-{len(blocks)}"
        blocks[block], scale = packed(panel.values)
    places = {box.box_id: at for at, box in enumerate(maps.boxes_seen_by(variant_id))}
    sums = maps.box_sums
    sums = sums[(sums["variant_id"] == variant_id) & (sums["target"] == target)]
    where = {"target": place, "block": block, "scale": scale, "missing": panel.missing, "marks": panel.marks}
    boxes = [row | {"box": places[str(row["box_id"])]} for row in sums.to_dict("records")]
    numbers = {} if row is None else row.to_dict()
    ends = {str(each["size"]): each for each in (() if patches is None else patches)}
    return StoredMap.model_validate(numbers | where | {"boxes": boxes, "patches": ends})


def packed(values: NDArray[np.float32]) -> tuple[str, float]:
    """Return a map's values as base64 text, and the scale that they are multiples of.

    A value is read back as its integer times the scale, in double precision; the error is at most
    max|a| / 65534 where max|a| is at least 1e-35, and at most 1e-40 below. float16 would lose maps of random
    models, whose pixels lie below its smallest normal number.
    The bytes are those of little-endian int16, all low ones before all high ones, which zlib packs better
    than pairs; rows follow each other from the top. Level 9 takes five times as long as 6 for 0.3 % less.

    Args:
        values: a map of finite values, float32 [H, W].
    """
    integers, scale = to_int16(values[None])
    return packed_words(integers), float(scale[0])


def packed_words(integers: NDArray[np.int16] | NDArray[np.uint16]) -> str:
    """Return integers of 16 bits as base64 text, packed as `packed` says."""
    planes = integers.astype(integers.dtype.newbyteorder("<")).reshape(-1, 1).view(np.uint8).T.tobytes()
    return base64.b64encode(zlib.compress(planes, 6)).decode("ascii")


def unpacked(text: str, scale: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the values of a packed map, float64 [H, W], as the page's script computes them."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8).reshape(2, -1)
    values: NDArray[np.float64] = np.ascontiguousarray(planes.T).view("<i2").reshape(shape) * np.float64(
        scale
    )
    return values
