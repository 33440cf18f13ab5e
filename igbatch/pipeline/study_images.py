"""The images of a study and the boxes on them, listed and checked without decoding any."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError, one_line
from igbatch.filesystem import is_local, resolve
from igbatch.images.box_counts import BoxCounts
from igbatch.images.box_files import read_boxes
from igbatch.images.boxes import SIZE_SCHEMA, BoxTable
from igbatch.images.decoding import ImageHeader, probe_header
from igbatch.images.folder import list_folder
from igbatch.images.manifest import list_manifest, list_scenes
from igbatch.images.masks import SEGMENTATION, match_masks
from igbatch.images.study_boxes import StudyBoxes, assign_boxes, check_declared, check_reach, same_objects
from igbatch.store import schemas
from igbatch.store_errors import machine_error
from igbatch.study import Boxes
from igbatch.study_file import LoadedStudy

PROBED_IMAGES = 256
"""Of so many local images with boxes the headers are read while planning, spread over all that have any."""


@dataclass(frozen=True)
class StudyImages:
    """The images of a study and the boxes on them.

    Attributes:
        table: rows of `schemas.IMAGES`. `etag` changes with an image's boxes and label too, since rows that
            were computed with others are no longer true.
        boxes: None where scenes carry their own, or there are none.
        warnings: one line each.
        box_counts: of `boxes`.
        masks: the URI of each image's label mask, null where it has none; None where the study has no folder
            of masks.
        contents: of each image, `etag` without its label and boxes.
    """

    table: pa.Table
    boxes: BoxTable | None
    warnings: list[str]
    box_counts: BoxCounts | None = None
    masks: pa.ChunkedArray | None = None
    contents: pa.ChunkedArray | None = None


def list_study_images(loaded: LoadedStudy) -> StudyImages:
    """List a study's images and read its boxes; a label comes from the manifest or else the first box.

    Raises:
        InputError: no images, a bad manifest or box file, boxes of no image of the study, or one outside its
            image where sizes are known.
    """
    images = loaded.study.images
    source = "root" if images.root and not images.manifest else "manifest" if images.manifest else "scenes"
    with _keyed(f"images.{source}"):
        table = _listed(loaded)
    with _keyed("images.boxes"):
        found = _boxes(loaded, images.boxes, table) if images.boxes else None
    boxes = found.table if found else None
    with _keyed("images.masks"):
        masks, unmasked = _masks(loaded, table["image_id"], boxes)
    labels = table["label"]
    if boxes is not None:
        first = boxes.boxes.group_by("image", use_threads=False).aggregate([("label", "first")])
        position = pc.index_in(table["image_id"], value_set=first["image"])
        labels = pc.coalesce(labels, first["label_first"].combine_chunks().take(position.combine_chunks()))
    etags = contents = pc.fill_null(table["etag"], "")
    if not images.scenes:
        etags = pc.binary_join_element_wise(etags, _digests(table["image_id"], labels, boxes, masks), "")
    listed = {name: table[name] for name in ("image_id", "uri", "size")}
    known = pa.table(listed | {"etag": etags, "label": labels})
    full = pa.concat_tables([schemas.IMAGES.empty_table(), known], promote_options="permissive")
    warnings, counts = (list(found.warnings), found.counts) if found else ([], None)
    uris = None if masks is None else masks["uri"]
    table = full.cast(schemas.IMAGES)
    return StudyImages(table, boxes, [*warnings, *unmasked], counts, uris, contents)


@contextmanager
def _keyed(key: str) -> Iterator[None]:
    """Name a key of the study in what is refused in the block."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{key}: {one_line(error)}: there is no such file; check the path") from None
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(f"{key}: ") else f"{key}: {message}") from None
    except OSError as error:
        known = machine_error(error)
        raise error if known is None else type(known)(f"{key}: {known}") from None


def _listed(loaded: LoadedStudy) -> pa.Table:
    images = loaded.study.images
    if images.scenes:
        entries = [
            (image_id, seed, group.kind, group.label)
            for group in images.scenes
            for image_id, seed in group.entries()
        ]
        return list_scenes(entries)
    root = loaded.locate(images.root) if images.root else None
    if images.manifest:
        return list_manifest(loaded.locate(images.manifest), root)
    assert root is not None
    return list_folder(root)


