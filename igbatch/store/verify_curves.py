"""Verification of `curves.parquet`: each curve once, whole, from image to fill, with the area under it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.scan import scan
from igbatch.store.verification import Problem

FILE = "curves.parquet"
KEY = ["kind", "regions", "fill", "order", "number"]
"""Of the curves of one variant, image and target; each of these has the same ones."""
MAP = ["variant_id", "image_id", "target"]
MAX_NAMED = 100
TOLERANCE = 1e-9
"""Of an area, relative to the largest output of its curve."""


def curve_problems(output: Output, study: dict[str, Any], noted: dict[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the curves of a study.

    Args:
        output: of the study.
        study: as `study.json` has it.
        noted: content of `derived.json`.
    """
    path = output.path(FILE)
    requested = (study.get("audit") or {}).get("curves") is not None
    if not output.exists(path):
        if requested and "curves" in noted:
            yield Problem("curves", FILE, "missing, and curves were measured; run the study again")
        return
    try:
        kinds = len(output.read_table(path, KEY).group_by(KEY).aggregate([]))
        found = list(chain.from_iterable(_differences(*each, kinds) for each in _maps(output, path)))
    except (OSError, pa.ArrowException) as error:
        yield Problem("curves", FILE, f"cannot be read ({error}); delete it and run the study again")
        return
    for where, what in found[:MAX_NAMED]:
        yield Problem(
            "curves", FILE, f"{where}: {what}; delete the file and the folder curves, and run again"
        )
    if len(found) > MAX_NAMED:
        yield Problem("curves", FILE, f"and {len(found) - MAX_NAMED} more")


def _maps(output: Output, path: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Yield each map by its names, with its curves, which stand together; some are held at a time."""
    held = schemas.CURVES.empty_table().to_pandas()
    for _, batch in scan(output, [path], schemas.CURVES):
        rows = pd.concat([held, batch.to_pandas()]) if len(held) else batch.to_pandas()
        last = (rows[MAP] == rows[MAP].iloc[-1]).all(axis=1)
        yield from rows[~last].groupby(MAP, sort=False)
        held = rows[last]
    yield from held.groupby(MAP, sort=False)


def _differences(names: tuple[str, ...], own: pd.DataFrame, kinds: int) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the curves of a map, of which there are to be so many."""
    where = "/".join(map(str, names))
    twice, lost = int(own.duplicated(KEY).sum()), kinds - len(own[KEY].drop_duplicates())
    if twice or lost:
        yield where, f"{len(own)} curves, {lost} of {kinds} are lost and {twice} are there twice"
    curves: list[Any] = list(own.itertuples())
    at_image = [_at_image(row) for row in curves if len(row.outputs)]
    usual = float(np.median(at_image)) if at_image else 0.0
    for row in curves:
        if fault := _fault(row, usual):
            yield f"{where}/{row.kind}/{row.regions}/{row.fill}", fault


def _at_image(row: Any) -> float:
    return float(row.outputs[0] if row.kind == "deletion" else row.outputs[-1])


def _fault(row: Any, usual: float) -> str:
    """Return what is wrong with one curve, empty where nothing is; `usual` is F(image)."""
    fractions, outputs = (np.asarray(each, dtype=np.float64) for each in (row.fractions, row.outputs))
    if not len(fractions) == len(outputs) == row.steps + 1:
        return f"{len(fractions)} fractions and {len(outputs)} outputs at {row.steps} steps"
    if not (fractions[0] == 0 and fractions[-1] == 1 and (np.diff(fractions) > 0).all()):
        return "fractions do not rise from 0 to 1"
    size = float(np.abs(outputs).max()) + 1e-300
    if _at_image(row) != usual:
        return f"its output at the image is not {usual:.6g}, which other curves of the map have"
    under = float(np.trapezoid(outputs, fractions))
    if not abs(under - row.area) <= TOLERANCE * size:
        return f"area is {row.area!r}, the curve says {under!r}"
    return ""
