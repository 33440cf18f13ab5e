"""Checking the stored rankings of images, and the classes that rows explain as `predicted` and `top-<k>`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.rankings import FOLDER, THREADS, model_digest, parse_rankings
from igbatch.store.verification import Problem

RANKED = pa.schema(
    [schemas.IMAGE_STATS.field(name) for name in ("image_id", "image_sha256", "target", "target_index")]
)
"""Rows whose target follows from the ranking of their image."""


def stored_rankings(
    output: Output, name: str, record: Mapping[str, Any], problems: list[Problem]
) -> pa.Table:
    """Read the rankings by a model, `schemas.RANKINGS`, those of most classes first.

    Memory grows with the images of the study.

    Args:
        output: of the study.
        name: the study's name of the model.
        record: what `study.json` says of it.
        problems: gets the files that cannot be believed.

    Raises:
        OSError: the store failed.
    """
    paths = [info.path for info in output.files(FOLDER, name) if info.extension == "parquet"]
    tables = [schemas.RANKINGS.empty_table()]
    with ThreadPoolExecutor(THREADS) as pool:
        for path, data in zip(paths, pool.map(output.read, paths), strict=True):
            try:
                model, rows = parse_rankings(data)
                if model != model_digest(record):
                    raise ValueError("is of another model, or of other weights or preprocessing")
                tables.append(rows)
            except ValueError as error:
                what = f"{error}; delete it: a run ranks its images again where it needs them"
                problems.append(Problem("ranking", output.relative(path), what))
    rows = pa.concat_tables(tables).combine_chunks()
    length = pc.list_value_length(rows["classes"]).to_numpy()
    return rows.take(pa.array(np.argsort(-length, kind="stable")))


def ranked_rows(rows: pa.Table) -> pa.Table:
    """Return rows of `RANKED` of rows of `image_stats`."""
    ranked = pc.match_substring_regex(rows["target"], r"^(predicted|top-[1-9][0-9]?)$")
    return rows.select(RANKED.names).filter(ranked).cast(RANKED)


def misranked(rows: pa.Table, rankings: pa.Table) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield rows of `RANKED` that explain another class than the ranking of their image says, and that class.

    Rows of images that no ranking tells of, with these bytes, are passed over.
    """
    places = pc.fill_null(pc.index_in(_keys(rows), value_set=_keys(rankings)), -1).to_numpy()
    names = rows["target"].to_pylist()
    rank = np.array([0 if name == "predicted" else int(name[4:]) - 1 for name in names], dtype=np.int64)
    classes = rankings["classes"].combine_chunks()
    starts, lengths = classes.offsets.to_numpy(), classes.value_lengths().to_numpy()
    known = places >= 0
    known[known] = rank[known] < lengths[places[known]]
    places, rank = places[known], rank[known]
    said = classes.values.to_numpy()[starts[places] + rank]
    wrong = said != rows["target_index"].to_numpy()[known]
    for row, index in zip(np.flatnonzero(known)[wrong], said[wrong], strict=True):
        yield rows.slice(int(row), 1).to_pylist()[0], int(index)


def _keys(table: pa.Table) -> pa.Array:
    joined = pc.binary_join_element_wise(table["image_id"], table["image_sha256"], "\0")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