def _boxes(loaded: LoadedStudy, settings: Boxes, table: pa.Table) -> StudyBoxes:
    """Read a study's boxes and hold them against the sizes of images, as far as these are known."""
    file = read_boxes(loaded.locate(settings.path), loaded.study.images.masks == SEGMENTATION)
    boxes = assign_boxes(file, table, settings)
    if loaded.study.images.masks in (None, SEGMENTATION):  # else objects are those of the masks
        boxes = replace(boxes, warnings=(*boxes.warnings, *same_objects(boxes.table)))
    real = _probe(table, boxes.table)
    check_declared(boxes.table, real)
    declared = boxes.table.sizes
    others = declared.filter(pc.invert(pc.is_in(declared["image"], value_set=pa.array(real, pa.string()))))
    rows = [{"image": image, "width": size.width, "height": size.height} for image, size in real.items()]
    return check_reach(boxes, pa.concat_tables([pa.Table.from_pylist(rows, schema=SIZE_SCHEMA), others]))


def _masks(
    loaded: LoadedStudy, image_ids: pa.ChunkedArray, boxes: BoxTable | None
) -> tuple[pa.Table | None, list[str]]:
    """Return uri and etag of each image's mask, None where the study has no folder of them; and warnings."""
    place = loaded.study.images.masks
    if place is None:
        return None, []
    if place != SEGMENTATION:
        return match_masks(loaded.locate(place), image_ids)
    column = boxes.boxes["mask"] if boxes else pa.array([], pa.string())
    if column.null_count == len(column):
        raise InputError(
            f"{SEGMENTATION}: no box of {boxes.source if boxes else 'the study'} has a segmentation; give a "
            "COCO file with polygons or run-length codes, or leave masks out"
        )
    lacking = column.null_count
    warned = f"images.masks: {lacking:,} of {len(column):,} boxes have no segmentation: they are rectangles"
    return None, [warned] if lacking else []


def _probe(table: pa.Table, boxes: BoxTable) -> dict[str, ImageHeader]:
    """Read headers of local images with boxes, of up to `PROBED_IMAGES` that are spread over all of them.

    What cannot be read is left to the worker, which quarantines it.
    """
    images = boxes.boxes["image"].unique()
    if len(images) > PROBED_IMAGES:
        places = np.linspace(0, len(images) - 1, PROBED_IMAGES).round().astype(np.int64)
        images = images.take(pa.array(places))
    uris = (
        table["uri"].combine_chunks().take(pc.index_in(images, value_set=table["image_id"].combine_chunks()))
    )
    found = {}
    for image, uri in zip(images.to_pylist(), uris.to_pylist(), strict=True):
        if not is_local(uri):
            continue
        try:
            filesystem, path = resolve(uri)
            with filesystem.open_input_file(path) as file:
                found[image] = probe_header(file)
        except Exception:  # an unreadable image is quarantined by the worker that meets it, with its reason
            continue
    return found


def _digests(
    image_ids: pa.ChunkedArray, labels: pa.ChunkedArray, boxes: BoxTable | None, masks: pa.Table | None
) -> pa.Array:
    """Digest the label, the boxes and the mask of each image, to "" where it has none."""
    known: dict[str, list[str]] = {}
    for image_id, label in zip(image_ids.to_pylist(), labels.to_pylist(), strict=True):
        if label is not None:
            known[image_id] = [label]
    if boxes is not None:
        outlines = boxes.boxes["mask"].null_count < len(boxes.boxes)
        taken = boxes.boxes.drop_columns(["image"] if outlines else ["image", "mask"])
        columns = [pc.fill_null(column.cast(pa.string()), "") for column in taken.columns]
        unit = ["normalized"] if boxes.normalized else []  # 0, 0, 1, 1 is a pixel, or the whole image
        texts = pc.binary_join_element_wise(*unit, *columns, "\0")
        for image_id, text in zip(boxes.boxes["image"].to_pylist(), texts.to_pylist(), strict=True):
            known.setdefault(image_id, []).append(text)
    if masks is not None:
        for image_id, etag in zip(image_ids.to_pylist(), masks["etag"].to_pylist(), strict=True):
            if etag is not None:
                known.setdefault(image_id, []).append(f"mask\0{etag}")
    digests = {
        image_id: "-" + hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
        for image_id, texts in known.items()
    }
    return pa.array([digests.get(image_id, "") for image_id in image_ids.to_pylist()], pa.string())
