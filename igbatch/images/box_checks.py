"""What may be wrong with the boxes of a file, and whether it is refused or skipped."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.box_rows import BoxFile
from igbatch.images.boxes import EDGES
from igbatch.images.faults import MAX_NAMED, named
from igbatch.study import Boxes

MISREAD = 0.9
"""Share of the boxes from which on their edges are taken to be in another unit than the study says."""

ROUNDING = 0.01
"""How far beyond 0..1 an edge may lie that is a part of the image."""

FEW = 10
"""Wrong boxes that may always be skipped; of more, at most half of all."""

SKIP = "images.boxes.invalid=skip"

Edges = dict[str, NDArray[np.float64]]
Rows = NDArray[np.int64]


def judge(
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
    return [f"images.boxes: skipped: {named(texts, wrong)}"]


def refusal(file: BoxFile, texts: Iterable[str], wrong: int, boxes: int, mend: str) -> InputError:
    """Return the `InputError` of some boxes of a file, the first of which `texts` describe."""
    if wrong == 1:
        return InputError(f"{file.source}, {next(iter(texts))}; {mend}")
    return InputError(f"{file.source}: {wrong:,} of {boxes:,} boxes: {named(texts, wrong)}; {mend}")


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
    missing = np.stack([np.isnan(edges[name]) for name in EDGES])
    narrow, flat = edges["x_max"] <= edges["x_min"], edges["y_max"] <= edges["y_min"]
    wrong = np.flatnonzero(missing.any(axis=0) | narrow | flat)
    names, reasons = [], []
    for row in wrong[:MAX_NAMED].tolist():
        lacks = missing[:, row].any()
        names.append(EDGES[int(np.argmax(missing[:, row]))] if lacks else "x_max" if narrow[row] else "y_max")
        reasons.append(file.faults["number" if lacks else "width" if narrow[row] else "height"])
    cited = zip(file.cite(rows[wrong[:MAX_NAMED]].tolist(), names), reasons, strict=True)
    texts = [f"{place}: {cell}: {reason}" for (place, cell), reason in cited]
    warnings = judge(file, texts, len(wrong), len(rows), settings, "correct the file")
    usable = np.ones(len(rows), dtype=np.bool_)
    usable[wrong] = False
    return usable, warnings


def check_units(file: BoxFile, rows: Rows, edges: Edges, settings: Boxes) -> None:
    """Refuse edges that are in another unit than the study says, as far as they show it.

    Parts of the image lie within 0..1, but for `ROUNDING`. Pixels hardly ever do; nor are boxes of pixels,
    almost all of them, smaller than one.

    Raises:
        InputError: they are in another unit.
    """
    if not len(rows):
        return
    within = np.logical_and.reduce([(each >= -ROUNDING) & (each <= 1 + ROUNDING) for each in edges.values()])
    if settings.units == "normalized":
        wrong = np.flatnonzero(~within)
        first = wrong[:MAX_NAMED]
        farthest = np.abs(np.stack([edges[name][first] for name in EDGES]) - 0.5).argmax(axis=0)
        cited = file.cite(rows[first].tolist(), [EDGES[place] for place in farthest])
        mend = "parts of an image lie within 0..1; leave images.boxes.units=normalized out for pixels"
        judge(file, map(": ".join, cited), len(wrong), len(rows), settings, mend)
        return
    small = (edges["x_max"] - edges["x_min"] < 1) & (edges["y_max"] - edges["y_min"] < 1)
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
    """Refuse boxes whose image and box id stood before.

    Args:
        file: that they are from.
        rows: of the file.
        table: with image and box_id of these rows.

    Raises:
        InputError: an id stands twice in an image.
    """
    keyed = table.select(["image", "box_id"]).append_column("row", pa.array(np.arange(len(table))))
    firsts = keyed.group_by(["image", "box_id"]).aggregate([("row", "min")])["row_min"].to_numpy()
    repeated = np.ones(len(table), dtype=np.bool_)
    repeated[firsts] = False
    later = np.flatnonzero(repeated)
    if not len(later):
        return
    first = later[:MAX_NAMED]
    named_rows = table.take(pa.array(first)).to_pylist()
    texts = (
        f"{place}: box_id {row['box_id']} stands twice in {row['image']}"
        for (place, _), row in zip(cite_places(file, rows[first]), named_rows, strict=True)
    )
    raise refusal(file, texts, len(later), len(table), "rename one")


def cite_places(file: BoxFile, rows: Rows) -> list[tuple[str, str]]:
    """Tell where some rows stand, whichever of their edges it is about."""
    return file.cite(rows.tolist(), [EDGES[0]] * len(rows))
