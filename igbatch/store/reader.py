"""Reading an output: committed shards only, and of these only the rows that the study still lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from igbatch.errors import InputError, one_line
from igbatch.store import schemas
from igbatch.store.commit import COMMIT_KEY
from igbatch.store.encoding import stored_maps
from igbatch.store.output import Output

KEY = ("variant_id", "image_id", "target")
ATTEMPT = pa.field("attempt", pa.string())
READ_THREADS = 8


@dataclass(frozen=True)
class Commit:
    """What a committed shard says of itself: its attempt, its fingerprint, and the data files that count."""

    path: str
    variant_id: str
    shard: str
    attempt: str
    fingerprint: str
    rows: int
    files: dict[str, dict[str, Any]]


class Reader:
    """The committed rows of an output, read when they are asked for.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        study = read_study(output)
        if study is None:
            raise InputError(f"{output.uri}: no study here (study.json is missing); check the path")
        self.study: dict[str, Any] = study
        self._winners: dict[str, pa.Table] = {}

    @cached_property
    def images(self) -> pa.Table:
        """The images of the study: `schemas.IMAGES`."""
        return self.output.read_table(self.output.path("images.parquet"))

    @cached_property
    def variants(self) -> pa.Table:
        """The variants of the study, in its order: `schemas.VARIANTS`."""
        return self.output.read_table(self.output.path("variants.parquet"))

    @property
    def variant_ids(self) -> list[str]:
        """The ids of the variants, in the order of the study."""
        return list(self.variants["variant_id"].to_pylist())

    @property
    def target_names(self) -> list[str]:
        """The values of the `target` column that the study lists, in its order."""
        return list(self.study["target_names"])

    @cached_property
    def commits(self) -> list[Commit]:
        """The committed shards of the variants that the study lists."""
        return read_commits(self.output, self.variant_ids)

    def image_stats(self, columns: Sequence[str] | None = None, variant_id: str | None = None) -> pa.Table:
        """Read one row per variant, image and target: `schemas.IMAGE_STATS`, of all variants or of one."""
        wanted = list(columns or schemas.IMAGE_STATS.names)
        return self._rows(wanted, variant_id).select(wanted)

    def box_stats(self, variant_id: str | None = None) -> pa.Table:
        """Read one row per variant, image, target and box: `schemas.BOX_STATS`, of all variants or of one.

        The boxes of a map come from the attempt that its row of `image_stats` comes from.
        """
        boxes = self._data("box_stats", schemas.BOX_STATS, variant_id)
        kept = _semi_join(boxes, self._rows(KEY, variant_id), (*KEY, "attempt"))
        order = [(name, "ascending") for name in (*KEY, "box_id")]
        return kept.sort_by(order).select(schemas.BOX_STATS.names)

    def quarantine(self) -> pa.Table:
        """Read what is missing and why: `schemas.QUARANTINE`; a null target stands for all of them.

        What was quarantined and computed later, for instance after `--retry-quarantined`, is not listed.
        """
        table = latest(self._listed(self._data("quarantine", schemas.QUARANTINE)), KEY)
        present = self._rows(KEY)
        named = table.filter(pc.is_valid(table["target"]))
        whole = table.filter(pc.is_null(table["target"]))
        named = _semi_join(named, present, KEY, anti=True)
        whole = _semi_join(whole, present, KEY[:2], anti=True)
        return pa.concat_tables([whole, named]).select(schemas.QUARANTINE.names)

    def attribution(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        """Read one stored map: float32 [height, width], in units of the output.

        Raises:
            KeyError: there is no such map; the message says what is missing.
        """
        if variant_id not in self._winners:
            self._winners[variant_id] = self._rows(KEY, variant_id)
        mask = (pc.field("image_id") == image_id) & (pc.field("target") == target)
        attempts = self._winners[variant_id].filter(mask)["attempt"].to_pylist()
        for commit in self._of(variant_id):
            if commit.attempt in attempts and "attributions" in commit.files:
                path = self.output.path(commit.files["attributions"]["path"])
                found = pq.read_table(
                    path, filters=mask, filesystem=self.output.filesystem, partitioning=None
                )
                if len(found):
                    array: np.ndarray = stored_maps(found)[0]
                    return array
        raise KeyError(
            f"no map of variant {variant_id!r}, image {image_id!r}, target {target!r} in {self.output.uri}: "
            "it is not in the study, not computed yet, quarantined, or not kept (`store.maps`)"
        )

    def _rows(self, columns: Sequence[str], variant_id: str | None = None) -> pa.Table:
        """Read columns of `image_stats`, KEY and attempt: one row per key, that of the latest attempt."""
        names = dict.fromkeys([*columns, *KEY, "image_etag", "attempt"])
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in names])
        rows = self._read([(commit, commit.path) for commit in self._of(variant_id)], schema)
        return latest(self._listed(rows), KEY)

    def _of(self, variant_id: str | None) -> list[Commit]:
        return [commit for commit in self.commits if variant_id in (None, commit.variant_id)]

    def _data(self, kind: str, schema: pa.Schema, variant_id: str | None = None) -> pa.Table:
        named = [
            (commit, self.output.path(commit.files[kind]["path"]))
            for commit in self._of(variant_id)
            if kind in commit.files
        ]
        return self._read(named, schema)

    def _read(self, named: Sequence[tuple[Commit, str]], schema: pa.Schema) -> pa.Table:
        """Read the columns of `schema` from files, and `attempt`, the id of the attempt that wrote each."""
        whole = schema if ATTEMPT.name in schema.names else schema.append(ATTEMPT)

        def read(pair: tuple[Commit, str]) -> pa.Table:
            table = self.output.read_table(pair[1], schema.names).replace_schema_metadata(None).cast(schema)
            if whole is schema:
                return table
            return table.append_column(ATTEMPT, pa.array([pair[0].attempt] * len(table), pa.string()))

        with ThreadPoolExecutor(READ_THREADS) as pool:
            tables = list(pool.map(read, named))
        return pa.concat_tables(tables) if tables else whole.empty_table()

    def _listed(self, table: pa.Table) -> pa.Table:
        """Drop rows of images and targets that the study no longer lists, or of images that changed since."""
        names = pa.array([*self.target_names, None], pa.string())
        table = table.filter(pc.is_in(table["target"], names))
        images = self.images.select(["image_id", "etag"]).rename_columns(["image_id", "image_etag"])
        return _semi_join(table, images, ("image_id", "image_etag"))


