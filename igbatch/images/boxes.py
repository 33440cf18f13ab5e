"""Boxes of a data set, as people draw them: read from CSV or COCO JSON, checked, and found by image."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import IgbatchError, InputError

BOX_SCHEMA = pa.schema(
    [("image", pa.string()), ("box_id", pa.string()), ("label", pa.string())]
    + [(name, pa.int64()) for name in ("x_min", "y_min", "x_max", "y_max")]
)
SIZE_SCHEMA = pa.schema([("image", pa.string()), ("width", pa.int64()), ("height", pa.int64())])


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle in pixels of the upright original image, half-open: x_min <= x < x_max."""

    box_id: str
    label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @property
    def area(self) -> int:
        """Pixels that the box covers."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)


@dataclass(frozen=True)
class BoxTable:
    """The boxes of a data set by image name, and the sizes of its images where the file tells them.

    Kept as Arrow columns sorted by image, so that boxes of a million images cost what their numbers take.

    Attributes:
        boxes: rows of `BOX_SCHEMA`, those of an image in the order of the file.
        sizes: rows of `SIZE_SCHEMA`, upright pixels; empty for CSV.
        source: the URI that was read, for messages.
    """

    boxes: pa.Table
    sizes: pa.Table
    source: str

    def of(self, image: str) -> tuple[Box, ...]:
        """Return the boxes of an image, none where the file does not name it."""
        start, stop = _equal_range(self.boxes["image"], image)
        rows = self.boxes.slice(start, stop - start).drop_columns("image").to_pylist()
        return tuple(Box(**row) for row in rows)

    def size_of(self, image: str) -> tuple[int, int] | None:
        """Return (width, height) of an image in pixels where the file tells it."""
        start, stop = _equal_range(self.sizes["image"], image)
        if start == stop:
            return None
        return self.sizes["width"][start].as_py(), self.sizes["height"][start].as_py()

    def unmatched(self, image_ids: pa.Array | pa.ChunkedArray) -> list[str]:
        """Return the images that have boxes and are not among `image_ids`: misspelt or left out."""
        images = self.boxes["image"].unique()
        names: list[str] = images.filter(pc.invert(pc.is_in(images, value_set=image_ids))).to_pylist()
        return names

    def check_sizes(self) -> None:
        """Check every box of an image whose size the file tells.

        Raises:
            InputError: a box reaches outside its image; the first one is named.
        """
        joined = self.boxes.join(self.sizes, "image", join_type="inner")
        outside = pc.or_(
            pc.greater(joined["x_max"], joined["width"]),
            pc.greater(joined["y_max"], joined["height"]),
        )
        for row in joined.filter(outside).sort_by("image").slice(0, 1).to_pylist():
            image, width, height = (row.pop(name) for name in SIZE_SCHEMA.names)
            check_inside([Box(**row)], width, height, where=f"{self.source}: {image}")


def check_inside(
    boxes: Iterable[Box], width: int, height: int, *, where: str, error: type[IgbatchError] = InputError
) -> None:
    """Check that boxes lie within an image of `width` x `height` pixels.

    Args:
        boxes: boxes of one image.
        width: of the upright image, in pixels.
        height: of the upright image, in pixels.
        where: what the message names first, an image or a file and an image.
        error: what is raised: `InputError` while planning, `ImageError` in a worker, which quarantines.

    Raises:
        InputError: or the given `error`: a box reaches outside.
    """
    for box in boxes:
        if box.x_min < 0 or box.y_min < 0 or box.x_max > width or box.y_max > height:
            corners = f"x {box.x_min}..{box.x_max}, y {box.y_min}..{box.y_max}"
            raise error(
                f"{where}: box {box.box_id} ({corners}) reaches outside the image of {width} x {height}; "
                "give boxes in pixels of the upright original image"
            )


def number_boxes(labels: Iterable[str]) -> list[str]:
    """Return the default ids of the boxes of one image: ``<label>-<k>``, counted from 1 for each label."""
    seen: dict[str, int] = {}
    ids = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        ids.append(f"{label}-{seen[label]}")
    return ids


def default_box_ids(image: pa.ChunkedArray, label: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what `number_boxes` gives for each image of a table, [rows] in its order, in one pass."""
    images, labels = (column.combine_chunks().dictionary_encode() for column in (image, label))
    key = images.indices.to_numpy().astype(np.int64) * len(labels.dictionary) + labels.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    run_lengths = np.diff(first, append=len(key))
    count = np.empty(len(key), dtype=np.int64)
    count[order] = np.arange(len(key)) - np.repeat(first, run_lengths) + 1
    return pc.binary_join_element_wise(label, pa.array(count).cast(pa.string()), "-")


def _equal_range(column: pa.ChunkedArray, value: str) -> tuple[int, int]:
    """Rows of a sorted column that hold `value`: bisection, since Arrow sorts text as Python compares it."""
    rows = range(len(column))
    start = bisect.bisect_left(rows, value, key=lambda row: column[row].as_py())
    return start, bisect.bisect_right(rows, value, lo=start, key=lambda row: column[row].as_py())
