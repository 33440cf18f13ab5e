"""Boxes on images: rows as read from a file, the boxes of each image, and their fit into its pixels."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SNAP = 0.01
"""Fraction of a pixel by which an edge may pass a whole number and still be taken for it.

COCO's files keep two decimals, so that x + width of a box at the image's edge often passes it by 0.01.
"""

EDGES = ("x_min", "y_min", "x_max", "y_max")
_NAMES = [("image", pa.string()), ("box_id", pa.string()), ("label", pa.string())]
_MASK = ("mask", pa.string())
BOX_SCHEMA = pa.schema([*_NAMES, *((name, pa.int64()) for name in EDGES), _MASK])
NORMALIZED_SCHEMA = pa.schema([*_NAMES, *((name, pa.float64()) for name in EDGES), _MASK])
"""`mask` is an outline (`segmentations.to_text`), null where there is none, or boxes alone are taken."""
SIZE_SCHEMA = pa.schema([("image", pa.string()), ("width", pa.int64()), ("height", pa.int64())])
ROW_SCHEMA = NORMALIZED_SCHEMA.append(pa.field("crowd", pa.bool_()))
"""One row a box as its file has it: `box_id` is null without one, edges are NaN where they are no numbers."""

MAX_EDGE = 10**9
"""Pixels beyond which no edge of a box is believed."""


@dataclass(frozen=True)
class BoxFile:
    """The boxes of a file before it is known which images they are on, and whether they can be used.

    Attributes:
        rows: of `ROW_SCHEMA`, in the order of the file, under the names that it has for images.
        sizes: rows of `SIZE_SCHEMA`, one for each image that the file names, with or without boxes; null
            where it states no size.
        source: the URI that was read, for messages.
        cite: returns for some rows and an edge each where the row stands and what is there.
        faults: what messages say of a box that is no `number`, has no `width`, or no `height`.
    """

    rows: pa.Table
    sizes: pa.Table
    source: str
    cite: Callable[[Sequence[int], Sequence[str]], list[tuple[str, str]]]
    faults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle in pixels of the upright original image, half-open: x_min <= x < x_max.

    `mask` is the outline of its object (`segmentations.to_text`), where one is taken.
    """

    box_id: str
    label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    mask: str | None = None

    @property
    def area(self) -> int:
        """Pixels that the box covers."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)

    def in_pixels(self, width: int, height: int) -> Box:
        """Return the box itself, whatever the size of its image."""
        return self


@dataclass(frozen=True, slots=True)
class NormalizedBox:
    """A labelled rectangle in parts of the upright original image's width and height, 0 to 1."""

    box_id: str
    label: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    mask: str | None = None

    def in_pixels(self, width: int, height: int) -> Box:
        """Return the box in pixels of an image of `width` x `height`, rounded outwards."""
        (x_min,), (x_max,) = round_outwards([self.x_min * width], [self.x_max * width])
        (y_min,), (y_max,) = round_outwards([self.y_min * height], [self.y_max * height])
        return Box(self.box_id, self.label, int(x_min), int(y_min), int(x_max), int(y_max))


@dataclass(frozen=True)
class BoxTable:
    """The boxes of a data set by image name, and the sizes of its images where the file states them.

    Kept as Arrow columns sorted by image, so that boxes of a million images cost what their numbers take.

    Attributes:
        boxes: rows of `BOX_SCHEMA` or `NORMALIZED_SCHEMA`, those of an image in the order of the file.
        sizes: rows of `SIZE_SCHEMA`, upright pixels, of images whose size the file states; none for CSV.
        source: the URI that was read, for messages.
    """

    boxes: pa.Table
    sizes: pa.Table
    source: str

    @property
    def normalized(self) -> bool:
        """Tell whether edges are parts of width and height."""
        return bool(self.boxes.schema.equals(NORMALIZED_SCHEMA))

    def of(self, image: str) -> tuple[Box | NormalizedBox, ...]:
        """Return the boxes of an image, none where the file does not name it."""
        start, stop = _equal_range(self.boxes["image"], image)
        rows = self.boxes.slice(start, stop - start).drop_columns("image").to_pylist()
        kind = NormalizedBox if self.normalized else Box
        return tuple(kind(**row) for row in rows)

    def size_of(self, image: str) -> tuple[int, int] | None:
        """Return (width, height) of an image in pixels where the file states it."""
        start, stop = _equal_range(self.sizes["image"], image)
        if start == stop:
            return None
        return self.sizes["width"][start].as_py(), self.sizes["height"][start].as_py()


