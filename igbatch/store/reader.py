"""Reading an output: committed shards only, and of these only the rows that the study still lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store import schemas
from igbatch.store.commits import commit_paths, commits_at, latest, read_commits
from igbatch.store.encoding import MAP, stored_maps
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output, shard_of
from igbatch.store.provenance import made_from
from igbatch.store.pruned import KIND, pruned_at
from igbatch.store.row_index import FEW, ROWS_AT_ONCE, Chunk, CommittedFile, Listing, RowIndex
from igbatch.store.scan import gathered, scan
from igbatch.store.shards import ShardSpans
from igbatch.store.study_lists import StudyLists
from igbatch.store_errors import UNREADABLE, is_damage

KEY = ("variant_id", "image_id", "target")
_TABLES = {
    "image_stats": (schemas.IMAGE_STATS, KEY),
    "box_stats": (schemas.BOX_STATS, (*KEY, "box_id")),
}
"""Their columns, and the key of their rows."""
KEPT_KEYS = 1 << 26
"""Keys whose files are kept, 256 MiB; those of variants not used lately are found again by a scan."""


class Reader(StudyLists):
    """The current rows of an output: committed, listed, of the latest attempt; read on demand.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._row_indexes: dict[str, RowIndex] = {}
        self._few: dict[str, tuple[NDArray[np.int64], RowIndex]] = {}  # places, and what is known of these

    @cached_property
    def pruned_at(self) -> str | None:
        """When maps were deleted on purpose (UTC), None where they were not."""
        return pruned_at(self.output)

    def row_index(self, variant_id: str) -> RowIndex:
        """Return the index of a variant's current rows: first a scan (1 us a row), then 4 bytes a row.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        if variant_id not in self._row_indexes:
            for _ in self.scan_rows(variant_id):
                pass
        self._row_indexes[variant_id] = found = self._row_indexes.pop(variant_id)  # the last one used
        while len(self._row_indexes) > 1 and len(self._row_indexes) * (self.listing.size + 1) > KEPT_KEYS:
            del self._row_indexes[next(iter(self._row_indexes))]
        return found

    def row_index_of(self, variant_id: str, image_ids: Sequence[str]) -> RowIndex:
        """Return the index of some images of a variant; its `listing` may be of these images alone.

        Of few images among many only the files are read that may hold them, by the last reduction
        (`ShardSpans`): those that it did not see are read as well, so that the same rows are current as
        by `row_index`.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        places = np.unique(self.listing.places_of(image_ids))
        places = places[places >= 0]
        many = len(places) * FEW > len(self.listing.image_ids)
        if variant_id in self._row_indexes or many or self._spans is None:
            return self.row_index(variant_id)
        known, index = self._few.get(variant_id, (places[:0], None))
        if index is None or not np.isin(places, known).all():
            index = RowIndex(self.listing_of(variant_id, self.listing.only(places)))
            paths = self._spans.holding(variant_id, places, commit_paths(self.output, variant_id))
            where = pc.field("image_id").isin(index.listing.image_ids)
            for _ in self._scanned(index, variant_id, paths, where=where):
                pass
            self._few[variant_id] = places, index
        return index

    @cached_property
    def _spans(self) -> ShardSpans | None:
        return ShardSpans.read(self.output, self.listing_digest)

    @cached_property
    def state(self) -> str:
        """A digest of what a reduction follows from: what the study lists, and the committed shards."""
        shards = {each: sorted(map(shard_of, commit_paths(self.output, each))) for each in self.variant_ids}
        return digest([self.listing_digest, shards])

    def reduced(self, table: str) -> bool:
        """Tell whether a table of the reduction is there, and was made from what is committed now."""
        return made_from(self.output, table) == self.state

    def _scanned(
        self, index: RowIndex, variant_id: str, paths: Sequence[str], *args: Any, **how: Any
    ) -> Iterator[Chunk]:
        try:
            yield from index.scan(self.output, paths, *args, **how)
        except (OSError, pa.ArrowException):
            read_commits(self.output, [variant_id])  # names the damaged file
            raise

    def scan_rows(self, variant_id: str, columns: Sequence[str] = ()) -> Iterator[Chunk]:
        """Scan all committed rows of a variant once, some at a time; `row_index` has the index from then on.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        index = RowIndex(self.listing_of(variant_id))
        yield from self._scanned(index, variant_id, commit_paths(self.output, variant_id), columns)
        self._row_indexes[variant_id] = index

    def batches(self, columns: Sequence[str], variant_id: str) -> Iterator[pa.RecordBatch]:
        """Yield columns of the current rows of a variant, some thousand rows at a time, in any order."""
        index = self.row_index(variant_id)
        whole = index.all_current()
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in columns])
        every = [file.path for file, current in zip(index.files, whole, strict=True) if current]
        yield from (batch for _, batch in scan(self.output, every, schema))
        yield from self.current_rows(columns, index, np.flatnonzero(~whole))

    def current_rows(
        self, columns: Sequence[str], index: RowIndex, files: Iterable[int]
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of the current rows of some files (positions in `index.files`)."""
        keys = np.flatnonzero(np.isin(index.file_of_key[:-1], list(files)))
        held = {index.files[file].path: held for file, held in index.keys_by_file(keys).items()}
        return self._current_batches("image_stats", columns, index.listing, held)

    def _current_batches(
        self,
        kind: str,
        columns: Sequence[str],
        listing: Listing,
        held: Mapping[str, NDArray[np.int64]],
        where: pc.Expression | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of rows of some files (`where`), of each those of the keys that it holds."""
        place = ["image_id", "target", *(["image_etag"] if kind == "image_stats" else [])]
        schema = pa.schema([_TABLES[kind][0].field(name) for name in dict.fromkeys([*columns, *place])])
        parts = {}
        for path, batch in scan(self.output, list(held), schema, where):
            if path not in parts:
                parts = {path: listing.part(held[path])}  # batches come file by file
            part, among = parts[path]
            counts = among[part.keys(pa.Table.from_batches([batch]))]
            yield batch.filter(pa.array(counts)).select(list(columns))

    def image_stats(self, columns: Sequence[str] | None = None, variant_id: str | None = None) -> pa.Table:
        """Read one row per variant, image and target: `schemas.IMAGE_STATS`, of all variants or of one.

        Rows are in the order of `KEY`. It holds all of them at once; `batches` does not.
        """
        return self._rows("image_stats", columns, variant_id)

    def rows_of(
        self, image_ids: Sequence[str], columns: Sequence[str] | None = None, variant_id: str | None = None
    ) -> pa.Table:
        """Read the rows of some images, of all variants or of one, from the few files that hold them.

        They are the current rows by `row_index_of`, in the order of `KEY`. It holds them and a few
        row groups at a time.
        """
        return self._rows("image_stats", columns, variant_id, image_ids)

    def boxes_of(
        self, image_ids: Sequence[str], columns: Sequence[str] | None = None, variant_id: str | None = None
    ) -> pa.Table:
        """Read the rows of `box_stats` of some images as `rows_of` does, in the order of `box_stats`."""
        return self._rows("box_stats", columns, variant_id, image_ids)

    def keyed_boxes(
        self, columns: Sequence[str], variant_id: str
    ) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Yield columns of the current rows of `box_stats` of a variant, after the key of each row.

        They come some at a time, in any order; a key stands for an image and a target (see `RowIndex`).
        """
        index = self.row_index(variant_id)
        paths = {
            self._path("box_stats", variant_id, file): position
            for position, file in enumerate(index.files)
            if file.sizes["box_stats"] is not None
        }
        names = dict.fromkeys([*columns, "image_id", "target"])
        schema = pa.schema([schemas.BOX_STATS.field(name) for name in names])
        for found in gathered(scan(self.output, list(paths), schema), ROWS_AT_ONCE):
            rows = pa.Table.from_batches([batch for _, batch in found])
            files = np.repeat([paths[path] for path, _ in found], [len(batch) for _, batch in found])
            keys = self.listing.keys(rows)
            counts = index.file_of_key[keys] == files
            yield keys[counts], rows.filter(pa.array(counts)).select(list(columns))

    def box_stats(self, variant_id: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one row per variant, image, target and box: `schemas.BOX_STATS`, of all variants or of one.

        The boxes of a map come from the attempt that its row of `image_stats` comes from. Rows are in the
        order of `KEY` and the box's id. It holds all of them at once; `keyed_boxes` does not.
        """
        return self._rows("box_stats", columns, variant_id)

    def quarantine(self) -> pa.Table:
        """Read what is missing and why: `schemas.QUARANTINE`; a null target stands for all of them.

        What was quarantined and computed later, for instance after `--retry-quarantined`, is not listed.
        """
        tables = [self.quarantine_of(each) for each in sorted(self.variant_ids)]
        table = pa.concat_tables([schemas.QUARANTINE.empty_table(), *tables])
        named = pc.is_valid(table["target"])
        return pa.concat_tables([table.filter(pc.invert(named)), table.filter(named)])

    def quarantine_of(self, variant_id: str) -> pa.Table:
        """Read what is missing of one variant, as `quarantine` does, in the order of image and target."""
        attempts = self._quarantine_files(variant_id)
        found = list(scan(self.output, list(attempts), schemas.QUARANTINE))
        rows = pa.Table.from_batches([batch for _, batch in found], schemas.QUARANTINE)
        if not len(rows):
            return rows
        index = self.row_index_of(variant_id, rows["image_id"].unique().to_pylist())
        places, keys = index.listing.places(rows), index.listing.keys(rows)
        of_all = pc.is_null(rows["target"]).to_numpy()
        untouched = np.append(~index.images, True)  # the last stands for images not listed
        missing = np.where(of_all, untouched[places], index.file_of_key[keys] < 0)
        listed = np.where(of_all, places, keys) >= 0
        named_by = [attempts[path] for path, batch in found for _ in range(len(batch))]
        rows = rows.append_column("attempt", pa.array(named_by)).filter(pa.array(listed & missing))
        return latest(rows, KEY).select(schemas.QUARANTINE.names)

    def attribution(self, variant_id: str, image_id: str, target: str, column: str = MAP) -> np.ndarray:
        """Read one stored map, or its `spread`: float32 [height, width], in units of the output.

        The first call finds the image's rows (see `row_index_of`); a call then reads one row group.

        Raises:
            KeyError: there is no such map; the message says what is missing.
            InputError: the file that holds it is gone or damaged.
        """
        known = variant_id in self.variant_ids
        file = self.row_index_of(variant_id, [image_id]).file_of(image_id, target) if known else None
        why = "it is not in the study, not computed yet, quarantined, or not kept (`store.maps`)"
        if file is not None and file.sizes[KIND] is not None:
            path = self._path(KIND, variant_id, file)
            if self.pruned_at and not self.output.exists(path):
                why = f"maps were pruned on {self.pruned_at}; their statistics are there"
            elif len(found := self._maps(path, image_id, target)):
                if column in found.column_names:
                    return np.asarray(stored_maps(found, column)[0])
                why = "it has one baseline"
        place = f"variant {variant_id!r}, image {image_id!r}, target {target!r} in {self.output.uri}"
        raise KeyError(f"no {'map' if column == MAP else column} of {place}: {why}")

    def _maps(self, path: str, image_id: str, target: str) -> pa.Table:
        try:
            return pq.read_table(
                path,
                filters=(pc.field("image_id") == image_id) & (pc.field("target") == target),
                filesystem=self.output.filesystem,
                partitioning=None,
            )
        except UNREADABLE as error:
            gone = isinstance(error, FileNotFoundError)
            if not gone and not is_damage(error):
                raise
            what = "is gone" if gone else "cannot be read"
            raise InputError(f"{path}: a file of maps {what}; `igbatch verify` says what is lost") from error

    def _rows(
        self,
        kind: str,
        columns: Sequence[str] | None,
        variant_id: str | None,
        image_ids: Sequence[str] | None = None,
    ) -> pa.Table:
        """Read current rows, of all variants or one, of all images or some, in the order of their key."""
        schema, key = _TABLES[kind]
        selected = list(columns or schema.names)
        names = list(dict.fromkeys([*key, *selected]))
        batches: list[pa.RecordBatch] = []
        for each in self.variant_ids:
            if variant_id not in (None, each):
                continue
            if image_ids is not None:
                batches += self._rows_of(kind, names, each, image_ids)
            elif kind == "image_stats":
                batches += self.batches(names, each)
            else:
                batches += (batch for _, rows in self.keyed_boxes(names, each) for batch in rows.to_batches())
        table = pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in names]))
        return table.sort_by([(name, "ascending") for name in key]).select(selected)

    def _rows_of(
        self, kind: str, columns: Sequence[str], variant_id: str, image_ids: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the current rows of some images, from the files that hold any."""
        index, width = self.row_index_of(variant_id, image_ids), len(self.target_names)
        places = np.unique(index.listing.places_of(image_ids))
        places = places[places >= 0]
        keys = (places[:, None] * width + np.arange(width)).ravel()
        files = ((index.files[file], held) for file, held in index.keys_by_file(keys).items())
        held = {
            self._path(kind, variant_id, file): held
            for file, held in files
            if kind == "image_stats" or file.sizes[kind] is not None
        }
        among = pc.field("image_id").isin(index.listing.image_ids.take(pa.array(places)))
        return self._current_batches(kind, columns, index.listing, held, among)

    def _path(self, kind: str, variant_id: str, file: CommittedFile) -> str:
        if kind == "image_stats":
            return file.path
        return self.output.data_path(kind, variant_id, file.shard, file.attempt)

    def _quarantine_files(self, variant_id: str) -> dict[str, str]:
        """Return the paths of a variant's quarantine that commits name, and their attempts."""
        files = self.output.files("quarantine", variant_id)
        names = {info.path: info.base_name.removesuffix(".parquet").rpartition(".") for info in files}
        shards = {shard for shard, _, _ in names.values()}
        paths = [path for path in commit_paths(self.output, variant_id) if shard_of(path) in shards]
        commits = {each.shard: each.attempt for each in commits_at(self.output, variant_id, paths)}
        return {path: name[-1] for path, name in names.items() if commits.get(name[0]) == name[-1]}
