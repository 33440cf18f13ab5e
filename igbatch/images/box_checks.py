"""What may be wrong with the boxes of a file, and whether it is refused or skipped."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.boxes import EDGES, BoxFile
from igbatch.images.faults import MAX_NAMED, cite
from igbatch.images.label_maps import BACKGROUND
from igbatch.study import Boxes

MISREAD = 0.9
"""Share of the boxes from which on their edges are taken to be in another unit than the study says."""

ROUNDING = 0.01
"""How far beyond 0..1 an edge may lie that is a part of the image."""

FEW = 10
"""Wrong boxes that may always be skipped; of more, at most half of all."""

SKIP = "images.boxes.invalid=skip"

Edges = NDArray[np.float64]
"""Edges of boxes, [4, boxes] in the order of `EDGES`."""
Rows = NDArray[np.int64]


def refuse_or_skip(
    file: BoxFile, texts: Iterable[str], wrong: int, boxes: int, settings: Boxes, mend: str
) -> list[str]:
    """Refuse wrong boxes, or return a line that names those that are skipped, none where none is wrong.

    Where more than half of the boxes are wrong they are refused even if the study skips what is wrong: the
    file means something else. `texts` describe the first `MAX_NAMED` of `wrong` out of all `boxes`.

    Raises:
        InputError: they are refused; `mend` is part of the line.
    """
    if not wrong:
        return []
    if settings.invalid == "refuse":
        raise refusal(file, texts, wrong, boxes, f"{mend}, or leave out what is wrong with {SKIP}")
    if wrong > max(FEW, boxes // 2):
        raise refusal(file, texts, wrong, boxes, f"{mend}; {SKIP} leaves out half of the boxes at most")
    return [f"images.boxes: skipped: {cite(texts, wrong)}"]


def refusal(file: BoxFile, texts: Iterable[str], wrong: int, boxes: int, mend: str) -> InputError:
    """Return the `InputError` of some boxes of a file, the first of which `texts` describe."""
    if wrong == 1:
        return InputError(f"{file.source}, {next(iter(texts))}; {mend}")
    return InputError(f"{file.source}: {wrong:,} of {boxes:,} boxes: {cite(texts, wrong)}; {mend}")


def check_extents(
    file: BoxFile, rows: Rows, edges: Edges, settings: Boxes
) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell which boxes are four numbers and have an extent.

    Args:
        file: that they are from.
        rows: of the file.
        edges: of these rows, as the file has them.
        settings: the study's.

    Returns:
        bool [rows], and warnings.

    Raises:
        InputError: some do not, and are refused.
    """
    missing, (x_min, y_min, x_max, y_max) = np.isnan(edges), edges
    narrow = x_max <= x_min
    wrong = missing.any(axis=0) | narrow | (y_max <= y_min)
    first = np.flatnonzero(wrong)[:MAX_NAMED]
    faults = []
    for box in first:
        if missing[:, box].any():
            faults.append((EDGES[int(missing[:, box].argmax())], "number"))
        else:
            faults.append(("x_max", "width") if narrow[box] else ("y_max", "height"))
    cited = file.cite(rows[first].tolist(), [edge for edge, _ in faults])
    texts = (f"{': '.join(cell)}: {file.faults[kind]}" for cell, (_, kind) in zip(cited, faults, strict=True))
    mend = "correct the file"
    return ~wrong, refuse_or_skip(file, texts, int(np.count_nonzero(wrong)), len(rows), settings, mend)


def check_units(file: BoxFile, rows: Rows, edges: Edges, settings: Boxes) -> None:
    """Refuse edges that are in another unit than the study says, as far as they show it.

    Parts of the image lie within 0..1, but for `ROUNDING`. Pixels hardly ever do; nor are boxes of pixels,
    almost all of them, smaller than one.

    Raises:
        InputError: they are in another unit.
    """
    if not len(rows):
        return
    within = ((edges >= -ROUNDING) & (edges <= 1 + ROUNDING)).all(axis=0)
    if settings.units == "normalized":
        wrong = np.flatnonzero(~within)
        first = wrong[:MAX_NAMED]
        farthest = np.abs(edges[:, first] - 0.5).argmax(axis=0)
        cited = file.cite(rows[first].tolist(), [EDGES[place] for place in farthest])
        mend = "parts of an image lie within 0..1; leave images.boxes.units=normalized out for pixels"
        refuse_or_skip(file, map(": ".join, cited), len(wrong), len(rows), settings, mend)
        return
    small = (edges[2:] - edges[:2] < 1).all(axis=0)
    for misread, what, mend in (
        (within, "lie within 0..1", "edges that are parts of the image need images.boxes.units=normalized"),
        (small, "are smaller than a pixel", "give edges in pixels of the upright original image"),
    ):
        if misread.mean() >= MISREAD:
            ((place, cell),) = file.cite(rows[misread][:1].tolist(), ["x_max"])
            count = int(np.count_nonzero(misread))
            raise InputError(
                f"{file.source}: {count:,} of {len(rows):,} boxes {what} (first {place}: {cell}); {mend}"
            )


def check_box_ids(file: BoxFile, rows: Rows, table: pa.Table) -> None:
    """Refuse boxes whose image and box id stood before, and the id of what is in no box.

    Args:
        file: that they are from.
        rows: of the file.
        table: with image and box_id of these rows.

    Raises:
        InputError: an id stands twice in an image, or is `BACKGROUND`.
    """
    ids = table.select(["image", "box_id"]).to_pandas()
    taken = (ids["box_id"] == BACKGROUND).to_numpy()
    wrong = np.flatnonzero(ids.duplicated().to_numpy() | taken)
    if not len(wrong):
        return
    first = wrong[:MAX_NAMED]
    why = ["is what objects call all that is in no box" if each else "stands twice" for each in taken[first]]
    texts = (
        f"{place}: box_id {row['box_id']} {fault} in {row['image']}"
        for place, row, fault in zip(
            places(file, rows[first]), table.take(pa.array(first)).to_pylist(), why, strict=True
        )
    )
    raise refusal(file, texts, len(wrong), len(table), "rename one")


def places(file: BoxFile, rows: Rows) -> list[str]:
    """Tell where some rows stand."""
    return [place for place, _ in file.cite(rows.tolist(), [EDGES[0]] * len(rows))]
