"""The boxes of a study: matched to its images, checked against their sizes, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.box_checks import (
    Edges,
    Rows,
    check_box_ids,
    check_extents,
    check_units,
    places,
    refuse_or_skip,
)
from igbatch.images.box_counts import BoxCounts
from igbatch.images.box_matching import better_match, match_images
from igbatch.images.box_unions import SLACK, union_of
from igbatch.images.boxes import (
    BOX_SCHEMA,
    EDGES,
    NORMALIZED_SCHEMA,
    SIZE_SCHEMA,
    Box,
    BoxFile,
    BoxTable,
    default_box_ids,
    reach,
    round_outwards,
    words_of,
)
from igbatch.images.decoding import ImageHeader
from igbatch.images.faults import MAX_NAMED, cite
from igbatch.study import Boxes

MEND = "give boxes, and the size that they belong to, of the upright original image"
_NO_LIMIT = 2**62
_PART_SLACK = 0.005
"""Part of an image's side by which boxes side by side may overlap: about a pixel of the input."""


@dataclass(frozen=True)
class StudyBoxes:
    """The boxes of a study.

    Attributes:
        table: of boxes, by image id.
        rows: the row of the file that each box comes from, [boxes].
        file: as it was read.
        settings: the study's.
        counts: of boxes, as far as they are known.
        warnings: one line each.
    """

    table: BoxTable
    rows: Rows
    file: BoxFile
    settings: Boxes
    counts: BoxCounts
    warnings: tuple[str, ...] = ()


def assign_boxes(file: BoxFile, images: pa.Table, settings: Boxes) -> StudyBoxes:
    """Find the images of a file's boxes, and leave out what cannot be used.

    Boxes of images that are not in the study are passed over, whatever is wrong with them. A box without
    extent, or whose edges are no numbers, is refused or skipped (`settings.invalid`). `check_reach` then
    holds the others against the sizes of their images.

    Args:
        file: what was read.
        images: of the study, rows with image_id and uri.
        settings: the study's `images.boxes`.

    Raises:
        InputError: no image matches, edges are in another unit, boxes cannot be used, or an id stands twice
            in an image; the first ten are named.
    """
    names, ids = file.sizes["image"].combine_chunks(), images["image_id"].combine_chunks()
    at = match_images(file.source, names, images, settings.match)
    matched = int(np.count_nonzero(at >= 0))
    warnings = []
    if matched < min(len(names), len(images)) and (hint := better_match(names, images, settings.match)):
        warnings.append(f"images.boxes: {matched:,} of the study's {len(images):,} images match: {hint}")
    image = at[pc.index_in(file.rows["image"].combine_chunks(), value_set=names).to_numpy()]
    crowd = file.rows["crowd"].to_numpy() & (image >= 0) & (settings.crowd == "skip")
    rows = np.flatnonzero((image >= 0) & ~crowd)
    edges = np.stack([file.rows[name].to_numpy()[rows] for name in EDGES])
    usable, skipped = check_extents(file, rows, edges, settings)
    table = _table(file, rows, edges, ids.take(pa.array(image[rows])), settings).filter(pa.array(usable))
    rows = rows[usable]
    check_units(file, rows, edges[:, usable], settings)
    if file.rows["box_id"].null_count < len(file.rows):
        check_box_ids(file, rows, table)
    order = pc.sort_indices(table, sort_keys=[("image", "ascending")])
    counts = BoxCounts(
        boxes=len(table),
        images=pc.count_distinct(table["image"]).as_py(),
        study_images=len(images),
        unknown_images=len(names) - matched,
        crowd=int(np.count_nonzero(crowd)),
        unusable=int(np.count_nonzero(~usable)),
        unchecked=len(table),
        **_repeated(table, settings),
    )
    found = BoxTable(table.take(order), _declared_sizes(file, at, ids), file.source)
    return StudyBoxes(found, rows[order.to_numpy()], file, settings, counts, (*warnings, *skipped))


def same_objects(boxes: BoxTable) -> list[str]:
    """Return a line about boxes with the very edges, and outline, of one before them in their image.

    As objects the first stands for all of them; none where there are no such boxes.
    """
    ids = boxes.boxes["box_id"]
    edges = boxes.boxes.drop_columns(["box_id", "label"]).to_pandas()
    later = np.flatnonzero(edges.duplicated())
    if not len(later):
        return []
    alike = edges.groupby([*edges], dropna=False).ngroup().to_numpy()
    second = int(later[0])
    one, other = (ids[int(place)].as_py() for place in (np.argmax(alike == alike[second]), second))
    return [
        f"images.boxes: {len(later):,} of {len(ids):,} boxes {'lies' if len(later) == 1 else 'lie'} just "
        f"where one before {'it' if len(later) == 1 else 'them'} does (in "
        f"{edges['image'][second]} {other} where {one} does): shown by objects, the first stands for all"
    ]


def wrong_size(declared: tuple[int, int] | None, real: ImageHeader, normalized: bool = False) -> str | None:
    """Say how the size that a box file states of an image differs from the real one; None where it does not.

    Boxes that are parts of the image hold for any size of the same proportions, to a pixel.

    Args:
        declared: (width, height) in pixels as the file has it, None where it states none.
        real: of the upright image.
        normalized: whether boxes are parts of the image.
    """
    size = real.width, real.height
    if declared is None or declared == size:
        return None
    if normalized and abs(declared[0] * size[1] - declared[1] * size[0]) <= max(*declared, *size):
        return None
    words = f"the box file says {declared[0]} x {declared[1]}, the image has {size[0]} x {size[1]}"
    if declared == size[::-1]:
        words += (
            " once its EXIF orientation turns it upright" if real.turned else ": width and height swapped"
        )
    return words


