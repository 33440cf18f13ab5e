"""The classes that a trained model ranks highest for images, stored so that each is ranked once a study.

`rankings/<model>/<digest>.parquet` holds the images of one shard, whatever its variant; the digest is of the
model and of their ids. A file is put whole and may be replaced; its content follows from the model and
the bytes of the images, so that two workers that write it at once write the same, and deleting it costs
forward passes and nothing else. A row counts for the bytes of an image that it names, under any id list.
Each file carries a digest of its rows and of the model: one that is damaged, or another model's, is as none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from igbatch.store import schemas
from igbatch.store.fingerprint import bytes_digest, digest
from igbatch.store.output import Output, table_bytes
from igbatch.store.verification import Problem

FOLDER = "rankings"
KEY = b"igbatch"
THREADS = 8
RANKED = pa.schema(
    [schemas.IMAGE_STATS.field(name) for name in ("image_id", "image_sha256", "target", "target_index")]
)
"""Rows whose target follows from the ranking of their image."""


class Ranking(NamedTuple):
    """The likeliest classes of an image and their probabilities, the likeliest first."""

    classes: Sequence[int]
    probabilities: Sequence[float]


ImageKey = tuple[str, str]
"""Id and SHA-256 of an image."""


def ranking_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that decides a ranking besides the image, of what `study.json` says of a model."""
    return {name: record[name] for name in ("architecture", "weights", "classes", "data_config")}


def model_digest(record: Mapping[str, Any]) -> str:
    """Return what stands for `ranking_facts`."""
    return digest(ranking_facts(record))


class RankingStore:
    """The stored rankings of one trained model.

    Rows of other shards than the requested one are read when an image is in no file of its own shard: after
    a run that was cut otherwise, and for variants on some of the images. They are kept, about 100 bytes each.

    Args:
        output: of the study.
        name: the study's name of the model.
        model: its `model_digest`.
    """

    def __init__(self, output: Output, name: str, model: str) -> None:
        self._output = output
        self._name = name
        self._model = model
        self._read_files: set[tuple[str, Any, Any]] = set()
        self._rows: pa.Table = schemas.RANKINGS.empty_table()

    def path(self, image_ids: Sequence[str]) -> str:
        """Return the path of the file of a shard of these images."""
        name = bytes_digest("\0".join([self._model, *image_ids]).encode())
        return self._output.path(FOLDER, self._name, f"{name}.parquet")

    def of_shard(self, image_ids: Sequence[str], classes: int) -> dict[ImageKey, Ranking]:
        """Return what the file of a shard of these images holds of so many classes and more.

        Raises:
            OSError: the store failed.
        """
        return _by_image(self._read(self.path(image_ids)), classes)

    def of_others(self, image_ids: Sequence[str], classes: int) -> dict[ImageKey, Ranking]:
        """Return what files of other shards, those that were written meanwhile too, hold on these images.

        Args:
            image_ids: of the shard.
            classes: rankings of fewer do not count.

        Raises:
            OSError: the store failed.
        """
        listed = self._output.files(FOLDER, self._name)
        found = {(info.path, info.size, info.mtime_ns) for info in listed if info.extension == "parquet"}
        fresh = sorted(path for path, _, _ in found - self._read_files)
        with ThreadPoolExecutor(THREADS) as pool:
            self._rows = pa.concat_tables([self._rows, *pool.map(self._read, fresh)])
        self._read_files |= found
        listed_here = pc.is_in(self._rows["image_id"], value_set=pa.array(image_ids, pa.string()))
        return _by_image(self._rows.filter(listed_here), classes)

    def keep(self, image_ids: Sequence[str], rankings: Mapping[ImageKey, Ranking]) -> None:
        """Write the file of a shard of these images, in place of one that is there.

        Args:
            image_ids: of the shard; of images that cannot be used there is no ranking.
            rankings: of the others.
        """
        rows = [
            {"image_id": image_id, "image_sha256": sha256, **ranking._asdict()}
            for (image_id, sha256), ranking in rankings.items()
        ]
        self._output.put(self.path(image_ids), ranking_bytes(rows, self._model))

    def _read(self, path: str) -> pa.Table:
        try:
            model, table = parse_rankings(self._output.read(path))
        except (FileNotFoundError, ValueError):
            return schemas.RANKINGS.empty_table()
        return table if model == self._model else schemas.RANKINGS.empty_table()


def ranking_bytes(rows: Sequence[Mapping[str, Any]], model: str) -> bytes:
    """Return rows of `schemas.RANKINGS` as the bytes of a file that carries their digest."""
    table = pa.Table.from_pylist(list(rows), schema=schemas.RANKINGS)
    record = {"model": model, "rows": digest(table.to_pydict())}
    return table_bytes(table.replace_schema_metadata({KEY: json.dumps(record).encode()}))


def parse_rankings(data: bytes) -> tuple[str, pa.Table]:
    """Return the `model_digest` that a file names, and its rows.

    Raises:
        ValueError: it is not a whole file of rankings, or it was changed.
    """
    try:
        table = pq.read_table(pa.BufferReader(data))
        record = json.loads((table.schema.metadata or {})[KEY])
        rows = table.replace_schema_metadata().cast(schemas.RANKINGS)
        model, written, held = str(record["model"]), record["rows"], digest(rows.to_pydict())
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise ValueError(f"not a whole file of rankings ({error})") from error
    if written != held:
        raise ValueError("its rows have changed: another digest than it carries")
    return model, rows


def _by_image(table: pa.Table, classes: int) -> dict[ImageKey, Ranking]:
    """Index the rows of so many classes and more by image."""
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {(row[0], row[1]): Ranking(*row[2:]) for row in rows if len(row[2]) >= classes}


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
    """Yield rows of `RANKED` that explain another class than the ranking of their image has, and that class.

    Rows of images without a ranking for these bytes are passed over.
    """
    places = pc.fill_null(pc.index_in(_image_keys(rows), value_set=_image_keys(rankings)), -1).to_numpy()
    names = rows["target"].to_pylist()
    rank = np.array([0 if name == "predicted" else int(name[4:]) - 1 for name in names], dtype=np.int64)
    classes = rankings["classes"].combine_chunks()
    starts, lengths = classes.offsets.to_numpy(), classes.value_lengths().to_numpy()
    known = places >= 0
    known[known] = rank[known] < lengths[places[known]]
    places, rank = places[known], rank[known]
    ranked = classes.values.to_numpy()[starts[places] + rank]
    wrong = ranked != rows["target_index"].to_numpy()[known]
    for row, index in zip(np.flatnonzero(known)[wrong], ranked[wrong], strict=True):
        yield rows.slice(int(row), 1).to_pylist()[0], int(index)


def _image_keys(table: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(table["image_id"], table["image_sha256"], "\0").combine_chunks()
