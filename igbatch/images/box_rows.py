"""Boxes as a file has them, before it is known which images they are on and whether they can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from igbatch.images.boxes import EDGES

FARTHEST = 10**9
"""Pixels beyond which no edge of a box is believed."""

ROW_SCHEMA = pa.schema(
    [("image", pa.string()), ("box_id", pa.string()), ("label", pa.string())]
    + [(name, pa.float64()) for name in EDGES]
    + [("crowd", pa.bool_())]
)
"""One row a box, in the order of the file: `box_id` is null where it has none; edges are NaN where they are
no numbers."""


@dataclass(frozen=True)
class BoxFile:
    """The boxes of a file as they stand there, under the names that it has for images.

    Attributes:
        rows: of `ROW_SCHEMA`.
        sizes: rows of `SIZE_SCHEMA`, one for each image that the file names, with or without boxes; null
            where it tells no size.
        source: the URI that was read, for messages.
        cite: tells for some rows and, for each, an edge, where the row stands and what is there.
        faults: what messages say of a box that is no `number`, has no `width`, or no `height`.
    """

    rows: pa.Table
    sizes: pa.Table
    source: str
    cite: Callable[[Sequence[int], Sequence[str]], list[tuple[str, str]]]
    faults: Mapping[str, str]