def read_study(output: Output) -> dict[str, Any] | None:
    """Read the `study.json` of an output, None where there is none.

    Raises:
        InputError: it is not one of igbatch's, or of another version of the layout.
    """
    try:
        study = output.read_json(output.path("study.json"))
    except ValueError as error:
        raise InputError(f"{output.uri}: study.json is damaged ({one_line(error)}); restore it") from None
    if study is None:
        return None
    found = study.get("format") if isinstance(study, dict) else None
    if found != schemas.FORMAT:
        raise InputError(
            f"{output.uri}: study.json has format {found}, this igbatch reads {schemas.FORMAT}; "
            "use the igbatch that wrote it, or another folder"
        )
    return dict(study)


def read_commits(output: Output, variant_ids: Sequence[str]) -> list[Commit]:
    """Read the commit records of the given variants' shards from their Parquet footers."""
    found = [
        (variant_id, info.path)
        for variant_id in variant_ids
        for info in output.files("image_stats", variant_id)
        if info.base_name.endswith(".parquet") and not info.base_name.startswith(".")
    ]
    with ThreadPoolExecutor(READ_THREADS) as pool:
        return list(pool.map(lambda pair: read_commit(output.filesystem, *pair), found))


def read_commit(filesystem: fs.FileSystem, variant_id: str, path: str) -> Commit:
    """Read the commit record in the footer of one `image_stats` file.

    Raises:
        InputError: the file was cut short or was not written by igbatch.
    """
    shard = path.rsplit("/", 1)[-1].removesuffix(".parquet")
    try:
        metadata = pq.read_schema(path, filesystem=filesystem).metadata or {}
        record = json.loads(metadata[COMMIT_KEY])
        return Commit(
            path, variant_id, shard, record["attempt"], record["fingerprint"], record["rows"], record["files"]
        )
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: not a whole commit of igbatch ({one_line(error, limit=200)}); "
            "delete the file and run again"
        ) from None


def latest(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep, of rows with one key, that of the latest attempt, in the order of the key."""
    order = [(name, "ascending") for name in key] + [("attempt", "descending")]
    table = table.sort_by(order)
    if len(table) < 2:
        return table
    same = np.ones(len(table) - 1, dtype=bool)
    for name in key:
        column = table[name].combine_chunks()
        equal = pc.equal(column[1:], column[:-1]).fill_null(False)
        both_null = pc.and_(pc.is_null(column[1:]), pc.is_null(column[:-1]))
        same &= pc.or_(equal, both_null).to_numpy(zero_copy_only=False)
    return table.filter(pa.array(np.concatenate([[True], ~same])))


def _semi_join(table: pa.Table, keys: pa.Table, on: Sequence[str], *, anti: bool = False) -> pa.Table:
    """Keep the rows of `table` whose key is among `keys` (or is not, with `anti`)."""
    position = table.select(list(on)).append_column("_row", pa.array(np.arange(len(table))))
    kept = position.join(keys.select(list(on)), list(on), join_type="left anti" if anti else "left semi")
    return table.take(np.sort(kept["_row"].to_numpy()))