@dataclass(frozen=True, slots=True)
class FittedBoxes:
    """The boxes of an image once its size is known.

    Attributes:
        boxes: those within the image, clipped where they reached up to a pixel outside.
        clipped: how many of these were clipped.
        outside: those that reach further outside, or lie there as a whole.
    """

    boxes: tuple[Box, ...]
    clipped: int
    outside: tuple[Box, ...]


def fit_boxes(boxes: Iterable[Box | NormalizedBox], width: int, height: int) -> FittedBoxes:
    """Fit boxes into their image of `width` x `height` pixels, upright, by the rule of `reach`."""
    fitted: list[Box] = []
    outside: list[Box] = []
    clipped = 0
    for given in boxes:
        box = given.in_pixels(width, height)
        beyond, over = reach(box.x_min, box.y_min, box.x_max, box.y_max, width, height)
        if over:
            low, high = (
                (max(box.x_min, 0), max(box.y_min, 0)),
                (min(box.x_max, width), min(box.y_max, height)),
            )
            box = replace(box, x_min=low[0], y_min=low[1], x_max=high[0], y_max=high[1])
            clipped += 1
        (outside if beyond else fitted).append(box)
    return FittedBoxes(tuple(fitted), clipped, tuple(outside))


def reach(x_min: Any, y_min: Any, x_max: Any, y_max: Any, width: Any, height: Any) -> tuple[Any, Any]:
    """Tell of boxes in whole pixels whether they lie outside their images, and whether they need clipping.

    A box that reaches up to one pixel outside is clipped: tools round, count from 1, or take the last pixel
    for an edge. One that reaches further, or has nothing inside, is outside. Numbers or arrays of one shape.

    Returns:
        (outside, clipped), of which at most one is true.
    """
    outside = (x_min < -1) | (y_min < -1) | (x_max > width + 1) | (y_max > height + 1)
    outside |= (x_max <= 0) | (y_max <= 0) | (x_min >= width) | (y_min >= height)
    over = (x_min < 0) | (y_min < 0) | (x_max > width) | (y_max > height)
    return outside, over > outside


def round_outwards(low: Any, high: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Round lower and upper edges in pixels outwards, to boxes of a pixel at least; `SNAP` is forgiven."""
    first = np.floor(np.asarray(low) + SNAP).astype(np.int64)
    return first, np.maximum(np.ceil(np.asarray(high) - SNAP).astype(np.int64), first + 1)


def words_of(box: Box) -> str:
    """Return a box as messages name it."""
    return f"box {box.box_id} (x {box.x_min}..{box.x_max}, y {box.y_min}..{box.y_max})"


def number_boxes(labels: Iterable[str]) -> list[str]:
    """Return the default ids of the boxes of one image: ``<label>-<k>``, counted from 1 for each label."""
    seen: dict[str, int] = {}
    ids = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        ids.append(f"{label}-{seen[label]}")
    return ids


def default_box_ids(image: pa.Array, label: pa.Array) -> pa.Array:
    """Return what `number_boxes` gives for each image of a table, [rows] in its order, in one pass."""
    keys = pa.table({"image": image, "label": label}).to_pandas()
    count = keys.groupby(["image", "label"], sort=False).cumcount().to_numpy() + 1
    return pc.binary_join_element_wise(label, pa.array(count).cast(pa.string()), "-")


def _equal_range(column: pa.ChunkedArray, value: str) -> tuple[int, int]:
    """Rows of a sorted column that hold `value`: bisection, since Arrow sorts text as Python compares it."""
    rows = range(len(column))
    start = bisect.bisect_left(rows, value, key=lambda row: column[row].as_py())
    return start, bisect.bisect_right(rows, value, lo=start, key=lambda row: column[row].as_py())