def check_declared(boxes: BoxTable, real: Mapping[str, ImageHeader]) -> None:
    """Check the sizes that a box file states against real ones, of images that have boxes.

    Args:
        boxes: with the sizes that their file states.
        real: by image id.

    Raises:
        InputError: sizes differ; the first ten are named.
    """
    problems = (
        (image, wrong_size(boxes.size_of(image), size, boxes.normalized)) for image, size in real.items()
    )
    faults = [f"{image}: {words}" for image, words in problems if words]
    if faults:
        count = f"{len(faults):,} of {len(real):,} images that were checked: " if len(faults) > 1 else ""
        raise InputError(f"{boxes.source}: {count}{cite(faults, len(faults))}; {MEND}")


def check_reach(boxes: StudyBoxes, sizes: pa.Table) -> StudyBoxes:
    """Hold boxes against the sizes of their images, as far as these are known, and count them.

    Boxes outside their images stay in the table: whoever reads the images leaves them out by the same rule
    (`igbatch.images.boxes.fit_boxes`), so that nothing depends on how many were checked before.

    Args:
        boxes: of a study.
        sizes: rows of `SIZE_SCHEMA`, upright pixels.

    Raises:
        InputError: boxes are outside their images and the study does not skip them; the first ten are named.
    """
    table = boxes.table.boxes
    at = pc.fill_null(pc.index_in(table["image"], value_set=sizes["image"].combine_chunks()), -1).to_numpy()
    known = at >= 0
    size = np.stack([np.append(sizes[side].to_numpy(), _NO_LIMIT)[at] for side in ("width", "height")])
    unit = np.where(known, size, 1) if boxes.table.normalized else 1
    edges = np.stack([table[name].to_numpy() for name in EDGES])
    corners = np.concatenate(round_outwards(edges[:2] * unit, edges[2:] * unit))
    outside, clipped = reach(*corners, *size)
    wrong = np.flatnonzero(outside)

    def texts() -> Iterator[str]:
        first = wrong[:MAX_NAMED]
        for place, row in zip(places(boxes.file, boxes.rows[first]), first.tolist(), strict=True):
            image, box_id, label = (table[name][row].as_py() for name in ("image", "box_id", "label"))
            box = words_of(Box(box_id, label, *corners[:, row].tolist()))
            of = f" of {size[0, row]} x {size[1, row]}" if known[row] else ""
            yield f"{place}: {image}: {box} reaches outside the image{of}"

    kind = "as parts" if boxes.table.normalized else "in pixels"
    mend = f"give boxes {kind} of the upright original image"
    skipped = refuse_or_skip(boxes.file, texts(), len(wrong), len(table), boxes.settings, mend)
    counts = replace(
        boxes.counts,
        outside=len(wrong),
        clipped=int(np.count_nonzero(clipped)),
        unchecked=int(np.count_nonzero(~known & ~outside)),
        **_repeated(table.filter(pa.array(~outside)), boxes.settings),
    )
    return replace(boxes, counts=counts, warnings=(*boxes.warnings, *skipped))


def _table(file: BoxFile, rows: Rows, edges: Edges, image: pa.Array, settings: Boxes) -> pa.Table:
    """Return boxes in the order of the file, under the ids of their images.

    Those that have no id are numbered; what is skipped later keeps its number.
    """
    names = ("label", "box_id", "mask")
    label, given, mask = (file.rows[name].combine_chunks().take(pa.array(rows)) for name in names)
    box_id = pc.coalesce(given, default_box_ids(image, label))
    schema = NORMALIZED_SCHEMA
    if settings.units == "pixels":
        schema, edges = BOX_SCHEMA, np.concatenate(round_outwards(*np.split(np.nan_to_num(edges), 2)))
    return pa.Table.from_arrays([image, box_id, label, *map(pa.array, edges), mask], schema=schema)


def _repeated(table: pa.Table, settings: Boxes) -> dict[str, int]:
    """Count the boxes whose pixels others of their label have, and the images whose sums cannot be added."""
    codes = (table[name].combine_chunks().dictionary_encode().indices for name in ("image", "label"))
    keys = [each.to_numpy().astype(np.int64) for each in codes]
    edges = np.stack([table[name].to_numpy().astype(np.float64) for name in EDGES])
    union = union_of(keys, edges, SLACK if settings.units == "pixels" else _PART_SLACK)
    same = int(table.select(["image", "label", *EDGES]).to_pandas().duplicated().sum())
    return {
        "duplicates": same,
        "within": int(np.count_nonzero(~union.outer)) - same,
        "overlapping": pc.count_distinct(table["image"].filter(pa.array(~union.apart))).as_py(),
    }


def _declared_sizes(file: BoxFile, at: NDArray[np.int64], ids: pa.Array) -> pa.Table:
    """Return the sizes that a file states of the study's images, sorted by image id."""
    declared = (at >= 0) & pc.is_valid(file.sizes["width"]).to_numpy()
    image = ids.take(pa.array(at[declared]))
    sizes = file.sizes.filter(pa.array(declared)).set_column(0, "image", image)
    return sizes.cast(SIZE_SCHEMA).sort_by("image")
